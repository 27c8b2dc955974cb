"""The flat part of a rest, from its changes: each limit exactly at it and next to it, and every figure by hand."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import Device, EdgeState, Series
from ai_energy_benchmarks.domain.rests import (
    Knot,
    Line,
    Rest,
    Window,
    _after,
    _chosen,
    _excess,
    _flat_part,
    _is_long,
    _last_begin,
    _line,
    _power,
    _stretch_end,
    _within,
    is_calm,
    rests_beside,
)

ALWAYS_S = float("-inf")
LINE = Line(0.5, 5.5, 2.5, 3.25, 25 / 14, 2.0, 4)
WINDOW = Window(2.0, 4.0, 1.0, 3.0, Delay(0.125, 0.25), 0.05, 1.0)


def changes(powers_w: Sequence[float], tick_s: float = 0.25, within_s: float = 0.0, begin_s: float = 0.0) -> list[Knot]:
    """One change more than there are powers; each power lasts a tick."""
    found = [Knot(begin_s, within_s, 7.0)]
    for number, power_w in enumerate(powers_w, 1):
        found.append(Knot(begin_s + number * tick_s, within_s, found[-1].value_j + power_w * tick_s))
    return found


def at(times_s: Sequence[float]) -> list[Knot]:
    """Changes at these times."""
    return [Knot(time_s, 0.0, 0.0) for time_s in times_s]


def back(number: int, tick_s: float) -> list[Knot]:
    """So many changes, the last one at 0."""
    return at([-tick_s * left for left in reversed(range(number))])


@pytest.mark.parametrize(
    ("seen", "begin"),
    [
        (back(1, 1.0), 0),
        (back(2, 1.0), 0),
        (back(4, 1.0), 0),
        (back(5, 1.0), 1),
        (back(9, 1.0), 5),
        (back(20, 0.01), 9),  # ten ticks are exactly 0.1 s
        (back(20, 0.0101), 9),
        (back(20, 0.0099), 8),
        (back(20, 0.034), 16),
        (back(20, 0.033), 15),
        (back(5, 0.01), 0),
    ],
)
def test_the_last_stretch_has_three_ticks_and_a_tenth_of_a_second(seen: list[Knot], begin: int) -> None:
    """Whichever is more; all there is, if that is less."""
    assert _last_begin(seen) == begin


@pytest.mark.parametrize(
    ("tick_s", "begin", "end"),
    [(1.0, 0, 1), (0.05, 0, 1), (0.01, 0, 5), (0.0101, 0, 5), (0.0099, 0, 6), (0.01, 16, 19), (1.0, 18, 19)],
)
def test_a_stretch_has_a_tick_and_50_ms(tick_s: float, begin: int, end: int) -> None:
    """Of twenty changes; until the last one, if that is less."""
    assert _stretch_end(at([tick_s * number for number in range(20)]), begin) == end


def test_the_power_of_a_stretch_and_how_well_its_length_is_known() -> None:
    """From 3 to 11 J in 2 s are 4 W; ends known to 0.25 and 0.375 s are 5/16 of that. A power of 3 W differs by 1 W,
    of which 15/16 may be that; the reverse is the same."""
    seen = [Knot(1.0, 0.25, 3.0), Knot(3.0, 0.375, 11.0)]
    assert (_power(seen), _within(seen, 0, 1)) == (4.0, 5 / 16)
    assert _excess(seen, 0, 3.0) == 1 - 15 / 16
    assert _excess(seen, 0, 5.0) == 1 - 25 / 16
    assert _power([Knot(1.0, 0.0, 3.0), Knot(2.0, 0.0, 100.0), Knot(5.0, 0.0, 13.0)]) == 2.5


def test_a_line_has_least_squares() -> None:
    """Changes at 0.5, 1.5, 2.5 and 5.5 s to 0.25, 2.25, 1.25 and 9.25 J: means 2.5 s and 3.25 J, squares 4 + 1 + 0 + 9,
    products 6 + 1 + 0 + 18.

    The one at 2.5 s lies 2 J below the line, which is more than 4/7, 11/14 and 9/14 J.
    """
    knots = [Knot(0.5, 0.0, 0.25), Knot(1.5, 0.0, 2.25), Knot(2.5, 0.0, 1.25), Knot(5.5, 0.0, 9.25)]
    assert _line(knots) == evolve(LINE, power_w=pytest.approx(25 / 14))
    upside_down = [evolve(knot, value_j=-knot.value_j) for knot in knots]
    assert _line(upside_down) == evolve(LINE, value_j=-3.25, power_w=pytest.approx(-25 / 14))


@pytest.mark.parametrize(
    ("time_s", "number", "error_j"),
    [
        (0.5, 4, 2.0),
        (2.0, 9, 2.0),
        (5.5, 9, 2.0),
        (7.5, 4, 2.0 * (1 + 2 * 2 / 5)),
        (-1.0, 4, 2.0 * (1 + 2 * 1.5 / 5)),
        (7.5, 36, 1.0 * (1 + 2 * 2 / 5)),
        (7.5, 16, 1.5 * (1 + 2 * 2 / 5)),
    ],
)
def test_a_line_is_off_by_as_much_as_a_change_and_more_beyond_its_ends(
    time_s: float, number: int, error_j: float
) -> None:
    """By twice the distance over its length; and by 3 over the root of their number where there are more than nine."""
    line = evolve(LINE, number=number)
    assert line.error_j(time_s) == pytest.approx(error_j, rel=1e-12)
    assert line.at_j(time_s) == pytest.approx(3.25 + 25 / 14 * (time_s - 2.5), rel=1e-12)


@pytest.mark.parametrize(
    ("powers_w", "tolerance_w", "not_before_s", "expected"),
    [
        ([20, 20, 20, 20, 20], 1.0, ALWAYS_S, (0, 0.0, True)),
        ([40, 30, 21, 20, 20, 20], 1.0, ALWAYS_S, (2, 1.0, False)),  # exactly as much as may be
        ([40, 30, 21, 20, 20, 20], 0.99, ALWAYS_S, (3, 0.0, False)),
        ([40, 30, 19, 20, 20, 20], 1.0, ALWAYS_S, (2, -1.0, False)),  # a dip is another power as well
        ([40, 30, 19, 20, 20, 20], 0.99, ALWAYS_S, (3, 0.0, False)),
        ([20, 40, 20, 20, 20, 20], 1.0, ALWAYS_S, (2, 0.0, False)),  # what was flat before does not count
        ([20, 20, 20, 40, 20, 20], 1.0, ALWAYS_S, (3, 40 - 80 / 3, False)),
        ([20, 20, 20, 20, 20, 20], 1.0, 0.5, (2, 0.0, True)),
        ([20, 20, 20, 20, 20, 20], 1.0, 0.51, (3, 0.0, True)),
        ([20, 20, 20, 20, 20, 20], 1.0, 1.25, (3, 0.0, True)),  # with fewer changes after it than are compared
        ([20, 20, 20, 20, 20, 20], 1.0, 9.0, (3, 0.0, True)),
        ([20, 20, 40, 20, 20, 20], 1.0, 0.5, (3, 0.0, False)),
        ([20, 20, 40, 20, 20, 20], 1.0, 0.75, (3, 0.0, True)),
    ],
)
def test_the_flat_part_goes_back_to_where_power_was_another(
    powers_w: list[float], tolerance_w: float, not_before_s: float, expected: tuple[int, float, bool]
) -> None:
    """Its end are the last three ticks; it is there at once if it goes back to the first change from a moment on."""
    seen, (first, change_w, at_once) = changes(powers_w), expected
    found = _flat_part(seen, tolerance_w, not_before_s, 3.0)
    assert (found.line.begin_s, found.line.end_s) == (seen[first].time_s, seen[-1].time_s)
    assert found.line == _line(seen[first:])
    assert (found.change_w, found.at_once, found.looked_s) == (pytest.approx(change_w), at_once, 3.0)


@pytest.mark.parametrize(("power_w", "first"), [(24.33, 2), (24.34, 3), (15.67, 2), (15.66, 3)])
def test_readings_place_the_ends_of_a_stretch_only_so_well(power_w: float, first: int) -> None:
    """Each to 1/64 s: of 20 W over 3/4 s that is 20/24 W, of a tick of 1/4 s 20/8 W; and 1 W may change: 4.333 W."""
    seen = changes([90, 90, power_w, 20, 20, 20], within_s=1 / 64)
    assert _flat_part(seen, 1.0, ALWAYS_S, 0.0).line.begin_s == seen[first].time_s


@pytest.mark.parametrize(
    ("flat_s", "begin_s", "share", "is_long"),
    [
        (0.15, -0.15, 0.85, True),  # 0.125 s are compared, and half of 50 ms more are needed
        (0.1499, -0.15, 0.85, False),
        (0.5, -1.5, 0.5, True),
        (0.5, -1.51, 0.5, False),
        (0.5, -1.0, 0.85, True),
        (0.5, -1.1, 0.85, False),
    ],
)
def test_a_rest_is_flat_for_more_than_its_end_and_long_enough_for_what_went_before(
    flat_s: float, begin_s: float, share: float, is_long: bool
) -> None:
    """Both are needed."""
    seen = back(33, 1 / 32)
    rest = Rest(Line(-flat_s, 0.0, 0.0, 0.0, 20.0, 0.0, 5), 0.0, False)
    assert _is_long(rest, seen, begin_s, share) is is_long


def look(power_w: float, at_once: bool, late_s: float, looked_s: float) -> Rest:
    """A rest after the window, flat from so long after it."""
    return Rest(Line(4.0 + late_s, 9.0, 5.0, 0.0, power_w, 0.0, 9), 0.0, at_once, looked_s)


BEFORE = Rest(Line(0.0, 2.0, 1.0, 0.0, 50.0, 0.0, 9), 0.0, True)


@pytest.mark.parametrize(
    ("looks", "state", "chosen"),
    [
        ([], "unsettled", None),
        ([look(60.0, True, 0.5, 0.75), look(50.0, True, 0.5, 1.5)], "flat", 0),  # 10 of 200 W are 5 %
        ([look(60.1, True, 0.5, 0.75), look(50.0, True, 0.5, 1.5)], "flat", 1),
        ([look(40.0, True, 0.5, 0.75), look(50.0, True, 0.5, 1.5)], "flat", 0),
        ([look(39.9, True, 0.5, 0.75), look(50.0, True, 0.5, 1.5)], "flat", 1),
        ([look(50.0, False, 1.0, 0.75), look(50.0, True, 0.5, 1.5)], "late", 0),  # as late as may be
        ([look(50.0, False, 1.01, 0.75), look(50.0, True, 0.5, 1.5)], "flat", 1),
        ([look(50.0, True, 1.01, 0.75), look(50.0, True, 0.5, 1.5)], "flat", 0),
        ([look(80.0, True, 0.5, 0.75), look(80.0, True, 0.5, 1.5)], "raised", 0),
        ([look(150.0, True, 0.5, 0.75), look(80.0, True, 0.5, 1.5)], "raised", 0),  # half of the step, and no more
        ([look(150.1, True, 0.5, 0.75), look(80.0, True, 0.5, 1.5)], "raised", 1),
        ([look(80.0, False, 0.5, 0.75), look(80.0, True, 0.5, 1.5)], "raised", 1),
        ([look(80.0, False, 0.5, 0.75), look(80.0, False, 0.5, 3.0)], "raised", 1),
        ([look(80.0, False, 0.5, 0.75), look(150.0, False, 0.5, 3.0)], "raised", 1),
        ([look(80.0, False, 0.5, 0.75), look(150.1, False, 0.5, 3.0)], "unsettled", None),
        ([look(80.0, False, 0.5, 0.75), look(80.0, False, 0.5, 1.5)], "unsettled", None),  # not the whole rest
        ([look(80.0, False, 0.5, 0.75), look(80.0, False, 1.01, 3.0)], "unsettled", None),
        ([look(150.1, True, 0.5, 3.0)], "unsettled", None),
    ],
)
def test_of_the_rests_that_are_none_the_first_raised_one_at_once_is_taken(
    looks: list[Rest], state: EdgeState, chosen: int | None
) -> None:
    """Before it any that is at the power of before; after it the whole rest, where it came down by half of 200 W."""
    assert _chosen(WINDOW, BEFORE, looks, 200.0) == (state, None if chosen is None else looks[chosen])


@pytest.mark.parametrize(("length_s", "number"), [(0.1, 0), (0.125, 1), (0.625, 3), (1.125, 5), (1.375, 6), (3.0, 12)])
def test_a_part_of_a_rest_has_what_was_seen_until_its_end(length_s: float, number: int) -> None:
    """Changes every 1/4 s from 4.25 s on; the shortest delay of 1/8 s is waited for. The flat part begins at 4.5 s, 280
    ms after the window: five changes there hold one more than the three ticks at the end, and are long enough."""
    seen = changes([20.0] * 12, begin_s=4.25)
    found = _after(WINDOW, seen, length_s, 1.0)
    assert WINDOW.soon_s == 4.0 + 0.25 + 0.03
    assert sum(knot.time_s <= 4 + length_s + 0.125 for knot in seen) == number
    if number < 6:
        assert found is None
        return
    assert found is not None
    assert (found.line.begin_s, found.line.number, found.at_once, found.looked_s) == (4.5, number - 1, True, length_s)


def series(powers_w: Sequence[float], tick_s: float = 0.25) -> Series:
    """A counter that is read at each tick alone, just before and just after its change."""
    rows, value_j = [(0.0, 0.0)], 0.0
    for number, power_w in enumerate(powers_w, 1):
        rows.append((number * tick_s, value_j))
        value_j += power_w * tick_s
        rows.append((number * tick_s, value_j))
    times_s, values = (array("d", column) for column in zip(*rows, strict=True))
    return Series(Device("gpu", "GPU-0"), "energy_j", "nvml", times_s, times_s, values)


@pytest.mark.parametrize(
    ("work_w", "known_w", "calm"),
    [
        (440.0, 0.0, True),  # half of 5 % of 420 W are 10.5 W
        (380.0, 0.0, False),  # of 360 W 9 W
        (20.0, 400.0, True),
        (20.0, 399.0, False),
        (0.0, 400.0, True),
    ],
)
def test_a_rest_may_change_by_half_of_what_is_flat_of_the_step(work_w: float, known_w: float, calm: bool) -> None:
    """The step is that of the work before it or a known one, whichever is more; the rest fell from 30 to 20 W."""
    for earlier_w in (0.0, 5.0, 900.0):  # only the last half second of the work counts
        made = series([earlier_w] * 6 + [work_w] * 2 + [20.0] + [30.0] * 6 + [20.0] * 3)
        assert is_calm(made, 2.0, 4.5, known_w, 0.05) is calm


@pytest.mark.parametrize(("rest_w", "calm"), [(400.0, True), (398.0, False)])
def test_half_of_the_power_of_a_rest_is_a_step_too(rest_w: float, calm: bool) -> None:
    """Where nothing is known of the work: 5 W are half of 5 % of 200 W."""
    made = series([rest_w] * 8 + [rest_w + 5.0] * 7 + [rest_w] * 3)
    assert is_calm(made, 2.0, 4.5, 0.0, 0.05) is calm


@pytest.mark.parametrize(("flat", "calm"), [(13, False), (14, True), (28, True)])
def test_a_rest_is_flat_for_85_percent_of_the_time_before_it(flat: int, calm: bool) -> None:
    """Work ends at 2 s, and power falls a second later: of ticks of 1/16 s thirteen are less than that, fourteen more.

    The rest before a window is flat for half of it: of a second seven ticks are too few, and the window has no rests.
    """
    made = series([500.0] * 32 + [100.0] * 16 + [20.0] * flat, 1 / 16)
    assert is_calm(made, 2.0, 3.0 + flat / 16, 0.0, 0.05) is calm
    for ticks in (7, 8):
        made = series([20.0] + [100.0] * 16 + [20.0] * ticks + [500.0] * 32 + [20.0] * 32, 1 / 16)
        start_s = (17 + ticks) / 16
        found = rests_beside(made, Window(start_s, start_s + 2.0, start_s - 1 / 16, 2.0, Delay(0.0, 0.0), 0.05, 1.0))
        assert found is not None
        assert (found.state, found.after is None) == (("unsettled", True) if ticks == 7 else ("flat", False))


@pytest.mark.parametrize(
    ("before", "after", "found"), [(3, 3, True), (2, 3, False), (3, 2, False), (2, 2, False), (4, 4, True)]
)
def test_rests_are_looked_at_with_three_changes_each(before: int, after: int, found: bool) -> None:
    """On both sides of the window from 2 to 4 s."""
    made = series([20.0] * 8 + [100.0] * 8 + [20.0] * 8)
    window = Window(2.0, 4.0, 0.25 * before - 0.25 + 0.125, 0.25 * after - 0.25 + 0.125, Delay(0.0, 0.0), 0.05, 1.0)
    # The changes at 2 and at 4 s end and begin a rest.
    assert (rests_beside(made, window) is not None) is found
