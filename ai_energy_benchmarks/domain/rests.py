"""The rests next to a window: whether they are rests, and the flat part of each.

GPUs fall silent within 5 to some hundred milliseconds after their work, in steps or slowly, and some draw more than
before for seconds. Their counters are published late, and their sensors may lag. All of this looks alike from the
rest alone: a counter that still grows faster than it will later.

All times here are those at which a value was *seen*; a delay shifts both edges of a window alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import fsum, sqrt
from statistics import median

from attrs import frozen

from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import EdgeState, Series

# From so long after the longest known delay on, the rest has to be flat: an A100 falls from 90 to 10 % in 24 ms (Yang,
# Adamek and Armour, SC24, doi 10.5281/zenodo.13313030).
FALL_ALLOWANCE_S = 0.03
# Power is compared over so long at least, because a reading places a tick only to some milliseconds.
_STRETCH_S = 0.05
# On a busy machine readings come tens of milliseconds late. Between two such changes power is known so badly that a
# falling one looks flat, so they are passed over; what they counted is in the next one.
_LATE_S = 0.012
_LAST_S, _LAST_TICKS = 0.1, 3
# Work that draws hardly more than the rest leaves no step to compare with; then a part of its power serves.
_LEAST_STEP = 0.5
# Of an exponential fall some part always looks flat, so it must go on for long, over the time before it: if power
# changes by no more than 5 % of the step from r to 1.85 r after the work, at most 0.5 % is left then; to 1.5 r, 1.7 %.
_AFTER_SHARE, _BEFORE_SHARE = 0.85, 0.5
# So long before a rest its work is looked at.
_WORK_S = 0.5
# The rest is judged at its full length, half of it and so on down to this.
_SHORTEST_S = 0.4
# A rest whose power has come down by less than half of the step is none, however flat it is.
_MOST_RAISED = 0.5


@frozen
class Knot:
    """A change of the counter: seen at ``time_s``, give or take ``within_s``."""

    time_s: float
    within_s: float
    value_j: float


@frozen
class Line:
    """The straight line through knots (least squares).

    Attributes:
        begin_s, end_s: the first and the last knot.
        off_j: how far a knot lies from it at most.
        number: how many knots.
    """

    begin_s: float
    end_s: float
    middle_s: float
    value_j: float
    power_w: float
    off_j: float
    number: int

    def at_j(self, time_s: float) -> float:
        """Value at a time."""
        return self.value_j + self.power_w * (time_s - self.middle_s)

    def error_j(self, time_s: float) -> float:
        """How far it may be off at a time beyond its ends: as far as a knot, and less where there are many."""
        distance_s = max(0.0, self.begin_s - time_s, time_s - self.end_s)
        return self.off_j * (1 + 2 * distance_s / (self.end_s - self.begin_s)) * min(1.0, 3 / sqrt(self.number))


@frozen
class Rest:
    """The flat part of a rest.

    Attributes:
        change_w: power at its begin less that at its end.
        at_once: whether it was flat from the first reading that was surely made in it.
        looked_s: how long after the window's end readings were looked at; 0 before a window.
    """

    line: Line
    change_w: float
    at_once: bool
    looked_s: float = 0.0


@frozen
class Window:
    """A window between two rests.

    Attributes:
        rest_before_s, rest_after_s: how long the workload rested on its outer sides.
        delay: of the counter, as far as it is known.
        flat_within: changes of power within a rest, over the step between rest and work, that count as flat.
        widest_s: the longest delay that is allowed for.
    """

    start_s: float
    stop_s: float
    rest_before_s: float
    rest_after_s: float
    delay: Delay
    flat_within: float
    widest_s: float

    @property
    def soon_s(self) -> float:
        """When the counter should show nothing but rest after the window."""
        return self.stop_s + self.delay.high_s + FALL_ALLOWANCE_S


@frozen
class Rests:
    """Both rests next to a window, and what they say of it.

    Attributes:
        after: None if the rest after the window is none.
        step_w: mean power of the window above the rests.
        change_w: power of the rest after the window less that before it.
    """

    before: Rest
    after: Rest | None
    state: EdgeState
    step_w: float
    change_w: float


def rests_beside(series: Series, window: Window) -> Rests | None:
    """Look at both rests.

    Returns:
        None if too little was seen of them, or the rest before the window is none.
    """
    low_s = window.delay.low_s
    before = knots(series, window.start_s - window.rest_before_s, window.start_s + low_s)
    after = knots(series, window.stop_s + low_s, window.stop_s + window.rest_after_s + low_s)
    if len(before) < 3 or len(after) < 3:
        return None
    end_w, before_w = (_power(readings[_last_begin(readings) :]) for readings in (after, before))
    grown_j = after[-1].value_j - end_w * (after[-1].time_s - window.stop_s)
    grown_j -= before[-1].value_j + before_w * (window.start_s - before[-1].time_s)
    mean_w = grown_j / (window.stop_s - window.start_s)
    step_w = max(mean_w - (end_w + before_w) / 2, _LEAST_STEP * mean_w)
    tolerance_w = window.flat_within * step_w
    rested = _flat_part(before, tolerance_w, float("-inf"), 0.0)
    looks = [_after(window, after, length, tolerance_w) for length in _lengths(window.rest_after_s)]
    looks = looks if _is_long(rested, before, window.start_s - window.rest_before_s, _BEFORE_SHARE) else []
    state, rest = _chosen(window, rested, [look for look in looks if look is not None], step_w)
    change_w = (end_w if rest is None else rest.line.power_w) - rested.line.power_w
    return Rests(rested, rest, state, step_w, change_w)


def is_calm(series: Series, begin_s: float, end_s: float, step_w: float, flat_within: float) -> bool:
    """Whether a rest that began after some work has come to rest, as far as it can be told before the next window.

    That window's step is not known yet, so half the change is allowed.

    Args:
        step_w: power of work above the rest, where it is known already; 0 if not.
    """
    seen, work = knots(series, begin_s, end_s), knots(series, begin_s - _WORK_S, begin_s)
    if len(seen) < 3:
        return False
    end_w = _power(seen[_last_begin(seen) :])
    step_w = max(step_w, _power(work) - end_w if len(work) >= 2 else 0.0, _LEAST_STEP * end_w)
    rest = _flat_part(seen, flat_within * step_w / 2, float("-inf"), 0.0)
    return _is_long(rest, seen, begin_s, _AFTER_SHARE)


def knots(series: Series, begin_s: float, end_s: float) -> list[Knot]:
    """The changes that were seen between two times, but for those that were seen too late to say when they were."""
    before_s, after_s, values = series.before_s, series.after_s, series.values
    rows = (row for row in range(1, len(values)) if values[row] != values[row - 1])
    return [
        Knot((before_s[row - 1] + after_s[row]) / 2, (after_s[row] - before_s[row - 1]) / 2, values[row])
        for row in rows
        if before_s[row - 1] >= begin_s and after_s[row] <= end_s and after_s[row] - before_s[row - 1] <= 2 * _LATE_S
    ]


def tick_s(seen: Sequence[Knot]) -> float:
    """The median time between at least two changes."""
    return median(later.time_s - earlier.time_s for earlier, later in pairwise(seen))


def _lengths(rest_s: float) -> Iterator[float]:
    """From the shortest to the full length."""
    lengths = [rest_s]
    while lengths[-1] / 2 >= _SHORTEST_S:
        lengths.append(lengths[-1] / 2)
    return reversed(lengths)


def _after(window: Window, after: Sequence[Knot], length_s: float, tolerance_w: float) -> Rest | None:
    """The flat end of a rest of some length; None if it is too short to be sure of."""
    end_s = window.stop_s + length_s + window.delay.low_s
    until_end = [reading for reading in after if reading.time_s <= end_s]
    if len(until_end) < 3:
        return None
    rest = _flat_part(until_end, tolerance_w, window.soon_s, length_s)
    return rest if _is_long(rest, until_end, window.stop_s, _AFTER_SHARE) else None


def _is_long(rest: Rest, seen: Sequence[Knot], begin_s: float, share: float) -> bool:
    """Whether the flat part is more than its end, with which it was compared, and long enough for what went before.

    Args:
        share: how long the flat part must be, over the time before it.
    """
    last_s = seen[-1].time_s - seen[_last_begin(seen)].time_s
    flat_s = rest.line.end_s - rest.line.begin_s
    return flat_s >= last_s + _STRETCH_S / 2 and flat_s >= share * (rest.line.begin_s - begin_s)


def _chosen(window: Window, before: Rest, looks: Sequence[Rest], step_w: float) -> tuple[EdgeState, Rest | None]:
    """The shortest rest that is one; else one that is flat, at another power: at once, or else the full one."""
    in_time = [look for look in looks if look.line.begin_s - window.stop_s <= window.widest_s or look.at_once]
    raised = [abs(rest.line.power_w - before.line.power_w) / step_w for rest in in_time]
    for rest, share in zip(in_time, raised, strict=True):
        if share <= window.flat_within:
            return ("flat" if rest.at_once else "late"), rest
    for rest, share in zip(in_time, raised, strict=True):
        if rest.at_once and share <= _MOST_RAISED:
            return "raised", rest
    if in_time and in_time[-1].looked_s == window.rest_after_s and raised[-1] <= _MOST_RAISED:
        return "raised", in_time[-1]
    return "unsettled", None


def _flat_part(seen: Sequence[Knot], tolerance_w: float, not_before_s: float, looked_s: float) -> Rest:
    """From the end of a rest back to where its power was another; not back beyond ``not_before_s``."""
    last = _last_begin(seen)
    end_w = _power(seen[last:])
    tolerance_w += end_w * _within(seen, last, len(seen) - 1)
    possible = next((number for number, reading in enumerate(seen) if reading.time_s >= not_before_s), last)
    first = last
    while first > possible and _excess(seen, first - 1, end_w) <= tolerance_w:
        first -= 1
    flat = seen[first:]
    change_w = _power(seen[first : _stretch_end(seen, first) + 1]) - end_w
    return Rest(_line(flat), change_w, first <= possible, looked_s)


def _last_begin(seen: Sequence[Knot]) -> int:
    """Where the last stretch begins: some ticks and some time before the end."""
    begin = max(0, len(seen) - 1 - _LAST_TICKS)
    while begin and seen[-1].time_s - seen[begin].time_s < _LAST_S:
        begin -= 1
    return begin


def _stretch_end(seen: Sequence[Knot], begin: int) -> int:
    end = begin
    while end < len(seen) - 1 and seen[end].time_s - seen[begin].time_s < _STRETCH_S:
        end += 1
    return end


def _excess(seen: Sequence[Knot], begin: int, end_w: float) -> float:
    """How far the power of a stretch surely lies from another, as readings place its ends only to some milliseconds."""
    end = _stretch_end(seen, begin)
    return abs(_power(seen[begin : end + 1]) - end_w) - end_w * _within(seen, begin, end)


def _within(seen: Sequence[Knot], begin: int, end: int) -> float:
    """How well the length of a stretch is known, over that length."""
    return (seen[begin].within_s + seen[end].within_s) / (seen[end].time_s - seen[begin].time_s)


def _power(seen: Sequence[Knot]) -> float:
    return (seen[-1].value_j - seen[0].value_j) / (seen[-1].time_s - seen[0].time_s)


def _line(seen: Sequence[Knot]) -> Line:
    """Through at least two knots."""
    middle_s, value_j = (
        fsum(reading.time_s for reading in seen) / len(seen),
        fsum(reading.value_j for reading in seen) / len(seen),
    )
    spread = fsum((reading.time_s - middle_s) ** 2 for reading in seen)
    power_w = fsum((reading.time_s - middle_s) * (reading.value_j - value_j) for reading in seen) / spread
    off_j = max(abs(reading.value_j - value_j - power_w * (reading.time_s - middle_s)) for reading in seen)
    return Line(seen[0].time_s, seen[-1].time_s, middle_s, value_j, power_w, off_j, len(seen))
