"""Whether something has come to rest: power and temperature of GPUs, the speed of a repeated request."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

from attrs import frozen

from ai_energy_benchmarks.analysis.trend import trend
from ai_energy_benchmarks.domain.edges import middle_s, on_line
from ai_energy_benchmarks.domain.power import Quantity, Samples, Series

# Means over so many parts of a window: of 5 s each in the thermal gate, longer than the steps of a busy load last.
_MEANS = 12
# So many standard errors a slope may lie off by chance (95 %).
_ERRORS = 2.0
# Changes of a counter before a window that its first part needs lie no further back.
_LOOK_BACK_S = 2.0
# Power is read several times a second; some meters read it every second.
_SILENT_S = 2.0
_DRIFT, _DRIFT_P = 0.01, 0.05

MeanBetween = Callable[[float, float], float]


@frozen
class Slope:
    """A straight line through means of equal distance in time.

    Attributes:
        per_minute: its change in a minute.
        error: standard error of that, from how far the means lie off the line.
    """

    per_minute: float
    error: float

    @property
    def surely(self) -> float:
        """The size of the change that its own noise does not explain, in a minute."""
        return max(0.0, abs(self.per_minute) - _ERRORS * self.error)


@frozen
class Change:
    """How the GPUs change.

    Attributes:
        power: of their power together, as a share of it.
        celsius: of the GPU whose temperature surely changes most; None if none is known.
    """

    power: Slope
    celsius: Slope | None


def change(samples: Samples, boards: Collection[str] | None, begin_s: float, end_s: float) -> Change | None:
    """The change between two times; None if no meter reported the power of a GPU all the while.

    Power comes from the differences of energy counters where there are any: they hold what happens between two
    readings, so that a load in bursts does not look like a drift.

    Args:
        boards: device ids; None for all.
    """
    powers = list(_of_boards(samples, "power_w", boards, begin_s))
    if any(_is_silent(power, begin_s, end_s) for power in powers):
        return None
    counters = {board.device: board for board in _of_boards(samples, "energy_j", boards, begin_s)}
    knots = [_knots(counters.get(power.device), begin_s, end_s) for power in powers]
    # What a counter has done since it last moved is not known yet, so the window ends there.
    early_s = max((end_s - knot.times_s[-1] for knot in knots if knot is not None), default=0.0)
    begin_s, end_s = begin_s - early_s, end_s - early_s
    means = [_read(power) if moves is None else moves.power_w for power, moves in zip(powers, knots, strict=True)]
    total_w = [sum(mean(*part) for mean in means) for part in _parts(begin_s, end_s)]
    mean_w = fmean(total_w)
    if mean_w <= 0:
        return None
    temperatures = _of_boards(samples, "temperature_celsius", boards, begin_s)
    slopes = [
        _slope([_read(temperature)(*part) for part in _parts(begin_s, end_s)], end_s - begin_s)
        for temperature in temperatures
    ]
    power_slope = _slope([power_w / mean_w for power_w in total_w], end_s - begin_s)
    return Change(power_slope, max(slopes, key=lambda change: change.surely, default=None))


def _is_silent(series: Series, begin_s: float, end_s: float) -> bool:
    """Whether a meter has stopped reading: the last value would look steady for ever."""
    return series.after_s[-1] < end_s - max(_SILENT_S, (end_s - begin_s) / _MEANS)


def watched(samples: Samples, boards: Collection[str] | None) -> bool:
    """Whether a meter reports the power of any of the GPUs."""
    return any(True for _ in _of_boards(samples, "power_w", boards))


def _of_boards(
    samples: Samples, quantity: Quantity, boards: Collection[str] | None, since_s: float | None = None
) -> Iterator[Series]:
    """The GPUs' series that hold readings, since that time at the latest."""
    for series in samples.series:
        ours = series.device.component == "gpu" and (boards is None or series.device.id in boards)
        wanted = ours and series.quantity == quantity and len(series.values)
        if wanted and (since_s is None or series.after_s[0] <= since_s):
            yield series


def _parts(begin_s: float, end_s: float) -> list[tuple[float, float]]:
    edges_s = [begin_s + (end_s - begin_s) * i / _MEANS for i in range(_MEANS + 1)]
    return list(pairwise(edges_s))


def _read(series: Series) -> MeanBetween:
    """Mean of the readings between two times; the last one before, if there was none."""

    def mean(begin_s: float, end_s: float) -> float:
        first, last = bisect_right(series.after_s, begin_s), bisect_right(series.after_s, end_s)
        return fmean(series.values[first:last]) if last > first else series.values[max(0, last - 1)]

    return mean


@frozen
class _Knots:
    """When a counter was seen to move, and to which value."""

    times_s: Sequence[float]
    values_j: Sequence[float]

    def energy_j(self, time_s: float) -> float:
        right = min(max(1, bisect_left(self.times_s, time_s)), len(self.times_s) - 1)
        left = right - 1
        return on_line(self.times_s[left], self.values_j[left], self.times_s[right], self.values_j[right], time_s)

    def power_w(self, begin_s: float, end_s: float) -> float:
        return (self.energy_j(end_s) - self.energy_j(begin_s)) / (end_s - begin_s)


def _knots(counter: Series | None, begin_s: float, end_s: float) -> _Knots | None:
    """None if there is no counter, or it fell or moved too rarely to tell the parts of the window from one another."""
    if counter is None:
        return None
    values, first = counter.values, max(1, bisect_left(counter.after_s, begin_s - _LOOK_BACK_S))
    rows = [row for row in range(first, bisect_right(counter.after_s, end_s)) if values[row] != values[row - 1]]
    times_s = [middle_s(counter, row - 1, row) for row in rows]
    often = sum(at_s >= begin_s for at_s in times_s) > 2 * _MEANS
    if not often or times_s[0] > begin_s or any(values[row] < values[row - 1] for row in rows):
        return None
    return _Knots(times_s, [values[row] for row in rows])


def _slope(values: Sequence[float], duration_s: float) -> Slope:
    """The least-squares line through means of a window's parts."""
    n = len(values)
    middle, mean = (n - 1) / 2, fmean(values)
    spread = sum((i - middle) ** 2 for i in range(n))
    slope = sum((i - middle) * (value - mean) for i, value in enumerate(values)) / spread
    left = sum((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    per_minute = 60.0 * n / duration_s
    return Slope(slope * per_minute, sqrt(left / (n - 2) / spread) * per_minute)


@frozen
class Speed:
    """How alike the last probes were.

    Attributes:
        cv: standard deviation over mean of their time per output token.
        drifts: whether there is a trend in them (p ≤ 0.05 and at least 1 %).
    """

    cv: float
    drifts: bool


def speed(per_token_s: Sequence[float]) -> Speed | None:
    """Judge the time per output token of the last probes, at least three; None without a time."""
    mean_s = fmean(per_token_s)
    line = trend(per_token_s)
    if line is None or mean_s <= 0:
        return None
    return Speed(stdev(per_token_s) / mean_s, abs(line.drift) >= _DRIFT and line.p_value <= _DRIFT_P)
