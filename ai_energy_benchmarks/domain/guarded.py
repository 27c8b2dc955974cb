"""The energy of a window between two rests, with bounds of its own.

At rest power is steady, so the level of the counter at an edge follows from the resting side alone, whatever the
delay: it moves both edges alike. What a counter shows above the power of the rest after the window's end may belong
to the window (its readings are late, its sensor lags) or may not (the GPU falls silent slowly). The estimate counts
it, and the lower bound does not.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from attrs import frozen

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Series, WindowEdges
from ai_energy_benchmarks.domain.rests import Knot, Rest, Rests, Window, knots, rests_beside, tick_s

# The power of the work next to an edge is looked at for so long.
_WORK_S = 0.5
# From so much of the step on a change of the counter is one of the work.
_RISEN = 0.1


@frozen
class Guarded:
    """A window between two rests.

    Attributes:
        bounds_j: the energy; None if the rest after the window was none.
        edges: what the rests showed.
    """

    bounds_j: Bounds | None
    edges: WindowEdges


def between_rests(series: Series, window: Window) -> Guarded | None:
    """The energy of a window between two rests; None if too little was seen of them."""
    rests = rests_beside(series, window)
    if rests is None:
        return None
    if rests.after is None:
        return Guarded(None, _edges(series, window, rests, window.widest_s))
    # The rest begins where it is flat, and until there the counter may have been late.
    late_s = rests.after.line.begin_s - window.stop_s
    delay_high_s = window.delay.high_s if rests.after.at_once else late_s
    return Guarded(_level(series, window, rests, rests.after), _edges(series, window, rests, delay_high_s))


def _level(series: Series, window: Window, rests: Rests, after: Rest) -> Bounds:
    shift_s, start_s, stop_s = window.delay.middle_s, window.start_s, window.stop_s
    begin = rests.before.line.at_j(start_s + shift_s)
    end = after.line.at_j(stop_s + shift_s)
    surely = _surely_before(series, window, min(after.line.power_w, rests.before.line.power_w))
    # Power that stays raised counts for as long as the counter may be late, which is until the rest is flat. A smaller
    # change may be the end of the work, or of what the sensor shows of it, so it counts for all of the rest.
    settled_s = after.line.begin_s - stop_s
    changed_s = settled_s if rests.state == "raised" and after.at_once else after.looked_s
    falling_s = settled_s if after.at_once else after.looked_s
    within = abs(rests.change_w) * changed_s + abs(after.change_w) * falling_s
    within += abs(rests.before.change_w) * (start_s + shift_s - rests.before.line.end_s)
    within += rests.before.line.error_j(start_s + shift_s) + after.line.error_j(stop_s + shift_s)
    best = max(0.0, end - begin)
    return Bounds(max(0.0, min(best, surely - begin) - within), best, best + within)


def _surely_before(series: Series, window: Window, idle_w: float) -> float:
    """The least that the counter had reached at the window's end; changes were seen before it and after it.

    That is what it showed then, the part of its next step that is surely older than the end, and idle power for the
    rest of the delay. Power does not rise when work ends, so a step across the end holds at least as much per second
    before it as after.
    """
    values, after_s = series.values, series.after_s
    row = bisect_right(after_s, window.stop_s + window.delay.low_s) - 1
    following = bisect_right(values, values[row])
    while values[row - 1] == values[row]:
        row -= 1
    older_s = window.stop_s + window.delay.low_s - after_s[row]
    step_s = after_s[following] - series.before_s[row - 1]
    surely_j = (values[following] - values[row]) * (older_s / step_s)
    return values[row] + surely_j + idle_w * (window.delay.middle_s - window.delay.low_s)


def _edges(series: Series, window: Window, rests: Rests, delay_high_s: float) -> WindowEdges:
    work = knots(series, window.start_s, window.stop_s)
    rise_s = fall_s = None
    if len(work) >= 3:
        rise_s = _rise_s(work, window, rests)
        fall_s = None if rests.after is None else _fall_s(series, work, window, rests.after)
    return WindowEdges(rests.state, delay_high_s, rests.step_w, rests.change_w, rise_s, fall_s)


def _rise_s(work: list[Knot], window: Window, rests: Rests) -> float | None:
    """How long after the window's start the work seems to begin, were its power even in its first ticks."""
    rest, least = rests.before.line, _RISEN * rests.step_w * tick_s(work)
    for here, later in pairwise(work):
        above = here.value_j - rest.at_j(here.time_s)
        if above >= least:
            step = (later.value_j - here.value_j) / (later.time_s - here.time_s) - rest.power_w
            return here.time_s - above / step - window.start_s if step > 0 else None
    return None


def _fall_s(series: Series, work: list[Knot], window: Window, after: Rest) -> float | None:
    """How long the power before the window's end would have to go on for what the counter shows after it."""
    last = [each for each in work if each.time_s >= window.stop_s - _WORK_S]
    shown = edges.curve(series, window.stop_s)
    assert shown is not None, "changes were seen in both rests"
    if len(last) < 2:
        return None
    step = (last[-1].value_j - last[0].value_j) / (last[-1].time_s - last[0].time_s) - after.line.power_w
    return (after.line.at_j(window.stop_s) - shown) / step if step > 0 else None
