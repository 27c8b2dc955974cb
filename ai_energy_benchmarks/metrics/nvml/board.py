"""One board under watch: what was read of it so far, and the energy of a window."""

from __future__ import annotations

import time
from collections.abc import Sequence

from attrs import evolve, frozen

from ai_energy_benchmarks.domain import edges, integral, rests
from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import Mark, Provenance, Quantity, Reading, Recipe, Rule, Series
from ai_energy_benchmarks.domain.recipes import Followed, delay_high_s, follow
from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard
from ai_energy_benchmarks.metrics.nvml.strangers import Listings
from ai_energy_benchmarks.metrics.recording import Recorder, keep_around, keep_at, thinning

METER = "nvml"
_POWER_INSTEAD = "power was integrated"
# Readings before a window that its first edge may need: some ticks of any board.
_LOOK_BACK_S = 4.0
# From how much of its recent past the period of a power sensor is learned; of one that is renewed seldom, from more.
_LEARNING_S, _LONG_LEARNING_S = 10.0, 60.0
# Gauges are read twice a second at most: hours of them, even if each differs from the last.
_GAUGE_ROWS = 20_000
# Beyond the ends of a series growth is bounded by what a board can draw: its limit with room for spikes.
_CEILING_PER_LIMIT = 2.0
_CEILING_UNKNOWN_W = 2000.0
# A delay of 0.3 s still shows in a rest of 0.4 s, one of 0.1 s in six ticks of 20 ms.
_GUARD_LEAST_S, _GUARD_TICKS, _GUARD_MARGIN_S = 0.4, 6, 0.02

_NOT_READ = "too little was read of it for the window"


@frozen
class RestLimits:
    """What makes a rest a rest.

    Attributes:
        flat_within: changes of power, over the step between rest and work, that count as flat.
        widest_delay_s: the longest delay that is allowed for where a rest is not flat at once.
        longest_s: how long a rest may become that is not one yet.
    """

    flat_within: float = 0.05
    widest_delay_s: float = 1.0
    longest_s: float = 3.0


@frozen
class Window:
    """A board's energy over a window.

    Attributes:
        note: why the board's first choice of a source was not used.
    """

    outcome: Followed
    recipe: Recipe
    provenance: Provenance
    note: str | None = None


