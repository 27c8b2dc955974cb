"""Integral and peak of a power that was read now and then."""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from itertools import pairwise
from statistics import median

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import Delay, middle_s, on_line
from ai_energy_benchmarks.domain.power import Series
from ai_energy_benchmarks.domain.sums import add_up

# GPUs renew their power every 10 to 100 ms (Yang, Adamek and Armour, SC24, arXiv:2312.02741).
LONGEST_HOLD_S = 0.1
# Few changes this far apart, in s, may be all that the sensor shows. Closer ones are those of the power, farther ones
# too: some drivers show a mean of the last second, but none is known that looks less often than that.
_SLOW_S, _SLOWEST_S = 0.5, 2.0
_FEWEST_READINGS, _FEWEST_CHANGES = 8, 8
_NO_RUNS = 0.9
# Longer distances between two changes may hold a look that brought the same value.
_ONE_HOLD = 1.5
_SIGMAS = 2.58
# Parts of the area next to the edges of a window, which its readings do not count.
_EDGE_TERMS = 8


def integral(series: Series, start_s: float, stop_s: float, delay: Delay, hold_s: float = 0.0) -> Bounds:
    """Integral of power over a window, by the trapezoidal rule.

    Between two readings power is taken to lie between their values; the bounds take the smaller one over the
    shortest window that the delay allows and the larger one over the longest.

    Args:
        series: at least one reading.
        hold_s: how long the sensor shows one value before it looks again; ``delay`` does not hold it. Then what is
            read at a moment was sampled up to so long before, and what happened until the next look shows later.
    """
    middle_s = (delay.low_s + delay.high_s + hold_s) / 2
    best = _area(series, start_s + middle_s, stop_s + middle_s, None)
    if hold_s > 0:
        low, high = _held_bounds(series, start_s, stop_s, delay, hold_s)
    else:
        low = _area(series, start_s + delay.high_s, stop_s + delay.low_s, min)
        high = _area(series, start_s + delay.low_s, stop_s + delay.high_s, max)
    high = max(high, best)
    rounding = _rounding(series, start_s, stop_s, high)
    return Bounds(max(0.0, min(low, best) - rounding), best, high + rounding)


def _rounding(series: Series, start_s: float, stop_s: float, energy: float) -> float:
    """What adding up in floating point may lose, as an energy: all that is between the bounds of a constant power.

    Each term and each sum loses up to half an ``epsilon`` of the area (Higham, Accuracy and Stability of Numerical
    Algorithms, 2002, section 4.2), and each edge two units in the last place of its time. Only readings of the window
    are counted, so that it is the same again whatever was read later.
    """
    if stop_s <= start_s:
        return 0.0
    rows = bisect_right(series.after_s, stop_s) - bisect_left(series.before_s, start_s)
    sums = sys.float_info.epsilon * 2 * (max(0, rows) + _EDGE_TERMS) * energy
    return sums + 4 * math.ulp(stop_s) * energy / (stop_s - start_s)


def _held_bounds(series: Series, start_s: float, stop_s: float, delay: Delay, hold_s: float) -> tuple[float, float]:
    """Bounds for a sensor that looks only now and then.

    Near the edges of the window power lies between the values shown within the next ``hold_s``. In between, a
    sensor sees samples of a power that jumps: the spread of its values, over the square root of their number, is
    the uncertainty of their mean (99 % of it, on both sides).
    """
    first_s, last_s = start_s + delay.high_s + hold_s, stop_s + delay.low_s - hold_s
    if first_s >= last_s:
        low = _shown_next(series, start_s + delay.high_s, stop_s + delay.low_s, hold_s, min)
        return low, _shown_next(series, start_s + delay.low_s, stop_s + delay.high_s, hold_s, max)
    core, unseen = _area(series, first_s, last_s, None), _unseen(series, first_s, last_s, hold_s)
    low = core + _shown_next(series, start_s + delay.high_s, first_s, hold_s, min)
    low += _shown_next(series, last_s, stop_s + delay.low_s, hold_s, min)
    high = core + _shown_next(series, start_s + delay.low_s, first_s, hold_s, max)
    high += _shown_next(series, last_s, stop_s + delay.high_s, hold_s, max)
    return max(0.0, low - unseen), high + unseen


