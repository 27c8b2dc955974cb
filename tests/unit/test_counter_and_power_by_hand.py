"""The energy counter against power by hand: both views of a window, what they allow, and the whole line of each."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.integration import (
    Agreement,
    compare,
    compare_averaged,
    counter_findings,
    workload_boards,
)
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Measurement, Quantity, Reading, Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding

BOARD, OTHER, PACKAGE = Device("gpu", "GPU-1", "Board"), Device("gpu", "GPU-2"), Device("cpu", "package-0")
STEP_S = 0.125


def series(quantity: Quantity, of: Callable[[float], float], device: Device = BOARD, stop_s: float = 60.0) -> Series:
    """Eight readings a second, each taking no time."""
    times_s = array("d", (number * STEP_S for number in range(int(stop_s / STEP_S))))
    return Series(device, quantity, "test", times_s, times_s, array("d", map(of, times_s)))


def counter(power_w: float, device: Device = BOARD) -> Series:
    return series("energy_j", lambda time_s: power_w * time_s, device)


def power(power_w: float, device: Device = BOARD, quantity: Quantity = "power_w") -> Series:
    return series(quantity, lambda _: power_w, device)


def trial(start_s: float, stop_s: float, number: int = 1, *devices: Device) -> Trial:
    seen = tuple(Reading(each, Bounds.exact(1.0), "measured", "test", "exact") for each in devices or (BOARD,))
    return Trial(number, start_s, stop_s, Measurement(start_s, stop_s, seen), ())


def lines(trials: Sequence[Trial], *of: Series) -> list[tuple[str, str]]:
    return [(each.level, each.message) for each in counter_findings(Samples(of), trials)]


@pytest.mark.parametrize(
    ("power_j", "scatter", "duration_s", "expected"),
    [
        (250.0, 0.05, 20.0, (0.25, 0.2, 0.2)),
        (150.0, 0.05, 10.0, (-0.25, 0.2, 0.2)),
        (250.0, 0.05, 5.0, (0.25, 0.2, 0.1)),
        (210.0, 0.06, 5.0, (0.05, 0.0, 0.0)),
    ],
)
def test_what_scatter_leaves_weighs_less_in_a_short_window(
    power_j: float, scatter: float, duration_s: float, expected: tuple[float, float, float]
) -> None:
    """Difference, excess and weight: in 5 of 10 s half as much; scatter never makes it less than nothing."""
    found = Agreement(BOARD, 200.0, power_j, scatter, duration_s)
    assert (found.difference, found.excess, found.weight) == pytest.approx(expected)


def test_a_counter_that_saw_nothing_differs_without_end() -> None:
    """Half a joule is something."""
    assert Agreement(BOARD, 0.0, 5.0, 0.0, 20.0).difference == math.inf
    assert Agreement(BOARD, 0.5, 0.75, 0.0, 20.0).difference == 0.5


def test_both_views_of_a_window() -> None:
    """300 W over 20 s by the counter, 330 W by power that does not scatter."""
    found = compare(counter(300.0), power(330.0), 10.0, 30.0)
    assert found == Agreement(BOARD, pytest.approx(6000.0), pytest.approx(6600.0), 0.0, 20.0)
    averaged = compare_averaged(counter(300.3), power(330.0, quantity="average_power_w"), 10.0, 29.5)
    assert averaged == Agreement(
        BOARD, pytest.approx(300.3 * 19.5), pytest.approx(330 * 19.5), 0.0, 19.5, averaged=True
    )


def test_scatter_is_two_standard_errors_of_the_readings_inside() -> None:
    """80 steps of 1/8 s, so 81 readings, 41 of 200 W and 40 of 400 W: mean 24200/81, and their deviation over √81."""
    jumping = series("power_w", lambda time_s: 200.0 if round(time_s / STEP_S) % 2 == 0 else 400.0)
    found = compare(counter(300.0), jumping, 10.0, 20.0)
    assert found is not None
    mean = (41 * 200 + 40 * 400) / 81
    deviation = math.sqrt((41 * (200 - mean) ** 2 + 40 * (400 - mean) ** 2) / 80)
    assert found.scatter == pytest.approx(2 * deviation / 9 / mean)
    assert found.power_j == pytest.approx(3000.0, rel=0.005)


def test_one_reading_inside_has_no_scatter() -> None:
    """Nor have none, nor two of 0 W; two others have."""
    steps = {1: (20.0,), 0: (), 2: (20.0, 20.5)}
    for inside in steps.values():
        times_s = array("d", (0.0, *inside, 40.0))
        seldom = Series(
            BOARD, "power_w", "test", times_s, times_s, array("d", [300.0, 310.0, 320.0, 300.0][: len(times_s)])
        )
        found = compare(counter(300.0), seldom, 19.5, 21.0)
        assert found is not None
        assert found.scatter == (pytest.approx(2 * math.sqrt(50) / math.sqrt(2) / 315) if len(inside) == 2 else 0.0)
    small = compare(counter(0.5), series("power_w", lambda time_s: 0.25 if time_s % 0.25 else 0.75), 10.0, 20.0)
    assert small is not None
    assert small.scatter == pytest.approx(2 * 0.25 / 9 / 0.5, rel=0.02)
    idle = compare(counter(300.0), power(0.0), 10.0, 20.0)
    assert idle is not None
    assert (idle.scatter, idle.power_j) == (0.0, 0.0)


def truth_w(time_s: float) -> float:
    """100 W, and 500 W from the 20th to the 32nd second."""
    return 500.0 if 20.0 <= time_s < 32.0 else 100.0


def energy_j(time_s: float) -> float:
    """Its integral since 0 s."""
    return 100.0 * time_s + 400.0 * min(12.0, max(0.0, time_s - 20.0))


@pytest.mark.parametrize(("late_s", "agrees"), [(0.0, True), (0.5, True), (1.0, True), (1.1, True), (1.375, False)])
def test_power_may_be_shown_up_to_so_late(late_s: float, agrees: bool) -> None:
    """In the 12 s of the work 6,000 J; shown 1.1 s late it is found there, later it misses 400 W for the rest."""
    late = series("power_w", lambda time_s: truth_w(time_s - late_s))
    found = compare(series("energy_j", energy_j), late, 20.0, 32.0)
    assert found is not None
    assert (abs(found.difference) < 0.007) is agrees


@pytest.mark.parametrize(("counter_w", "power_j"), [(500.0, 4220.0), (100.0, 4000.0), (201.3, 4030.0), (201.2, 4020.0)])
def test_the_lag_that_agrees_best_is_one_of_23_up_to_1_1_s(counter_w: float, power_j: float) -> None:
    """Power of 10 W more each second is 4,000 J from 10 to 30 s, and 10 J more for each 50 ms that it is shown late."""
    found = compare(counter(counter_w), series("power_w", lambda time_s: 10.0 * time_s), 10.0, 30.0)
    assert found is not None
    assert found.power_j == pytest.approx(power_j, rel=1e-9)


def test_the_mean_of_a_second_is_compared_with_the_counters_own() -> None:
    """The counter half a second before each edge, as the mean of a second is: edges of the work change both alike.

    From 20 s on, where the second before had 100 W, to 26 s, half a second before which 5.5 s of work were done. Both
    are read 0.0275 s later, half the longest delay, and a counter's value is half a reading older.
    """

    def average_w(time_s: float) -> float:
        return energy_j(time_s) - energy_j(time_s - 1.0)

    found = compare_averaged(series("energy_j", energy_j), series("average_power_w", average_w), 20.0, 26.0)
    assert found is not None
    assert found.counter_j == pytest.approx(100.0 * 6.0 + 400.0 * (5.5 + 0.0275 + 0.0625), rel=5e-4)
    assert found.power_j == pytest.approx(100.0 * 6.0 + 400.0 * (5.5 + 0.0275), rel=5e-4)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_reading_that_is_missing_leaves_nothing_to_compare(averaged: bool) -> None:
    """Both series must reach both edges, the counter its next two values after the end, and none may fall between."""
    of = compare_averaged if averaged else compare
    quantity: Quantity = "average_power_w" if averaged else "power_w"
    energy, watts = counter(300.0), power(300.0, quantity=quantity)

    def part(whole: Series, begin_s: float, end_s: float) -> Series:
        rows = slice(round(begin_s / STEP_S), round(end_s / STEP_S) + 1)
        return evolve(whole, before_s=whole.before_s[rows], after_s=whole.after_s[rows], values=whole.values[rows])

    assert of(energy, part(watts, 10.0, 30.0), 10.0, 30.0) is not None
    assert of(energy, part(watts, 10.125, 40.0), 10.0, 30.0) is None
    assert of(energy, part(watts, 0.0, 29.875), 10.0, 30.0) is None
    assert of(part(energy, 0.0, 30.0), watts, 10.0, 30.0) is None
    assert of(part(energy, 9.0, 40.0), watts, 10.0, 30.0) is not None
    assert (of(part(energy, 9.125, 40.0), watts, 10.0, 30.0) is None) is averaged
    fallen = evolve(energy, values=array("d", [value % 5000 for value in energy.values]))
    assert of(fallen, watts, 10.0, 30.0) is None
    assert of(fallen, watts, 10.0, 15.0) is not None


@pytest.mark.parametrize(
    ("power_w", "duration_s", "expected"),
    [
        (303.0, 10.0, [("PASS", "Board: integrated power differs from the energy counter by +1.0% in trial 7")]),
        (303.0, 9.875, []),
        (312.0, 10.0, [("WARN", "Board: integrated power differs from the energy counter by +4.0% in trial 7")]),
        (288.0, 10.0, [("WARN", "Board: integrated power differs from the energy counter by -4.0% in trial 7")]),
        (327.0, 12.5, [("WARN", "Board: integrated power differs from the energy counter by +9.0% in trial 7")]),
        (333.0, 10.0, [("FAIL", "Board: integrated power differs from the energy counter by +11.0% in trial 7")]),
        (312.0, 5.0, []),
        (
            321.0,
            5.0,
            [("WARN", "Board: integrated power differs from the energy counter by +7.0% in trial 7, of 5 s")],
        ),
        (
            366.0,
            5.0,
            [("FAIL", "Board: integrated power differs from the energy counter by +22.0% in trial 7, of 5 s")],
        ),
        (
            420.0,
            1.0,
            [("WARN", "Board: integrated power differs from the energy counter by +40.0% in trial 7, of 1 s")],
        ),
        (420.0, 0.875, []),
    ],
)
def test_a_difference_is_said_in_whole(power_w: float, duration_s: float, expected: list[tuple[str, str]]) -> None:
    """From 3 % a warning, from 10 % a failure; as much more as a trial is shorter than 10 s, and none below 1 s."""
    assert lines([trial(10.0, 10.0 + duration_s, 7)], counter(300.0), power(power_w)) == expected


def test_the_line_names_the_witness_the_scatter_and_a_gpu_without_a_label() -> None:
    """The driver's average where it has one; what power that jumps explains; the id where there is no other name."""
    average = power(315.0, quantity="average_power_w")
    start = "integrated the driver's 1 s average power differs from the energy counter by +5.0% in trial 1"
    assert lines([trial(10.0, 30.0)], counter(300.0), average, power(300.0)) == [("WARN", f"Board: {start}")]
    found = lines([trial(10.0, 30.0, 1, OTHER)], counter(300.0, OTHER), power(315.0, OTHER))
    assert found == [("WARN", "GPU-2: integrated power differs from the energy counter by +5.0% in trial 1")]
    jumping = series("power_w", lambda time_s: 170.0 if round(time_s / STEP_S) % 2 == 0 else 430.0)
    [(level, message)] = lines([trial(10.0, 20.0)], counter(300.0), jumping)
    assert level == "PASS"
    assert message.endswith("% in trial 1, of which scatter explains 9.7%")
    assert list(counter_findings(Samples((counter(300.0), power(300.0))), [trial(10.0, 30.0)])) == [
        Finding(
            "PASS",
            "counter against power",
            "Board: integrated power differs from the energy counter by +0.0% in trial 1",
            "gpu",
        )
    ]