class WatchedBoard:
    """Collects what is read of one board.

    Attributes:
        shared: why the board's energy is not the workload's alone; None if it is.
        lost: why nothing can be read any more; None while all is well.
        listings: which processes the driver listed, and when.
    """

    def __init__(self, board: NvmlBoard, delay: Delay, shared: str | None, limits: RestLimits = RestLimits()) -> None:
        self._limits = limits
        # What the edges of earlier windows showed; it holds for windows without a rest too.
        self._late_s, self._step_w = delay.high_s, 0.0
        self.board = board
        self.shared = shared
        self.lost: str | None = None
        self.listings = Listings()
        if board.counter_problem and board.power_problem:
            self.lost = f"its driver reports neither energy ({board.counter_problem}) nor power ({board.power_problem})"
        self.integrates = board.counter_problem is not None
        self._delay = delay
        # A mean over the last second shows what happened up to a second ago.
        self._power_delay = Delay(delay.low_s, delay.high_s + board.power_average_s)
        self._tick_s: float | None = None
        limit_w = board.power_limit_w
        self._ceiling_w = _CEILING_UNKNOWN_W if limit_w is None else limit_w * _CEILING_PER_LIMIT
        meters: tuple[Quantity, ...] = ("energy_j", "power_w")
        self._recorders = {quantity: Recorder(board.device, quantity, METER) for quantity in meters}
        self._recorders |= {each: Recorder(board.device, each, METER, _GAUGE_ROWS) for each in board.gauges}
        if board.supported_reasons is not None:
            now_s = time.perf_counter()
            supported = Recorder(board.device, "supported_throttle_reasons", METER, _GAUGE_ROWS)
            supported.add(now_s, now_s, board.supported_reasons)
            self._recorders["supported_throttle_reasons"] = supported
        self._energy, self._power = self._recorders["energy_j"], self._recorders["power_w"]

    def reading(self, quantity: Quantity, before_s: float, after_s: float, value: float) -> None:
        """Store one reading."""
        self._recorders[quantity].add(before_s, after_s, value)
        if quantity == "memory_used_bytes" and self.listings.memory_before_bytes is None:
            self.listings.memory_before_bytes = value

    def tick(self, tick_s: float) -> None:
        """Take note of the counter's tick."""
        self._tick_s = tick_s

    def processes(self, time_s: float, listed: frozenset[int] | None) -> None:
        """Take note of who runs on it."""
        self.listings.add(time_s, listed)

    @property
    def id(self) -> str:
        """Its UUID."""
        return self.board.device.id

    def process_ids(self) -> frozenset[int] | None:
        """Who runs on it now, as the driver counts processes; None if it does not list them."""
        return self.board.process_ids()

    def gone(self, reason: str) -> None:
        """Take note that nothing more will come."""
        self.lost = reason

    def notes(self) -> tuple[str, ...]:
        """What became of old readings."""
        return thinning(self._recorders.values(), self.board.device.id)

    @property
    def guard_s(self) -> float:
        """How much rest next to a window makes its edge exact: enough ticks that surely fall into it."""
        if self.integrates:
            return 0.0
        ticks_s = self._late_s + _GUARD_TICKS * (self._tick_s or 0.0)
        return max(_GUARD_LEAST_S, min(ticks_s, self._limits.longest_s)) + _GUARD_MARGIN_S

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        """How much longer the workload should rest, which rests since ``stop`` for its ``quiet_s``.

        Args:
            start: begin of the window that ``stop`` ends; None if the rest lies before a window.
        """
        more_s = min(stop.quiet_s, self._limits.longest_s - stop.quiet_s)
        if self.integrates or self.lost is not None or more_s <= 0 or self._is_rest(start, stop):
            return 0.0
        return more_s

    def _is_rest(self, start: Mark | None, stop: Mark) -> bool:
        if start is None:
            series = self._energy.series(stop.time_s - _LOOK_BACK_S)
            end_s, within = stop.time_s + stop.quiet_s, self._limits.flat_within
            return rests.is_calm(series, stop.time_s, end_s, self._step_w, within)
        found = self._outcome(self._energy.series(start.time_s - _LOOK_BACK_S), start, stop).edges
        return found is not None and found.state in ("flat", "late")

    def settled(self, start: Mark, stop: Mark) -> bool:
        """Whether everything that the energy until ``stop`` needs has been read, or never will be."""
        if self.lost is not None:
            return True
        stop_s = stop.time_s
        # What is read of the rest later must not change the figure: re-analysis sees it too.
        if self._latest_s() <= stop_s + stop.quiet_s + self._delay.low_s:
            return False
        # Power is waited for next to the counter too: it takes over should the counter prove unusable.
        hold_s = self._hold_s(stop_s) if self.integrates else 0.0
        if self.board.power_problem is None and not _covers(
            self._power.series(stop_s), stop_s, self._power_delay, hold_s
        ):
            return False
        if self.integrates or not len(self._energy):
            return self.integrates
        series = self._energy.series(start.time_s - _LOOK_BACK_S)
        return edges.settled(series, stop_s, self._delay_at(series, start, stop))

    def _outcome(self, series: Series, start: Mark, stop: Mark) -> Followed:
        return follow(self._recipe("latched", "energy_j", self._known(start, stop), start, stop), series)

    def _known(self, start: Mark, stop: Mark) -> Delay:
        """The delay as far as it is known; between rests the window itself shows it."""
        rests_beside = start.quiet_s and stop.quiet_s
        return self._delay if rests_beside else Delay(self._delay.low_s, self._late_s)

    def _delay_at(self, series: Series, start: Mark, stop: Mark) -> Delay:
        """The delay that the window's bounds allow for."""
        recipe = self._recipe("latched", "energy_j", self._known(start, stop), start, stop)
        return Delay(self._delay.low_s, delay_high_s(recipe, series))

    def keep_readings(self, times_s: Sequence[float]) -> None:
        """Leave the readings around these moments when older ones are thinned."""
        keep_at(self._recorders.values(), times_s)

    def keep_around(self, start: Mark, stop: Mark) -> None:
        """Leave the readings around a window's edges when older ones are thinned."""
        keep_around(self._recorders.values(), start, stop)

    def measure(self, start: Mark, stop: Mark, counted: bool) -> GpuFigure:
        """The GPU's reading of a window, or none; and what the reader should know of it."""
        power = self._power.series(start.time_s - _LOOK_BACK_S)
        window = self._window(power, start, stop)
        if window is None:
            return GpuFigure(self, None, f"{self.id} has no figure: {self.lost or _NOT_READ}")
        outcome = window.outcome
        reading = Reading(
            device=self.board.device,
            bounds_j=outcome.bounds_j,
            provenance=window.provenance,
            meter=METER,
            estimator=outcome.estimator,
            counted=counted,
            peak_power_w=integral.peak(power, start.time_s, stop.time_s),
            recipe=window.recipe,
            edges=outcome.edges,
        )
        self._learn(outcome)
        return GpuFigure(self, reading, window.note and f"{self.id}: {window.note}")

    def _learn(self, outcome: Followed) -> None:
        beside = outcome.edges
        if beside is not None:
            self._late_s = max(self._late_s, beside.delay_high_s)
            self._step_w = max(self._step_w, beside.step_w)

    def _window(self, power: Series, start: Mark, stop: Mark) -> Window | None:
        if self.integrates:
            return self._integrated(power, start, stop, None)
        series = self._energy.series(start.time_s - _LOOK_BACK_S)
        if not len(series.values):
            return None
        delay = self._delay_at(series, start, stop)
        if edges.falls(series, start.time_s, stop.time_s, delay):
            return self._integrated(power, start, stop, f"its energy counter went backwards; {_POWER_INSTEAD}")
        if edges.impossible(series, start.time_s, stop.time_s, self._ceiling_w, delay.high_s):
            return self._integrated(power, start, stop, f"its energy counter jumped; {_POWER_INSTEAD}")
        if edges.settled(series, stop.time_s, delay):
            return self._counted(series, start, stop)
        return self._integrated(power, start, stop, f"its energy counter stands still; {_POWER_INSTEAD}")

    def _counted(self, series: Series, start: Mark, stop: Mark) -> Window:
        recipe = self._recipe("latched", "energy_j", self._known(start, stop), start, stop)
        return Window(follow(recipe, series), recipe, "measured")

    def _integrated(self, power: Series, start: Mark, stop: Mark, note: str | None) -> Window | None:
        hold_s = self._hold_s(stop.time_s)
        if not _covers(power, stop.time_s, self._power_delay, hold_s if self.integrates else 0.0):
            return None
        recipe = self._recipe("integral", "power_w", self._power_delay, start, stop)
        recipe = evolve(recipe, hold_s=hold_s)
        return Window(follow(recipe, power), recipe, "integrated", note)

    def _hold_s(self, stop_s: float) -> float:
        """How long the sensor shows one value, learned from what was read until now."""
        power = self._power.series(stop_s - _LEARNING_S)
        if integral.changes_seldom(power):
            power = self._power.series(stop_s - _LONG_LEARNING_S)
        learned_s = integral.hold_s(power)
        return integral.LONGEST_HOLD_S if learned_s is None else learned_s

    def _recipe(self, rule: Rule, quantity: Quantity, delay: Delay, start: Mark, stop: Mark) -> Recipe:
        return Recipe(
            rule=rule,
            quantity=quantity,
            series_id=self.board.device.id,
            start_s=start.time_s,
            stop_s=stop.time_s,
            rest_before_s=start.quiet_s,
            rest_after_s=stop.quiet_s,
            delay_low_s=delay.low_s,
            delay_high_s=delay.high_s,
            ceiling_per_s=self._ceiling_w,
            look_back_s=_LOOK_BACK_S,
            flat_within=self._limits.flat_within,
            widest_delay_s=self._limits.widest_delay_s,
        )

    def _latest_s(self) -> float:
        return max(self._energy.latest_s, self._power.latest_s)

    def series(self) -> tuple[Series, ...]:
        """Copies of everything that was read."""
        return tuple(recorder.series() for recorder in self._recorders.values() if len(recorder))


@frozen
class GpuFigure:
    """What one GPU gives for a window.

    Attributes:
        reading: its energy; None if it has no figure.
        note: what the reader should know of it; None if there is nothing to say.
    """

    board: WatchedBoard
    reading: Reading | None
    note: str | None


def _covers(power: Series, stop_s: float, delay: Delay, hold_s: float = 0.0) -> bool:
    return bool(power.before_s) and power.before_s[-1] >= stop_s + delay.high_s + hold_s
