"""Where a meter stood at one moment: bounds that hold by monotonicity, and an estimate between them.

Meters and re-analysis share these functions. A *level* is what an ever-growing counter would have shown at
a moment, with its bounds and in the unit of its series; the difference of two levels is a window.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise

from attrs import evolve, frozen

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Series

_Knot = tuple[float, float]  # seconds and value

# Slower than any counter we know: how old the very first reading of a counter may be.
_LONGEST_TICK_S = 1.0


@frozen
class Delay:
    """How long after it was sampled a value becomes visible: somewhere in ``[low_s, high_s]``.

    Attributes:
        low_s, high_s: the shortest and the longest delay.
    """

    low_s: float
    high_s: float

    @property
    def middle_s(self) -> float:
        """The mean of both."""
        return (self.low_s + self.high_s) / 2


NO_DELAY = Delay(0.0, 0.0)
UNKNOWN_DELAY = Delay(0.0, 0.055)


def since(series: Series, start_s: float | None) -> Series:
    """The readings since ``start_s``, with the one reading before it; all of them, if None."""
    if start_s is None:
        return series
    first = max(0, bisect_right(series.after_s, start_s) - 1)
    return evolve(
        series, before_s=series.before_s[first:], after_s=series.after_s[first:], values=series.values[first:]
    )


def latched(series: Series, time_s: float, delay: Delay, ceiling_per_s: float) -> Bounds:
    """Level of a counter that moves in ticks, is published late and is seen later still.

    A value first seen by the reading j, made between a_j and b_j, was sampled in
    ``(a_(j-1) - high_s, b_j - low_s]``. So the level lies between the last value surely sampled before
    ``time_s`` and the first one surely sampled after it. The best estimate lies on a smooth growing curve through
    the middles of those brackets.

    Args:
        series: at least one reading, values never falling. Of a run of equal values only the first and the
            last reading are needed.
        ceiling_per_s: fastest plausible growth; used only beyond the ends of the series.
    """
    low, high = _latched_bounds(series, time_s, delay, ceiling_per_s)
    best = curve(series, time_s + delay.middle_s)
    return Bounds(low, (low + high) / 2 if best is None else min(max(best, low), high), high)


def guarded(series: Series, level: Bounds, time_s: float, rest_s: tuple[float, float], delay: Delay) -> Bounds | None:
    """A better estimate for an edge next to which the workload rests, within the bounds of ``level``.

    Interpolation spreads the work of the first and the last tick evenly, although it fills only part of them.
    At rest power is steady, so the level at the edge follows from the resting side alone.

    Args:
        rest_s: begin and end of the rest; ``time_s`` is one of them.

    Returns:
        None if fewer than two changes were surely sampled during the rest.
    """
    begin_s, end_s = rest_s
    first = bisect_left(series.before_s, begin_s + delay.high_s)
    last = bisect_right(series.after_s, end_s + delay.low_s)
    rows = [row for row in range(first + 1, last) if series.values[row] != series.values[row - 1]]
    if len(rows) < 2:
        return None
    left, right = rows[0], rows[-1]
    left_s, right_s = middle_s(series, left - 1, left), middle_s(series, right - 1, right)
    best = on_line(left_s, series.values[left], right_s, series.values[right], time_s + delay.middle_s)
    return Bounds(level.low, min(max(best, level.low), level.high), level.high)


def fresh(series: Series, time_s: float, ceiling_per_s: float, stale_s: float = 0.0) -> Bounds:
    """Level of a counter that is nearly up to date whenever it is read, such as the processor time of a process.

    A reading made between a and b was sampled in ``[a - stale_s, b]``. Each one from the last made before ``time_s``
    to the first surely sampled after it bounds the level; one made just after ``time_s`` does so closely, even
    where it may be older than ``time_s``.

    Args:
        series: at least one reading, values never falling.
        ceiling_per_s: growth that cannot be exceeded; it narrows the bounds, and holds beyond the ends.
        stale_s: how old a value may be when it is read.
    """
    before_s, after_s, values = series.before_s, series.after_s, series.values
    last = bisect_right(after_s, time_s) - 1
    first = bisect_left(before_s, time_s + stale_s)
    # Of several readings at the very moment, which took no time by a coarse clock, the first one will do.
    rows = range(max(0, min(last, first)), min(first + 1, len(values)))
    low = max(values[row] - _grown(ceiling_per_s, after_s[row] - time_s) for row in rows)
    high = min(values[row] + _grown(ceiling_per_s, time_s + stale_s - before_s[row]) for row in rows)
    low = min(low, high)
    seen_s = time_s + stale_s / 2
    right = next((row for row in rows if middle_s(series, row, row) > seen_s), None)
    if right is None or right == rows[0]:
        return Bounds(low, (low + high) / 2, high)
    begin_s, end_s = middle_s(series, right - 1, right - 1), middle_s(series, right, right)
    best = on_line(begin_s, values[right - 1], end_s, values[right], seen_s)
    return Bounds(low, min(max(best, low), high), high)


def _grown(ceiling_per_s: float, seconds: float) -> float:
    """What a counter may have grown by; nothing in no time, even where nothing bounds it."""
    return ceiling_per_s * seconds if seconds > 0 else 0.0


def impossible(series: Series, start_s: float, stop_s: float, ceiling_per_s: float, late_s: float = 0.0) -> bool:
    """Whether the counter fell, or grew as nothing real can, between readings that the window needs.

    A reset counter that its reader takes for a wrapped one jumps up by its range. A counter that moves in ticks
    grows by a whole tick at once, which began when its last value was not seen yet.

    Args:
        ceiling_per_s: fastest plausible growth.
        late_s: how old a value may be when it is read.
    """
    values = series.values
    first = max(0, bisect_right(series.after_s, start_s) - 1)
    last = min(len(values) - 1, bisect_left(series.before_s, stop_s + late_s))
    for row in range(first + 1, last + 1):
        older = _run_start(series, row - 1) - 1
        began_s = series.before_s[older] if older >= 0 else series.before_s[0] - _LONGEST_TICK_S
        grown = values[row] - values[row - 1]
        if grown < 0 or grown > ceiling_per_s * (series.after_s[row] - began_s + late_s):
            return True
    return False


def rise(start: Bounds, stop: Bounds) -> Bounds:
    """Growth between two levels of one counter: the bounds add up, and nothing shrinks."""
    low = max(0.0, stop.low - start.high)
    high = max(low, stop.high - start.low)
    return Bounds(low, min(max(stop.best - start.best, low), high), high)


def settled(series: Series, time_s: float, delay: Delay) -> bool:
    """Whether a value surely sampled after ``time_s`` has been seen, and the next change, which shapes the curve."""
    first = _first_after(series, time_s, delay)
    return first is not None and _next_run(series, first) is not None


def falls(series: Series, start_s: float, stop_s: float, delay: Delay) -> bool:
    """Whether a value fell in the readings that the window needs: a reset, a wrap or a backward step."""
    first = max(0, bisect_right(series.after_s, start_s + delay.low_s) - 1)
    last = _first_after(series, stop_s, delay)
    values = series.values[first : len(series.values) if last is None else last + 1]
    return any(later < earlier for earlier, later in pairwise(values))


def _latched_bounds(series: Series, time_s: float, delay: Delay, ceiling_per_s: float) -> tuple[float, float]:
    values = series.values
    last = bisect_right(series.after_s, time_s + delay.low_s) - 1
    first = _first_after(series, time_s, delay)
    low = values[last] if last >= 0 else values[0] - ceiling_per_s * (series.after_s[0] - delay.low_s - time_s)
    if first is not None:
        return low, values[first]
    begin = _run_start(series, len(values) - 1)
    unseen_since_s = series.before_s[begin - 1] if begin else series.before_s[0] - _LONGEST_TICK_S
    return low, values[-1] + ceiling_per_s * max(0.0, time_s - (unseen_since_s - delay.high_s))


def _first_after(series: Series, time_s: float, delay: Delay) -> int | None:
    """The first row whose value was surely sampled at or after ``time_s``."""
    return _next_run(series, bisect_left(series.before_s, time_s + delay.high_s))


def _next_run(series: Series, row: int) -> int | None:
    """The first row after one whose value is another; None if there is none, or if the row is beyond the end."""
    values = series.values
    for later in range(row, len(values)):
        if values[later] != values[row]:
            return later
    return None


def _run_start(series: Series, row: int) -> int:
    values = series.values
    while row and values[row - 1] == values[row]:
        row -= 1
    return row


def middle_s(series: Series, begin: int, end: int) -> float:
    """Middle between the begin of one reading's call and the end of another's."""
    return (series.before_s[begin] + series.after_s[end]) / 2


def curve(series: Series, seen_s: float) -> float | None:
    """What a smooth counter would have shown at ``seen_s``, by the changes next to it; None if fewer than two exist.

    The first run is no knot: its value had been there before anybody looked.
    """
    row = max(0, bisect_right(series.after_s, seen_s) - 1)
    left = _run_start(series, row)
    right = _next_run(series, row)
    while right is not None and (left == 0 or middle_s(series, right - 1, right) <= seen_s):
        left, right = right, _next_run(series, right)
    if right is None:
        if left == 0:
            return None
        left, right = _run_start(series, left - 1), left
    return _on_curve(_knots_around(series, left, right), seen_s) if left else None


def _knots_around(series: Series, left: int, right: int) -> tuple[_Knot | None, _Knot, _Knot, _Knot | None]:
    """The changes at two neighbouring rows, with the one before and the one after where they were seen."""
    earlier, later = _run_start(series, left - 1), _next_run(series, right)
    return (
        _knot(series, earlier) if earlier else None,
        _knot(series, left),
        _knot(series, right),
        None if later is None else _knot(series, later),
    )


def _knot(series: Series, row: int) -> _Knot:
    return middle_s(series, row - 1, row), series.values[row]


def _on_curve(knots: tuple[_Knot | None, _Knot, _Knot, _Knot | None], time_s: float) -> float:
    """Value between the two middle knots on a cubic that never falls (Fritsch and Carlson, 1980).

    A straight line takes the power in a tick for even, although the ticks next to it tell on which side it was
    higher. Where a neighbouring knot is missing, or outside the two, the line remains.
    """
    earlier, left, right, later = knots
    width_s, within = _rate(left, right)
    if not left[0] <= time_s < right[0]:
        return on_line(*left, *right, time_s)
    begin = _steepness(within, None if earlier is None else _rate(earlier, left)[1])
    end = _steepness(within, None if later is None else _rate(right, later)[1])
    share = (time_s - left[0]) / width_s
    bend = share * (1 - share) * ((1 - share) * (begin - within) + share * (within - end))
    return on_line(*left, *right, time_s) + width_s * bend


def _rate(begin: _Knot, end: _Knot) -> tuple[float, float]:
    """Time between two knots, and growth per second."""
    width_s = end[0] - begin[0]
    return width_s, (end[1] - begin[1]) / width_s if width_s > 0 else 0.0


def _steepness(within: float, beside: float | None) -> float:
    """Slope at a knot: the mean of both sides, but not so steep that the curve would fall elsewhere."""
    return within if beside is None else min((within + beside) / 2, 3 * min(within, beside))


def on_line(begin_s: float, begin: float, end_s: float, end: float, time_s: float) -> float:
    """Value at ``time_s`` on the straight line through two points in time."""
    if end_s <= begin_s:
        return begin
    return begin + (end - begin) * (time_s - begin_s) / (end_s - begin_s)
