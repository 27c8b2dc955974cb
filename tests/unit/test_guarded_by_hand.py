"""The energy between two rests, each of its terms by hand: lines, what was surely counted, and apparent delays."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.guarded import _fall_s, _level, _rise_s, _surely_before, between_rests
from ai_energy_benchmarks.domain.power import EdgeState
from ai_energy_benchmarks.domain.rests import Knot, Line, Rest, Rests, Window
from tests.unit.test_edges_by_definition import counter
from tests.unit.test_rests_by_definition import series

# Each edge is seen 1/8 to 3/8 s late.
WINDOW = Window(2.0, 4.0, 1.0, 3.0, Delay(0.125, 0.375), 0.05, 1.0)
BEFORE = Rest(Line(0.0, 1.5, 1.0, 100.0, 20.0, 0.5, 4), -3.0, True)
AFTER = Rest(Line(5.0, 7.0, 6.0, 700.0, 30.0, 0.25, 4), -2.0, True, 2.5)
# Readings that take 1/8 s: 20 J are seen from 2 s on, 50 J from 5 s on.
STEPS = counter(*((float(n), n + 0.125, value) for n, value in enumerate((0.0, 10.0, 20.0, 20.0, 20.0, 50.0, 60.0))))


@pytest.mark.parametrize(
    ("stop_s", "idle_w", "surely_j"),
    [
        # The reading at 3 s, the last one by 3.625 s; 20 J were there by 2.125 s at the latest, 1.5 s before. The step
        # to 50 J is seen by 5.125 s, and the one before began after 1 s. Then 1/8 s of idle power.
        (3.5, 8.0, 20 + 30 * 1.5 / 4.125 + 1.0),
        (3.5, 0.0, 20 + 30 * 1.5 / 4.125),
        (2.0, 8.0, 20 + 0.0 + 1.0),  # seen exactly then
        (1.99, 8.0, 10 + 10 * (1.99 + 0.125 - 1.125) / (2.125 - 0.0) + 1.0),
        (4.99, 8.0, 20 + 30 * (4.99 + 0.125 - 2.125) / 4.125 + 1.0),
    ],
)
def test_what_the_counter_had_surely_reached_at_the_end_of_the_window(
    stop_s: float, idle_w: float, surely_j: float
) -> None:
    """What it showed, the part of its next step that is surely older, and idle power from the shortest to the middle
    of the delay."""
    window = evolve(WINDOW, stop_s=stop_s)
    assert _surely_before(STEPS, window, idle_w) == pytest.approx(surely_j, rel=1e-12)


@pytest.mark.parametrize(
    ("state", "at_once", "changed_s", "falling_s"),
    [
        ("raised", True, 1.0, 1.0),
        ("raised", False, 2.5, 2.5),
        ("flat", True, 2.5, 1.0),
        ("late", False, 2.5, 2.5),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_the_bounds_between_two_rests_have_every_doubt(
    state: EdgeState, at_once: bool, changed_s: float, falling_s: float, scale: float
) -> None:
    """The lines show 125 J at the start and 647.5 J at the end, both 1/4 s later: 522.5 J.

    A change of 4 W between the rests counts for all 2.5 s that were looked at, or the second until the rest was flat,
    that of 2 W in the rest after likewise. 3 W in the rest before count for 3/4 s beyond its line, whose error is twice
    the 0.5 J there; of the other, 3/4 s before a line of 2 s, it is 1.75 times 0.25 J.
    """
    rests = Rests(BEFORE, evolve(AFTER, at_once=at_once), state, 200.0, -4.0)
    shown = evolve(STEPS, values=type(STEPS.values)("d", (value * scale for value in STEPS.values)))
    found = _level(shown, WINDOW, rests, rests.after or AFTER)
    within = 4 * changed_s + 2 * falling_s + 3 * 0.75 + 0.5 * 2 + 0.25 * 1.75
    surely_j = scale * (20 + 30 * 2.0 / 4.125) + 20 * 0.125
    assert tuple(found) == pytest.approx(
        (max(0.0, min(522.5, surely_j - 125.0) - within), 522.5, 522.5 + within), rel=1e-12
    )
    assert (found.low == 0.0) is (scale == 1.0)


def test_the_lower_of_both_rests_is_what_a_counter_shows_at_least() -> None:
    """And a window that counted less than nothing counted nothing."""
    for before_w, after_w in ((20.0, 30.0), (30.0, 20.0)):
        before = evolve(BEFORE, line=evolve(BEFORE.line, power_w=before_w, off_j=0.0), change_w=0.0)
        after = evolve(AFTER, line=evolve(AFTER.line, power_w=after_w, off_j=0.0), change_w=0.0)
        young = evolve(before, line=evolve(before.line, value_j=-before_w * 1.25))
        found = _level(STEPS, WINDOW, Rests(young, after, "flat", 200.0, 0.0), after)
        assert found.low == pytest.approx(20 + 30 * 2.0 / 4.125 + 20 * 0.125)
        full = evolve(before, line=evolve(before.line, value_j=1000.0))
        assert _level(STEPS, WINDOW, Rests(full, after, "flat", 200.0, 0.0), after) == Bounds(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("values_j", "rise_s"),
    [
        ((132.5, 192.5, 290.0), 2.25 - 7.5 / 220 - 2.0),  # 7.5 J above 125 J, and 240 W less 20 W from there
        ((132.49, 192.5, 290.0), 2.5 - 62.5 / 175 - 2.0),  # the next: 62.5 J above 130 J, and 195 W less 20 W
        ((126.0, 192.5, 290.0), 2.5 - 62.5 / 175 - 2.0),
        ((132.5, 137.5, 290.0), None),  # the work draws what the rest does
        ((132.5, 137.6, 290.0), 2.25 - 7.5 / 0.4 - 2.0),
        ((132.5, 137.4, 290.0), None),
        ((126.0, 131.0, 290.0), None),  # the last change begins no tick
    ],
)
def test_the_work_seems_to_begin_where_its_first_tick_meets_the_rest(
    values_j: tuple[float, ...], rise_s: float | None
) -> None:
    """Changes at 2.25, 2.5 and 3 s: a tenth of 200 W over their median of 3/8 s is 7.5 J."""
    work = [Knot(time_s, 0.0, value_j) for time_s, value_j in zip((2.25, 2.5, 3.0), values_j, strict=True)]
    rests = Rests(BEFORE, AFTER, "flat", 200.0, 0.0)
    assert _rise_s(work, WINDOW, rests) == (None if rise_s is None else pytest.approx(rise_s, abs=1e-9))


@pytest.mark.parametrize(
    ("times_s", "after_w", "value_j", "fall_s"),
    [
        ((3.25, 3.5, 3.75, 4.0), 20.0, 164.0, 4 / 40),  # 30 J in the last half second, 20 W above the rest
        ((3.0, 3.25, 3.5, 4.0), 20.0, 164.0, 4 / 20),
        ((3.0, 3.25, 3.49, 4.0), 20.0, 164.0, None),  # one change alone
        ((3.25, 3.5, 3.75, 4.0), 20.0, 158.0, -2 / 40),
        ((3.25, 3.5, 3.75, 4.0), 60.0, 164.0, None),
        ((3.25, 3.5, 3.75, 4.0), 61.0, 164.0, None),
        ((3.25, 3.5, 3.75, 4.0), 59.5, 164.0, 4 / 0.5),
    ],
)
def test_the_work_seems_to_go_on_until_what_shows_after_it_is_counted(
    times_s: tuple[float, ...], after_w: float, value_j: float, fall_s: float | None
) -> None:
    """The counter showed 160 J at the window's end, and the line of the rest leads back to more there."""
    work = [Knot(time_s, 0.0, value) for time_s, value in zip(times_s, (0.0, 10.0, 30.0, 40.0), strict=True)]
    if times_s[2] == 3.5:
        work = [evolve(work[2], value_j=20.0) if knot is work[2] else knot for knot in work]
    after = evolve(AFTER, line=evolve(AFTER.line, middle_s=4.0, value_j=value_j, power_w=after_w))
    found = _fall_s(series([40.0] * 24), work, WINDOW, after)
    assert found == (None if fall_s is None else pytest.approx(fall_s, rel=1e-9))


@pytest.mark.parametrize(("work", "known"), [(2, False), (3, True), (4, True)])
def test_a_delay_is_seen_with_three_changes_in_the_window(work: int, known: bool) -> None:
    """At its start and its end too: those of a window of two and more ticks of 1/8 s."""
    stop_s = 2.0 + (work - 1) * 0.125
    made = series([20.0] * 16 + [100.0] * (work - 1) + [20.0] * 16, 0.125)
    found = between_rests(made, Window(2.0, stop_s, 1.5, 1.5, Delay(0.0, 0.0), 0.05, 1.0))
    assert found is not None
    assert (found.edges.rise_s is not None, found.edges.fall_s is not None) == (known, known)
