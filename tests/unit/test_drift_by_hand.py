"""Drifts of power, temperature and speed against a plain second calculation, and at each limit."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import pytest

from ai_energy_benchmarks.analysis.steadiness import Change, Slope, Speed, change, speed, watched
from ai_energy_benchmarks.domain.power import Device, Quantity, Samples, Series
from tests.factories import CPU, GPU, OTHER_GPU

PARTS = 12


def readings(
    times_s: Sequence[float], values: Sequence[float], quantity: Quantity = "power_w", device: Device = GPU
) -> Series:
    """Each call took no time."""
    return Series(device, quantity, "test", array("d", times_s), array("d", times_s), array("d", values))


def grid(begin_s: float, end_s: float, step_s: float = 0.25) -> list[float]:
    """Binary fractions, so that sums are exact."""
    return [begin_s + step_s * at for at in range(round((end_s - begin_s) / step_s) + 1)]


def flat(watts: float = 400.0, device: Device = GPU) -> Series:
    times_s = grid(-10.0, 130.0)
    return readings(times_s, [watts] * len(times_s), device=device)


def means_of(series: Series, begin_s: float, end_s: float) -> list[float]:
    """Of the readings in each twelfth, its end included; the last one before where there is none."""
    pairs = list(zip(series.after_s, series.values, strict=True))
    means = []
    for part in range(PARTS):
        left_s, right_s = (begin_s + (end_s - begin_s) * edge / PARTS for edge in (part, part + 1))
        within = [value for at_s, value in pairs if left_s < at_s <= right_s]
        means.append(sum(within) / len(within) if within else [value for at_s, value in pairs if at_s <= left_s][-1])
    return means


def slope_of(means: Sequence[float], duration_s: float) -> Slope:
    """Least squares over the middles of the parts, and its error, in a minute."""
    xs = [duration_s / PARTS * (part + 0.5) for part in range(PARTS)]
    x_mean, y_mean = sum(xs) / PARTS, sum(means) / PARTS
    xx = sum((x - x_mean) ** 2 for x in xs)
    slope = sum((x - x_mean) * y for x, y in zip(xs, means, strict=True)) / xx
    residuals = [y - y_mean - slope * (x - x_mean) for x, y in zip(xs, means, strict=True)]
    error = sqrt(sum(each**2 for each in residuals) / 10 / xx)
    return Slope(pytest.approx(60 * slope), pytest.approx(60 * error))  # type: ignore[arg-type] # stands for a number


def relative(watts: Sequence[float]) -> list[float]:
    mean = sum(watts) / len(watts)
    return [each / mean for each in watts]


def of(*series: Series, begin_s: float = 0.0, end_s: float = 60.0) -> Change:
    found = change(Samples(series), None, begin_s, end_s)
    assert found is not None
    return found


@pytest.mark.parametrize(("begin_s", "end_s"), [(0.0, 60.0), (10.0, 34.0), (0.0, 126.0), (3.3, 61.7)])
@pytest.mark.parametrize("seed", range(3))
def test_power_and_temperature_by_their_readings(begin_s: float, end_s: float, seed: int) -> None:
    """Of two GPUs read at irregular times; the temperature is that of the one that surely changes most."""
    dice = random.Random(seed)

    def irregular(step_s: float, curve: Callable[[float], float], quantity: Quantity, device: Device) -> Series:
        times_s = [-5.0]
        while times_s[-1] < 130.0:
            times_s.append(times_s[-1] + dice.uniform(0.2, 2 * step_s))
        return readings(times_s, [curve(at_s) for at_s in times_s], quantity, device)

    one = irregular(0.5, lambda at_s: 300 + at_s + dice.gauss(0, 5), "power_w", GPU)
    # Read so seldom that some parts of a short window have no reading.
    two = irregular(1.6, lambda at_s: 200 - at_s / 3 + dice.gauss(0, 5), "power_w", OTHER_GPU)
    warm = irregular(0.5, lambda at_s: 60 + at_s / 10 + dice.gauss(0, 0.1), "temperature_celsius", GPU)
    cool = irregular(0.5, lambda at_s: 50 - at_s / 5 + dice.gauss(0, 0.1), "temperature_celsius", OTHER_GPU)
    total_w = [sum(pair) for pair in zip(means_of(one, begin_s, end_s), means_of(two, begin_s, end_s), strict=True)]
    seconds = end_s - begin_s
    expected = Change(slope_of(relative(total_w), seconds), slope_of(means_of(cool, begin_s, end_s), seconds))
    for order in ((one, two, warm, cool), (cool, warm, two, one)):
        assert of(*order, begin_s=begin_s, end_s=end_s) == expected


def test_a_reading_on_an_edge_belongs_to_the_part_before_it() -> None:
    """Also the one at the end of the window; the one at its begin is no part of it."""
    times_s = grid(-5.0, 60.0, 5.0)
    steps = readings(times_s, [1000.0, 900.0, *(100.0 + 10 * at for at in range(1, 12)), 500.0])
    assert of(steps).power == slope_of(relative([*(100.0 + 10 * at for at in range(1, 12)), 500.0]), 60.0)


def moves(times_s: Sequence[float], joules: Sequence[float], device: Device = GPU) -> Series:
    """A counter of which each reading shows a new value; it was seen to move between two readings."""
    return readings(times_s, joules, "energy_j", device)


def growing(at_s: float) -> float:
    """Energy of 200 W that grow by 2 W a second."""
    return 200 * at_s + at_s**2


@pytest.mark.parametrize("step_s", [0.25, 1.0, 1.75])
@pytest.mark.parametrize(("begin_s", "end_s"), [(0.0, 60.0), (20.0, 104.0)])
def test_power_by_a_counter(step_s: float, begin_s: float, end_s: float) -> None:
    """Differences of the counter, of a window that ends when it last moved; readings of power count for the others."""
    # Each value is read twice.
    times_s = [at_s for at_s in grid(begin_s - 1.9, end_s, step_s) if at_s + 0.05 <= end_s]
    shown = [at_s + early_s for at_s in times_s for early_s in (0.0, 0.05)]
    values = [growing(at_s) for at_s in times_s for _ in range(2)]
    seen = Series(
        GPU, "energy_j", "test", array("d", (at_s - 0.01 for at_s in shown)), array("d", shown), array("d", values)
    )
    knots_s = [(later + earlier + 0.04) / 2 for earlier, later in pairwise(times_s)]
    early_s = end_s - knots_s[-1]
    assert early_s > 0
    knots = list(zip(knots_s, map(growing, times_s[1:]), strict=True))

    def energy_j(time_s: float) -> float:
        row = next((at for at in range(1, len(knots)) if knots[at][0] >= time_s), len(knots) - 1)
        (left_s, left_j), (right_s, right_j) = knots[row - 1], knots[row]
        return left_j + (right_j - left_j) / (right_s - left_s) * (time_s - left_s)

    first_s, last_s = begin_s - early_s, end_s - early_s
    edges_s = [first_s + (last_s - first_s) * part / PARTS for part in range(PARTS + 1)]
    of_counter = [(energy_j(right_s) - energy_j(left_s)) / (right_s - left_s) for left_s, right_s in pairwise(edges_s)]
    assert of(flat(), seen, begin_s=begin_s, end_s=end_s).power == slope_of(relative(of_counter), last_s - first_s)
    times_s = grid(-10.0, 130.0)
    other = readings(times_s, [100.0 + at_s * at_s / 50 for at_s in times_s], device=OTHER_GPU)
    both = [sum(pair) for pair in zip(of_counter, means_of(other, first_s, last_s), strict=True)]
    assert of(other, seen, flat(), begin_s=begin_s, end_s=end_s).power == slope_of(relative(both), last_s - first_s)


def test_the_window_ends_where_the_first_counter_stood_still() -> None:
    """What it has done since then is not known: here from 20 s on, so that the window is that of 20 s before."""
    early_s, times_s = grid(-2.0, 20.0), grid(-2.0, 60.0)
    one = moves(early_s, [growing(at_s) for at_s in early_s])
    two = moves(times_s, [growing(at_s) for at_s in times_s], OTHER_GPU)
    # Knots lie in the middle between two readings, and the lines through them are drawn on before the first.
    edges_s = [19.875 - 60.0 + 5.0 * part for part in range(PARTS + 1)]

    def energy_j(time_s: float) -> float:
        left_s = max(-1.875, (time_s - 0.125) // 0.25 * 0.25 + 0.125)
        left_s = min(left_s, 59.625)
        left_j, right_j = growing(left_s + 0.125), growing(left_s + 0.375)
        return left_j + (right_j - left_j) / 0.25 * (time_s - left_s)

    each = [(energy_j(right_s) - energy_j(left_s)) / 5.0 for left_s, right_s in pairwise(edges_s)]
    expected = slope_of(relative(each), 60.0)
    for order in ((one, two), (two, one)):
        assert of(flat(), flat(device=OTHER_GPU), *order).power == expected


def test_before_the_first_reading_it_stands_for_all() -> None:
    """And of a part without one the last before it does, the first of all here."""
    rare = readings([-1.0, 12.5, *grid(20.0, 60.0)], [100.0, 300.0, *(150.0 for _ in grid(20.0, 60.0))])
    assert of(rare).power == slope_of(relative([100.0, 100.0, 300.0, 150.0, *[150.0] * 8]), 60.0)


def used(counter: Series, begin_s: float = 0.0, end_s: float = 60.0) -> bool:
    """Whether the counter of a drifting GPU was used, of which the readings of power are flat."""
    return abs(of(flat(), counter, begin_s=begin_s, end_s=end_s).power.per_minute) > 0.05


def ticks(first_s: float, step_s: float, count: int) -> Series:
    """A counter that was seen to move so often, the first time then: it is read a hundredth before and after it."""
    at_s = [first_s + step_s * number for number in range(count)]
    times_s = [first_s - 0.5, *(each for middle_s in at_s for each in (middle_s - 0.01, middle_s + 0.01))]
    shown = (growing(at_s[0] + step_s * (number + late)) for number in range(count) for late in (-1, 0))
    values = [growing(first_s - step_s), *shown]
    return moves(times_s, values)


@pytest.mark.parametrize(
    ("counter", "counts"),
    [
        # More than two moves for each of twelve parts, after one before the window.
        (ticks(-1.0, 2.375, 26), True),
        (ticks(-1.0, 2.375, 25), False),
        (ticks(0.0, 2.375, 25), True),
        (ticks(0.01, 2.375, 26), False),
        # The one before lies no more than two seconds back.
        (ticks(-1.9, 2.0, 31), True),
        (ticks(-2.2, 2.3, 28), False),
        (ticks(-2.2, 1.0, 62), True),
    ],
)
def test_a_counter_counts_if_it_moves_often_and_soon(counter: Series, counts: bool) -> None:
    """Else the readings of power do."""
    assert used(counter) is counts


@pytest.mark.parametrize("row", [60, 270])
def test_a_counter_that_falls_once_does_not_count(row: int) -> None:
    """Though it grows at every other reading; what it did long before the window does not matter."""
    times_s = grid(-10.0, 60.0)
    joules = [growing(at_s) + 5000.0 for at_s in times_s]
    assert used(moves(times_s, joules))
    joules[:20] = [9e9] * 20
    assert used(moves(times_s, joules))
    for at in range(row, len(joules)):
        joules[at] -= 200.0
    assert not used(moves(times_s, joules))


def test_a_counter_may_begin_within_the_look_back() -> None:
    """Its first reading is no move."""
    times_s = grid(-1.0, 60.0)
    assert used(moves(times_s, [growing(at_s) for at_s in times_s]))
    # Of another GPU, or that begins within the window, it is none.
    assert not used(moves(times_s, [growing(at_s) for at_s in times_s], OTHER_GPU))
    assert not used(moves(times_s[5:], [growing(at_s) for at_s in times_s[5:]]))


@pytest.mark.parametrize(
    ("end_s", "last_s", "silent"),
    [
        (60.0, 55.0, False),
        (60.0, 54.9, True),
        (12.0, 10.0, False),
        (12.0, 9.9, True),
        (36.0, 33.0, False),
        (36.0, 32.9, True),
    ],
)
def test_a_meter_is_silent_after_a_part_of_the_window(end_s: float, last_s: float, silent: bool) -> None:
    """A twelfth of it, and two seconds at least; one of several is enough."""
    times_s = [*grid(-5.0, last_s - 1.0), last_s]
    stopped = readings(times_s, [300.0] * len(times_s))
    for series in ((stopped,), (flat(device=OTHER_GPU), stopped), (stopped, flat(device=OTHER_GPU))):
        assert (change(Samples(series), None, 0.0, end_s) is None) is silent


def test_which_series_are_those_of_the_gpus() -> None:
    """By device, quantity, and readings since the begin of the window."""
    times_s = grid(0.0, 60.0)
    late = readings(times_s, [100.0 + at_s for at_s in times_s], device=OTHER_GPU)
    assert of(flat(), late) != of(flat()) == of(flat(), late, begin_s=-0.25)
    assert change(Samples((late,)), None, -0.25, 60.0) is None
    seen = change(Samples((flat(), late)), (OTHER_GPU.id,), 0.0, 60.0)
    assert seen is not None
    assert seen.power.per_minute == pytest.approx(60 / 130, rel=0.01)
    of_cpu = readings(times_s, [100.0] * len(times_s), device=CPU)
    warm = readings(times_s, [50.0] * len(times_s), "temperature_celsius")
    empty = readings([], [])
    for series, boards, there in (
        ((flat(),), None, True), ((flat(),), (GPU.id,), True), ((flat(),), (OTHER_GPU.id,), False),
        ((flat(),), (), False), ((of_cpu, warm, empty), None, False), ((of_cpu, flat()), None, True), ((), None, False),
    ):  # fmt: skip
        assert watched(Samples(series), boards) is there
        assert (change(Samples(series), boards, 1.0, 60.0) is not None) is there
    assert of(flat(), warm).celsius == Slope(0.0, 0.0)
    assert of(flat(), warm, begin_s=-0.25).celsius is None
    assert of(flat(0.5)).power == Slope(0.0, 0.0)
    assert change(Samples((flat(0.0),)), None, 0.0, 60.0) is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([1.0, 2.0, 6.0], Speed(sqrt(7) / 3, False)),
        ([99.5, 100.0, 100.5], Speed(0.005, True)),
        ([100.5, 100.0, 99.5], Speed(0.005, True)),
        ([99.51, 100.0, 100.49], Speed(0.0049, False)),
        # A slope of 1 with errors of e, -2e and e has t = 1 / (e √3), whose p is 5 % at 12.706.
        ([99.045, 99.91, 101.045], Speed(0.01003, True)),
        ([99.0459, 99.9082, 101.0459], Speed(0.01003, False)),
        ([101.0459, 99.9082, 99.0459], Speed(0.01003, False)),
        ([0.5, 0.5, 0.5], Speed(0.0, False)),
        ([0.0, 0.0, 0.0], None),
        ([-1.0, -2.0, -3.0], None),
        ([0.1, 0.2], None),
    ],
)
def test_how_alike_probes_are(seconds: list[float], expected: Speed | None) -> None:
    """Their coefficient of variation, and a trend of 1 % at least that is chance in 5 % at most."""
    found = speed(seconds)
    assert (found is None) is (expected is None)
    if found is not None and expected is not None:
        assert found == Speed(pytest.approx(expected.cv, rel=1e-3), expected.drifts)
