"""One board under watch: what was read of it so far, and the energy of a window."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from attrs import frozen

from ai_energy_benchmarks.domain import edges, integral
from ai_energy_benchmarks.domain.edges import Delay, Level
from ai_energy_benchmarks.domain.power import Estimator, Mark, Provenance, Reading, Series
from ai_energy_benchmarks.metrics.cadence import Cadence
from ai_energy_benchmarks.metrics.nvml_library import Nvml, NvmlBoard
from ai_energy_benchmarks.metrics.recording import Recorder

METER = "nvml"
# Readings before a window that its first edge may need: some ticks of any board.
_LOOK_BACK_S = 2.0
# A board that answers nothing for so long is lost; shorter refusals only widen the bounds.
_PATIENCE_S = 1.0
# Beyond the ends of a series growth is bounded by what a board can draw: its limit with room for spikes.
_CEILING_PER_LIMIT = 2.0
_CEILING_UNKNOWN_W = 2000.0
_GAUGES_EVERY_S = 0.1
_GUARD_LEAST_S, _GUARD_UNKNOWN_S = 0.2, 0.4


@frozen
class Window:
    """A board's energy over a window.

    Attributes:
        level: low, best and high, in J.
        note: why the board's first choice of a source was not used.
    """

    level: Level
    provenance: Provenance
    estimator: Estimator
    note: str | None = None


class WatchedBoard:
    """Reads one board into series.

    Attributes:
        shared: why the board's energy is not the workload's alone; None if it is.
        lost: why nothing can be read any more; None while all is well.
        due_s: when it wants to be read next.
    """

    def __init__(self, nvml: Nvml, board: NvmlBoard, delay: Delay, poll_s: float, shared: str | None) -> None:
        self.board = board
        self.shared = shared
        self.lost: str | None = None
        if board.counter_problem and board.power_problem:
            self.lost = f"its driver tells neither energy ({board.counter_problem}) nor power ({board.power_problem})"
        self._nvml = nvml
        self._delay = delay
        self._refusing_since_s: float | None = None
        limit_w = board.power_limit_w
        self._ceiling_w = _CEILING_UNKNOWN_W if limit_w is None else limit_w * _CEILING_PER_LIMIT
        self._energy = Recorder(board.device, "energy_j", METER)
        self._power = Recorder(board.device, "power_w", METER)
        self._temperature = Recorder(board.device, "temperature_celsius", METER)
        self.integrates = board.counter_problem is not None
        self._poll_s = poll_s
        self._cadence = Cadence(poll_s, time.perf_counter())
        self._polled_s = self.due_s = self._gauges_due_s = time.perf_counter()

    @property
    def guard_s(self) -> float:
        """How much rest beside a window makes its edge exact: some ticks that surely fall into it."""
        if self.integrates:
            return 0.0
        tick_s = self._cadence.tick_s
        if tick_s is None:
            return _GUARD_UNKNOWN_S
        return max(_GUARD_LEAST_S, self._delay.high_s + 3 * tick_s + 2 * self._poll_s)

    def poll(self) -> None:
        """Read what is due."""
        if self.lost is not None:
            self.due_s = math.inf
            return
        now_s = time.perf_counter()
        self.due_s = now_s + self._poll_s
        gauges = now_s >= self._gauges_due_s
        if not self.integrates:
            changed = self._store(self._energy, self.board.energy_j)
            self.due_s = self._cadence.seen(self._polled_s if changed else now_s, time.perf_counter(), changed)
            self._polled_s = now_s
            # Where ticks are known the time right after one is free for other calls.
            free = changed or self._cadence.tick_s is None
            gauges = gauges and (free or now_s >= self._gauges_due_s + _GAUGES_EVERY_S)
        if self.board.power_problem is None and (gauges or self.integrates):
            self._store(self._power, self.board.power_w)
        if gauges:
            self._gauges_due_s = now_s + _GAUGES_EVERY_S
            if self.board.has_temperature:
                self._store(self._temperature, self.board.temperature_celsius)

    def _store(self, recorder: Recorder, call: Callable[[], float]) -> bool:
        before_s = time.perf_counter()
        try:
            value = call()
        except self._nvml.NVMLError as error:
            self._refused(before_s, error.value, str(error))
            return False
        self._refusing_since_s = None
        return recorder.add(before_s, time.perf_counter(), value)

    def _refused(self, now_s: float, code: int, reason: str) -> None:
        nvml = self._nvml
        if self._refusing_since_s is None:
            self._refusing_since_s = now_s
        gone = code in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_UNINITIALIZED, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
        if gone or now_s - self._refusing_since_s > _PATIENCE_S:
            self.lost = reason

    def settled(self, stop_s: float) -> bool:
        """Whether everything that the energy until ``stop_s`` needs has been read, or never will be."""
        if self.lost is not None:
            return True
        # Power is waited for beside the counter too: it takes over should the counter prove unusable.
        if self.board.power_problem is None and not _covers(self._power.series(stop_s), stop_s, self._delay):
            return False
        return self.integrates or edges.settled(self._energy.series(stop_s - _LOOK_BACK_S), stop_s, self._delay)

    def reading(self, start: Mark, stop: Mark, counted: bool) -> tuple[Reading | None, str | None]:
        """The board's reading of a window, or None; and what the reader should know of it."""
        power = self._power.series(start.time_s - _LOOK_BACK_S)
        window = self._window(power, start, stop)
        name = self.board.device.id
        if window is None:
            return None, f"{name} has no figure: {self.lost or 'nothing was read of it in the window'}"
        low_j, best_j, high_j = window.level
        reading = Reading(
            device=self.board.device,
            energy_j=best_j,
            energy_low_j=low_j,
            energy_high_j=high_j,
            provenance=window.provenance,
            meter=METER,
            estimator=window.estimator,
            counted=counted,
            peak_power_w=integral.peak(power, start.time_s, stop.time_s),
        )
        return reading, window.note and f"{name}: {window.note}"

    def _window(self, power: Series, start: Mark, stop: Mark) -> Window | None:
        if self.integrates:
            return self._integrated(power, start, stop, None)
        series = self._energy.series(start.time_s - _LOOK_BACK_S)
        if edges.falls(series, start.time_s, stop.time_s, self._delay):
            return self._integrated(power, start, stop, "its energy counter went backwards; power was integrated")
        if edges.settled(series, stop.time_s, self._delay):
            return self._counted(series, start, stop)
        return self._integrated(power, start, stop, "its energy counter stands still; power was integrated")

    def _counted(self, series: Series, start: Mark, stop: Mark) -> Window:
        first, last = (edges.latched(series, at.time_s, self._delay, self._ceiling_w) for at in (start, stop))
        before_s = start.time_s - start.quiet_s, start.time_s
        after_s = stop.time_s, stop.time_s + stop.quiet_s
        resting = edges.guarded(series, first, start.time_s, before_s, self._delay)
        rested = edges.guarded(series, last, stop.time_s, after_s, self._delay)
        if resting is None or rested is None:
            return Window(edges.rise(first, last), "measured", "continuous")
        return Window(edges.rise(resting, rested), "measured", "guarded")

    def _integrated(self, power: Series, start: Mark, stop: Mark, note: str | None) -> Window | None:
        if not _covers(power, stop.time_s, self._delay):
            return None
        level = integral.integral(power, start.time_s, stop.time_s, self._delay)
        return Window(level, "integrated", "continuous", note)

    def series(self) -> tuple[Series, ...]:
        """Copies of everything that was read."""
        recorders = (self._energy, self._power, self._temperature)
        return tuple(recorder.series() for recorder in recorders if len(recorder))


def _covers(power: Series, stop_s: float, delay: Delay) -> bool:
    return bool(power.before_s) and power.before_s[-1] >= stop_s + delay.high_s