def test_a_counter_that_stood_still_fails() -> None:
    """In 10 s nothing, well before and after 300 W."""

    def stood(time_s: float) -> float:
        return 300.0 * (time_s - min(16.0, max(0.0, time_s - 17.0)))

    [(level, message)] = lines([trial(20.0, 30.0)], series("energy_j", stood), power(300.0))
    assert level == "FAIL"
    assert message.startswith("Board: integrated power differs from the energy counter by +")


def test_where_all_is_well_the_line_is_of_a_long_trial() -> None:
    """A short one that differs by more than the long one, but by no more than it may, is not named.

    Power is 2 % above the counter in the first trial, and 5 % in the second, which at 5 s weighs 2.5 %.
    """
    watts = series("power_w", lambda time_s: 306.0 if time_s < 35.0 else 315.0)
    trials = [trial(5.0, 25.0, 1), trial(40.0, 45.0, 2)]
    line = "Board: integrated power differs from the energy counter by +{} in trial {}"
    assert lines(trials, counter(300.0), watts) == [("PASS", line.format("2.0%", 1))]
    assert lines(trials[1:], counter(300.0), watts) == []
    worse = series("power_w", lambda time_s: 306.0 if time_s < 35.0 else 324.0)
    assert lines(trials, counter(300.0), worse) == [("WARN", line.format("8.0%", 2) + ", of 5 s")]
    # 22 s of 303 W and 3 s of 312 W are 1.36 % above, of which 0.13 % is scatter: the worst of the two long ones.
    steps = series("power_w", lambda time_s: 303.0 if time_s < 27.0 else 312.0)
    explained = ", of which scatter explains 0.1%"
    assert lines([*trials, trial(5.0, 30.0, 3)], counter(300.0), steps) == [
        ("PASS", line.format("1.4%", 3) + explained)
    ]