def _unseen(series: Series, begin_s: float, end_s: float, hold_s: float) -> float:
    """What the samples of a power that jumps may hide, as an energy.

    n values that hold for a time T each, with standard deviation s, give an integral that is uncertain by s·T·√n. The
    variance is that of successive values (von Neumann, 1941): a drift is no spread.
    """
    begin, end = bisect_left(series.before_s, begin_s), bisect_right(series.after_s, end_s)
    squares = add_up((later - earlier) ** 2 for earlier, later in pairwise(series.values[begin:end]))
    return _SIGMAS * hold_s * math.sqrt(squares / 2)


def _shown_next(
    series: Series, begin_s: float, end_s: float, hold_s: float, pick: Callable[[Iterable[float]], float]
) -> float:
    """Area under the smallest or largest value that is shown between each moment and ``hold_s`` later."""
    last, area, time_s = len(series.values) - 1, 0.0, begin_s
    row = max(0, bisect_right(series.after_s, begin_s) - 1)
    while time_s < end_s:
        until_s = end_s if row >= last else min(end_s, max(time_s, middle_s(series, row + 1, row + 1)))
        final = min(last, bisect_left(series.before_s, until_s + hold_s))
        area += pick(series.values[row : final + 1]) * (until_s - time_s)
        time_s, row = until_s, min(row + 1, last)
    return area


def changes_seldom(series: Series) -> bool:
    """Whether a series shows too few changes to learn from it how long the sensor holds a value."""
    return len(_changes(series)) < _FEWEST_CHANGES


def _changes(series: Series) -> list[int]:
    """Rows whose value is not that of the row before."""
    values = series.values
    return [row for row in range(1, len(values)) if values[row] != values[row - 1]]


def hold_s(series: Series) -> float | None:
    """How long the sensor shows one value before it looks again, learned from the runs of equal values.

    Values of a steady power may be equal over several looks, and now and then a reading comes late: the shorter
    distances between changes count, each as long as its readings allow.

    Returns:
        None if the series is too short to say anything; ``LONGEST_HOLD_S`` if its values never change twice. Where they
        change a few times only, 0.5 to 2 s apart, the sensor may hold as long as the two closest changes are
        apart. Where hardly two readings are equal it holds no longer than the time between them.
    """
    values = series.values
    if len(values) < _FEWEST_READINGS:
        return None
    changes = _changes(series)
    if len(changes) < 2:
        return LONGEST_HOLD_S
    if len(changes) > _NO_RUNS * (len(values) - 1):
        return min(LONGEST_HOLD_S, median(later - earlier for earlier, later in pairwise(series.before_s)))
    spans = [
        (middle_s(series, later - 1, later) - middle_s(series, earlier - 1, earlier), earlier, later)
        for earlier, later in pairwise(changes)
    ]
    shortest_s = sorted(span_s for span_s, _, _ in spans)[len(spans) // 10]
    if len(changes) < _FEWEST_CHANGES and not _SLOW_S <= shortest_s <= _SLOWEST_S:
        return LONGEST_HOLD_S
    return max(
        series.after_s[later] - series.before_s[earlier - 1]
        for span_s, earlier, later in spans
        if span_s <= _ONE_HOLD * shortest_s
    )


def peak(series: Series, start_s: float, stop_s: float) -> float | None:
    """Largest value read inside a window; None if nothing was read there."""
    begin, end = bisect_left(series.before_s, start_s), bisect_right(series.after_s, stop_s)
    values = series.values
    if begin and begin < len(values) and values[begin - 1] == values[begin]:
        # A run of equal values of which only the ends were kept reaches into the window.
        return max((values[begin], *values[begin:end]))
    return max(values[begin:end], default=None)


def _area(series: Series, start_s: float, stop_s: float, pick: Callable[[float, float], float] | None) -> float:
    """Area under the readings; ``pick`` chooses one value per interval, None draws the straight line."""
    values, last = series.values, len(series.values) - 1
    row = max(0, bisect_right(range(len(values)), start_s, key=lambda row: middle_s(series, row, row)) - 1)
    time_s, area = start_s, 0.0
    while time_s < stop_s:
        begin_s = middle_s(series, row, row)
        if row == last or time_s < begin_s:
            end_s = stop_s if row == last else min(stop_s, begin_s)
            height = values[row]
        else:
            next_s = middle_s(series, row + 1, row + 1)
            end_s = min(stop_s, next_s)
            if pick is None:
                height = on_line(begin_s, values[row], next_s, values[row + 1], (time_s + end_s) / 2)
            else:
                height = pick(values[row], values[row + 1])
            row += end_s == next_s
        area += height * (end_s - time_s)
        time_s = end_s
    return area
