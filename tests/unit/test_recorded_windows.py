"""Windows between two rests: one by hand, and many whose figures may not change, since results are re-analysed."""

from __future__ import annotations

import csv
from array import array

import pytest
from attrs import astuple, evolve

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.guarded import between_rests
from ai_energy_benchmarks.domain.power import Device, Series, WindowEdges
from ai_energy_benchmarks.domain.rests import Knot, Window, is_calm, knots, rests_beside, tick_s
from tests.unit.recorded_windows import COLUMNS, FILE, NUMBER, figures, window

TICK_S, CALL_S = 1 / 32, 1 / 1024
ON_TIME = Delay(0.0, 0.0)


def test_stored_windows_keep_their_figures() -> None:
    """Two hundred made-up counters: state, bounds, steps and apparent delays, and when their rests were calm.

    They were written by ``recorded_windows.py`` when the file was made; a stored result gives the same figures again.
    """
    with FILE.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == COLUMNS
    assert len(rows) == NUMBER
    assert {row[1] for row in rows} == {"flat", "late", "raised", "unsettled", "none"}
    for row in rows:
        seed, state, *numbers, calm = figures(int(row[0]))
        assert (seed, state, calm) == (row[0], row[1], row[-1])
        for number, expected in zip(numbers, row[2:-1], strict=True):
            assert bool(number) == bool(expected)
            assert float(number or 0) == pytest.approx(float(expected or 0), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("shift_s", [-4.0, 64.0])
def test_the_origin_of_the_clock_is_of_no_matter(shift_s: float) -> None:
    """Nor is that of the counter: the same windows on another clock have the same figures."""
    for seed in range(40):
        series, around = window(seed)
        moved = evolve(
            series,
            before_s=array("d", (at_s + shift_s for at_s in series.before_s)),
            after_s=array("d", (at_s + shift_s for at_s in series.after_s)),
            values=array("d", (value_j + 500.0 for value_j in series.values)),
        )
        found, again = (
            between_rests(series, around),
            between_rests(moved, evolve(around, start_s=around.start_s + shift_s, stop_s=around.stop_s + shift_s)),
        )
        assert (found is None) is (again is None)
        if found is None or again is None:
            continue
        for number, other in zip(astuple(found.edges), astuple(again.edges), strict=True):
            exact = number is None or isinstance(number, str)
            assert other == (number if exact else pytest.approx(number, rel=1e-6, abs=1e-6))
        assert (found.bounds_j is None) is (again.bounds_j is None)
        if found.bounds_j is not None and again.bounds_j is not None:
            assert tuple(again.bounds_j) == pytest.approx(tuple(found.bounds_j), rel=1e-6, abs=1e-6)


def even(
    rest_w: float, work_w: float, after_w: float | None = None, ticks: int = 192, tick_s: float = TICK_S
) -> Series:
    """Six seconds of ticks, each seen from 1/1024 s before to as long after it; work from a third to two of them."""
    rows, value_j = [(0.0, 0.0, 0.0)], 0.0
    for number in range(1, ticks + 1):
        time_s = number * tick_s
        rows.append((time_s - CALL_S, time_s - CALL_S, value_j))
        third_s = ticks * tick_s / 3
        worked = third_s < time_s <= 2 * third_s
        power_w = work_w if worked else rest_w if time_s <= third_s or after_w is None else after_w
        value_j += power_w * tick_s
        rows.append((time_s + CALL_S, time_s + CALL_S, value_j))
    return Series(
        Device("gpu", "GPU-0"), "energy_j", "nvml", *(array("d", column) for column in zip(*rows, strict=True))
    )


def test_even_work_between_two_rests_by_hand() -> None:
    """64 W at rest and 320 W for 2 s: 640 J, which the lines through both rests give to the last digit.

    At the end of the window the counter showed the tick of 4 - 1/32 s. The tick of 10 J across the end began at the
    latest at 4 - 31/1024 s and is 34/1024 s long with its readings, so that 31/34 of it are surely older.
    """
    found = between_rests(even(64.0, 320.0), Window(2.0, 4.0, 1.0, 1.0, ON_TIME, 0.05, 1.0))
    assert found is not None
    assert found.bounds_j == Bounds(pytest.approx(630 + 310 / 34), 640.0, 640.0)
    assert found.edges == WindowEdges("flat", 0.0, 256.0, 0.0, 0.0, 0.0)


def test_a_rest_that_draws_more_than_before_by_hand() -> None:
    """After the work 96 W, 32 W above the rest before it: 12.5 % of the step to the mean of the rests, which is 240 W.

    Flat from the first tick in it, so it counts for the 1/32 s until there, 1 J; the work shows as before.
    """
    found = between_rests(even(64.0, 320.0, 96.0), Window(2.0, 4.0, 1.0, 1.0, ON_TIME, 0.05, 1.0))
    assert found is not None
    assert found.edges.state == "raised"
    assert (found.edges.step_w, found.edges.idle_change_w) == (240.0, 32.0)
    assert found.bounds_j is not None
    assert found.bounds_j.best == 640.0
    begin_s = found.bounds_j.high - 640.0
    assert begin_s / 32 == pytest.approx(TICK_S)
    assert found.bounds_j.low == pytest.approx(630 + 310 / 34 - 1.0)


@pytest.mark.parametrize(("late_s", "seen"), [(0.0234, 2), (0.0239, 2), (0.0241, 1), (0.03, 1)])
def test_changes_between_readings_too_far_apart_are_passed_over(late_s: float, seen: int) -> None:
    """24 ms are twice the 12 ms by which a change may be placed."""
    times_s = array("d", (0.0, 0.01, 1.0, 1.0 + late_s))
    series = Series(Device("gpu", "GPU-0"), "energy_j", "nvml", times_s, times_s, array("d", (0, 1, 1, 2)))
    assert len(knots(series, 0.0, 2.0)) == seen


@pytest.mark.parametrize(("late_s", "seen"), [(0.024, 1), (0.02401, 0)])
def test_a_change_may_be_placed_by_exactly_twelve_milliseconds(late_s: float, seen: int) -> None:
    """Between a reading at 0 s and one 24 ms later."""
    times_s = array("d", (-1.0, 0.0, late_s))
    series = Series(Device("gpu", "GPU-0"), "energy_j", "nvml", times_s, times_s, array("d", (0, 0, 1)))
    assert len(knots(series, -1.0, 2.0)) == seen


def test_changes_between_two_times_are_those_whose_readings_lie_within() -> None:
    """From the begin of the reading before to the end of the one that saw it; the first value is no change."""
    series = even(64.0, 320.0)
    assert knots(series, TICK_S - CALL_S, 2 * TICK_S + CALL_S) == [
        Knot(TICK_S, CALL_S, 2.0),
        Knot(2 * TICK_S, CALL_S, 4.0),
    ]
    assert [knot.value_j for knot in knots(series, TICK_S, 2 * TICK_S + CALL_S)] == [4.0]
    assert [knot.value_j for knot in knots(series, TICK_S - CALL_S, 2 * TICK_S)] == [2.0]
    assert tick_s([Knot(time_s, 0.0, 0.0) for time_s in (1.0, 2.0, 4.0, 7.0)]) == 2.0


@pytest.mark.parametrize(("length_s", "calm"), [(0.02, False), (0.04, False), (0.18, False), (0.19, True), (1.0, True)])
def test_a_rest_is_calm_once_it_was_flat_for_more_than_its_end(length_s: float, calm: bool) -> None:
    """Its end is the last 4 ticks, 1/8 s, that are compared; 25 ms more make it one: 5 ticks after the first."""
    assert is_calm(even(64.0, 320.0), 4.0, 4.0 + length_s, 256.0, 0.05) is calm


def test_a_rest_is_calm_also_after_work_of_a_single_tick() -> None:
    """Its power is not known then, so that of the rest serves."""
    series = even(64.0, 320.0)
    assert is_calm(series, 1.5 * TICK_S, 1.5 * TICK_S + 1.0, 0.0, 0.05)
    assert not is_calm(series, 1.5 * TICK_S, 1.5 * TICK_S + 0.1, 0.0, 0.05)


def test_half_of_a_rest_may_hold_too_few_ticks_to_be_looked_at() -> None:
    """Ticks of 3/4 s: of a rest of 6 s five of the seven are flat; a half of it has three, and less than 0.8 s none."""
    found = between_rests(even(64.0, 320.0, ticks=27, tick_s=0.75), Window(6.75, 13.5, 6.0, 6.0, ON_TIME, 0.05, 1.0))
    assert found is not None
    assert (found.edges.state, found.edges.step_w) == ("flat", 256.0)
    assert found.bounds_j is not None
    assert found.bounds_j.best == 6.75 * 320


def test_work_of_few_ticks_before_its_end_shows_no_delay_there() -> None:
    """In the last half second of the window above there is one, whose power is not known."""
    found = between_rests(even(64.0, 320.0, ticks=27, tick_s=0.75), Window(6.75, 13.5, 6.0, 6.0, ON_TIME, 0.05, 1.0))
    assert found is not None
    assert (found.edges.rise_s, found.edges.fall_s) == (0.0, None)


def test_a_tick_of_work_that_draws_what_the_rest_does_shows_no_begin() -> None:
    """The counter was above the rest before it, but does not rise against it any more."""
    series = even(64.0, 320.0)
    second = next(row for row in range(len(series.values)) if series.values[row] == 2 * 64 + 20)
    for row in range(len(series.values)):
        if series.values[row] >= 2 * 64 + 20:
            series.values[row] -= 8.0
    assert series.values[second] - series.values[second - 1] == 2.0
    found = between_rests(series, Window(2.0, 4.0, 1.0, 1.0, ON_TIME, 0.05, 1.0))
    assert found is not None
    assert found.edges.rise_s is None


def test_work_that_begins_within_a_tick_by_hand() -> None:
    """The first tick of the work holds half of its energy, so work at 319 W above rest began half a tick late.

    The counter is young: it has more than doubled from the first tick of the work to the second.
    """
    series = even(1.0, 320.0)
    for row in range(len(series.values)):
        if series.values[row] >= 2 + 10:
            series.values[row] -= 5.0
    found = between_rests(series, Window(2.0, 4.0, 1.0, 1.0, ON_TIME, 0.05, 1.0))
    assert found is not None
    assert found.edges.rise_s == pytest.approx(TICK_S - (5 - TICK_S) / 319)


@pytest.mark.parametrize(("rest_s", "looked_s"), [(0.8, 0.4), (0.79, 0.79), (1.0, 0.5), (1.6, 0.4)])
def test_the_shortest_rest_that_is_one_is_taken(rest_s: float, looked_s: float) -> None:
    """The full length is halved down to 0.4 s; a change at its very end still counts."""
    found = rests_beside(even(64.0, 320.0), Window(2.0, 4.0, 1.0, rest_s, ON_TIME, 0.05, 1.0))
    assert found is not None
    assert found.after is not None
    assert found.after.looked_s == looked_s
    assert found.after.line.end_s == 4.0 + int(looked_s * 32) / 32