def test_only_gpus_of_the_workload_are_compared() -> None:
    """Not a processor, nor a GPU that does not count, nor one whose counter or power is not there."""
    both = trial(10.0, 30.0, 1, BOARD, PACKAGE)
    of_cpu = counter(300.0, PACKAGE), power(600.0, PACKAGE)
    assert lines([both], counter(300.0), power(300.0), *of_cpu) == [
        ("PASS", "Board: integrated power differs from the energy counter by +0.0% in trial 1")
    ]
    assert lines([both], power(300.0)) == []
    assert lines([both], counter(300.0), power(0.0)) == []
    assert lines([both], counter(300.0), power(0.0, quantity="average_power_w")) == []
    assert lines([], counter(300.0), power(300.0)) == []
    # A field that was 0 once, before the trial, is served all the same.
    once = series("power_w", lambda time_s: 300.0 if time_s else 0.0)
    assert len(lines([both], counter(300.0), once)) == 1
    [(_, message)] = lines([both], counter(300.0), evolve(once, quantity="average_power_w"), once)
    assert "average" in message
    two = trial(10.0, 30.0, 1, BOARD, OTHER)
    growing = series("power_w", lambda time_s: 300.0 + time_s / 1000)
    stranger = Device("gpu", "GPU-3")
    [(level, message)] = lines([two], growing, counter(300.0, stranger), counter(300.0, OTHER), counter(300.0))
    assert (level, message.partition(":")[0]) == ("PASS", "Board")
    unmeasured = Trial(3, 0.0, 1.0, None, ())
    apart = Reading(OTHER, Bounds.exact(1.0), "measured", "test", "exact", counted=False)
    aside = Trial(2, 0.0, 1.0, Measurement(0.0, 1.0, (apart,)), ())
    assert workload_boards([unmeasured, aside, both]) == frozenset({BOARD})
