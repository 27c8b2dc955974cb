"""Integral and peak of a power that was read now and then."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from ai_energy_benchmarks.domain.edges import Delay, Level, middle_s, on_line
from ai_energy_benchmarks.domain.power import Series


def integral(series: Series, start_s: float, stop_s: float, delay: Delay) -> Level:
    """Integral of power over a window, by the trapezoidal rule.

    Between two readings power is taken to lie between their values; the bounds take the smaller one over the
    shortest window that the delay allows and the larger one over the longest.

    Args:
        series: at least one reading.
    """
    low = _area(series, start_s + delay.high_s, stop_s + delay.low_s, min)
    best = _area(series, start_s + delay.middle_s, stop_s + delay.middle_s, None)
    high = _area(series, start_s + delay.low_s, stop_s + delay.high_s, max)
    return min(low, best), best, max(high, best)


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
    if stop_s <= start_s:
        return 0.0
    values, last = series.values, len(series.values) - 1
    row = max(0, bisect_right(series.after_s, start_s) - 2)
    while row < last and middle_s(series, row + 1, row + 1) <= start_s:
        row += 1
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
