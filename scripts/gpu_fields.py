"""How the power and energy fields of a board move: tick, jitter, delay and the cost of a call."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, median, pstdev
from threading import Event, Thread
from typing import Any

from attrs import define, field, frozen

from ai_energy_benchmarks.domain.statistics import percentile

Read = Callable[[], float]
# So long before and after the start of work a line is laid through the counter's values.
_SIDE_S = 0.6


@define
class Watch:
    """Every reading of one field, as fast as they come, from a thread."""

    read: Read
    before_s: list[float] = field(factory=list)
    after_s: list[float] = field(factory=list)
    values: list[float] = field(factory=list)
    _over: Event = field(factory=Event)
    _thread: Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            before_s = time.perf_counter()
            value = self.read()
            self.after_s.append(time.perf_counter())
            self.before_s.append(before_s)
            self.values.append(value)
            time.sleep(0.0005)

    def changes(self) -> list[int]:
        """Rows whose value differs from the one before."""
        return [row for row in range(1, len(self.values)) if self.values[row] != self.values[row - 1]]


@frozen
class Burst:
    """Work after rest: when it began and ended."""

    start_s: float
    stop_s: float


def describe(watch: Watch, bursts: Sequence[Burst], *, counter: bool) -> dict[str, Any]:
    """Figures of one field; null where there were too few changes."""
    rows = watch.changes()
    calls_s = sorted(after - before for before, after in zip(watch.before_s, watch.after_s, strict=True))
    seen_s = [(watch.before_s[row - 1] + watch.after_s[row]) / 2 for row in rows]
    intervals_s = [later - earlier for earlier, later in pairwise(seen_s)]
    delays_s = _counter_delay_s(watch, rows, bursts) if counter else _power_delay_s(watch, bursts)
    return {
        "readings": len(watch.values),
        "changes": len(rows),
        "call_median_s": median(calls_s) if calls_s else None,
        "call_p99_s": percentile(calls_s, 0.99) if calls_s else None,
        "tick_median_s": median(intervals_s) if intervals_s else None,
        "tick_p95_s": percentile(sorted(intervals_s), 0.95) if intervals_s else None,
        "tick_deviation_s": pstdev(intervals_s) if len(intervals_s) > 1 else None,
        # From the host's start of work, so the board's own ramp is in it.
        "delay_median_s": median(delays_s) if delays_s else None,
        "delay_smallest_s": min(delays_s, default=None),
        "delay_largest_s": max(delays_s, default=None),
    }


def _counter_delay_s(watch: Watch, rows: Sequence[int], bursts: Sequence[Burst]) -> list[float]:
    """Where the line of rest meets the line of work, less when work began."""
    delays = []
    for burst in bursts:
        points = [((watch.before_s[row - 1] + watch.after_s[row]) / 2, watch.values[row]) for row in rows]
        rest = [each for each in points if burst.start_s - _SIDE_S < each[0] < burst.start_s]
        work = [each for each in points if burst.start_s + 0.25 < each[0] < burst.stop_s]
        if len(rest) < 2 or len(work) < 2:
            continue
        (rest_w, rest_j), (work_w, work_j) = _line(rest, burst.start_s), _line(work, burst.start_s)
        if work_w > 1.1 * rest_w:
            delays.append((rest_j - work_j) / (work_w - rest_w))
    return delays


def _power_delay_s(watch: Watch, bursts: Sequence[Burst]) -> list[float]:
    """When power first passes the middle between rest and work, less when work began."""
    delays = []
    for burst in bursts:
        inside = [i for i, at_s in enumerate(watch.before_s) if burst.start_s <= at_s <= burst.stop_s]
        before = [i for i, at_s in enumerate(watch.before_s) if burst.start_s - _SIDE_S < at_s < burst.start_s]
        if not inside or not before:
            continue
        low_w, high_w = fmean(watch.values[i] for i in before), watch.values[inside[-1]]
        if high_w > 1.1 * low_w:
            first = next((i for i in inside if watch.values[i] > (low_w + high_w) / 2), None)
            delays += [] if first is None else [watch.after_s[first] - burst.start_s]
    return delays


def _line(points: Sequence[tuple[float, float]], zero_s: float) -> tuple[float, float]:
    """Slope, and value at ``zero_s``, of the straight line of least squares."""
    times_s, values = [at_s - zero_s for at_s, _ in points], [value for _, value in points]
    mean_s, mean = fmean(times_s), fmean(values)
    spread = math.fsum((at_s - mean_s) ** 2 for at_s in times_s)
    slope = math.fsum((at_s - mean_s) * (v - mean) for at_s, v in zip(times_s, values, strict=True)) / spread
    return slope, mean - slope * mean_s
