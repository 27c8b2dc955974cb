"""Reading boards at the right moments; what is read goes to a sink, in this process or another."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Protocol

from ai_energy_benchmarks.domain.power import Quantity
from ai_energy_benchmarks.machine.nvml import Nvml
from ai_energy_benchmarks.metrics.nvml.cadence import Cadence
from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard

# A board that answers nothing for so long is lost; shorter refusals only widen the bounds.
_PATIENCE_S = 1.0
_GAUGES_EVERY_S, _SLOW_GAUGES_EVERY_S = 0.1, 0.5
# Cheaper than waiting for an event; leaving is in no hurry.
_LONGEST_SLEEP_S = 0.05
# Waking up costs more than a reading, so whoever is due very soon is read too.
_EARLY_S = 0.0003
_JUDGED_WAKES, _JUDGED_CALLS = 100, 3
# A thread that holds the interpreter gives it up after 5 ms (sys.getswitchinterval).
_STARVED_S, _STARVED_PER_TICK = 0.004, 0.25


class Sink(Protocol):
    """Where readings go."""

    def reading(self, quantity: Quantity, before_s: float, after_s: float, value: float) -> None:
        """One value, with the clock before and after the call that read it."""
        ...

    def tick(self, tick_s: float) -> None:
        """The counter's tick has become known."""
        ...

    def processes(self, time_s: float, listed: frozenset[int] | None) -> None:
        """The driver's list of the processes on the GPU; None if it has none."""
        ...

    def gone(self, reason: str) -> None:
        """The board is lost; nothing will follow."""
        ...


class BoardPoller:
    """Reads one board.

    Attributes:
        due_s: when it wants to be read next; infinite once the board is lost.
    """

    def __init__(self, nvml: Nvml, board: NvmlBoard, poll_s: float, sink: Sink) -> None:
        self.due_s = self._gauges_due_s = self._slow_gauges_due_s = self._polled_s = time.perf_counter()
        self._nvml = nvml
        self._board = board
        self._poll_s = poll_s
        self._sink = sink
        self._cadence = Cadence(poll_s, self.due_s)
        self._energy_j = math.nan
        self._frequent: Quantity = "energy_j" if board.counter_problem is None else "power_w"
        self._refusing_since_s: float | None = None
        self._calls_s: deque[float] = deque(maxlen=_JUDGED_CALLS)

    @property
    def call_s(self) -> float:
        """How long the call takes that is made most often; 0 before enough are known.

        The median: one call in a hundred may wait for a processor.
        """
        return median(self._calls_s) if len(self._calls_s) == _JUDGED_CALLS else 0.0

    @property
    def tick_s(self) -> float | None:
        """The counter's tick, once it is known."""
        return self._cadence.tick_s

    def poll(self) -> None:
        """Read what is due."""
        board, now_s = self._board, time.perf_counter()
        self.due_s = now_s + self._poll_s
        gauges = now_s >= self._gauges_due_s
        if board.counter_problem is None:
            free = self._poll_counter(now_s)
            gauges = gauges and (free or now_s >= self._gauges_due_s + _GAUGES_EVERY_S)
        if board.power_problem is None and (gauges or board.counter_problem is not None):
            self._read("power_w", board.power_w)
        if gauges:
            self._gauges_due_s = now_s + _GAUGES_EVERY_S
            if now_s >= self._slow_gauges_due_s:
                self._slow_gauges_due_s = now_s + _SLOW_GAUGES_EVERY_S
                for quantity, call in board.gauges.items():
                    self._read(quantity, call)
                self._sink.processes(time.perf_counter(), board.process_ids())

    def _poll_counter(self, now_s: float) -> bool:
        """Whether there is time for other calls now: right after a tick, or where ticks are unknown."""
        energy_j = self._read("energy_j", self._board.energy_j)
        if energy_j is None:
            return False
        changed = energy_j != self._energy_j and not math.isnan(self._energy_j)
        was_known = self._cadence.tick_s is not None
        due_s = self._cadence.seen(self._polled_s if changed else now_s, time.perf_counter(), changed)
        tick_s = self._cadence.tick_s
        if tick_s is not None and not was_known:
            self._sink.tick(tick_s)
        self._energy_j, self._polled_s = energy_j, now_s
        self.due_s = due_s if math.isfinite(self.due_s) else self.due_s
        return changed or not was_known

    def _read(self, quantity: Quantity, call: Callable[[], float]) -> float | None:
        before_s = time.perf_counter()
        try:
            value = call()
        except self._nvml.NVMLError as error:
            self._refused(before_s, error.value, str(error))
            return None
        self._refusing_since_s = None
        after_s = time.perf_counter()
        if quantity == self._frequent:
            self._calls_s.append(after_s - before_s)
        self._sink.reading(quantity, before_s, after_s, value)
        return value

    def _refused(self, now_s: float, code: int, reason: str) -> None:
        nvml = self._nvml
        if self._refusing_since_s is None:
            self._refusing_since_s = now_s
        gone = code in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_UNINITIALIZED, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
        if math.isfinite(self.due_s) and (gone or now_s - self._refusing_since_s > _PATIENCE_S):
            self.due_s = math.inf
            self._sink.gone(reason)


class WakeUps:
    """How late the thread that reads wakes from its sleep.

    It waits for this process's interpreter or for a processor then. A driver that takes long to answer (an H200 takes
    3 to 17 ms for its energy counter) delays readings too, but does so in every process.

    Args:
        clock, sleep: those of the time module.
    """

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._late_s: deque[float] = deque(maxlen=_JUDGED_WAKES)

    def sleep_until(self, due_s: float) -> None:
        """Sleep until then, or for the longest sleep."""
        begin_s = self._clock()
        seconds = min(max(0.0, due_s - begin_s), _LONGEST_SLEEP_S)
        self._sleep(seconds)
        if seconds > 0:
            self._late_s.append(self._clock() - begin_s - seconds)

    def starved(self, tick_s: float | None) -> bool:
        """Whether one wake-up in twenty came too late to be of use for a counter of this tick; never if it is None."""
        if len(self._late_s) < _JUDGED_WAKES or tick_s is None:
            return False
        late_s = sorted(self._late_s)[int(0.95 * len(self._late_s))]
        self._late_s.clear()
        return late_s > min(_STARVED_S, tick_s * _STARVED_PER_TICK)


def poll_due(pollers: Sequence[BoardPoller], wakes: WakeUps) -> None:
    """Read every board that is due, then sleep until the next one is."""
    for poller in pollers:
        if poller.due_s <= time.perf_counter() + _EARLY_S:
            poller.poll()
    wakes.sleep_until(min(poller.due_s for poller in pollers))


def shortest_tick_s(pollers: Sequence[BoardPoller]) -> float | None:
    """The shortest tick of their counters; None while none is known."""
    return min((poller.tick_s for poller in pollers if poller.tick_s is not None), default=None)
