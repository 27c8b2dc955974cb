"""Energy of a power that was read now and then, against its definition written down a second time, and by hand."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

import pytest

from ai_energy_benchmarks.domain.edges import NO_DELAY, Delay
from ai_energy_benchmarks.domain.integral import LONGEST_HOLD_S, changes_seldom, hold_s, integral, peak
from ai_energy_benchmarks.domain.power import Device, Series
from tests.unit.test_edges_by_definition import moment_s, random_counters

Pick = Callable[[Sequence[float]], float]
EPSILON = 2.0**-52
GPU = Device("gpu", "GPU-0")


def power(times_s: Sequence[float], values_w: Sequence[float], call_s: float = 0.0) -> Series:
    """Readings at these times, each of which takes so long."""
    after_s = array("d", (time_s + call_s for time_s in times_s))
    return Series(GPU, "power_w", "meter", array("d", times_s), after_s, array("d", values_w))


def middles_s(series: Series) -> list[float]:
    return [(before_s + after_s) / 2 for before_s, after_s in zip(series.before_s, series.after_s, strict=True)]


def cells(cuts_s: Sequence[float], start_s: float, stop_s: float) -> list[tuple[float, float]]:
    """The window, cut at the middles of readings."""
    inside = [at_s for at_s in cuts_s if start_s < at_s < stop_s]
    return list(pairwise([start_s, *inside, stop_s])) if start_s < stop_s else []


def area(series: Series, start_s: float, stop_s: float, pick: Pick | None) -> float:
    """Straight lines between the readings, or one value of the two; even before the first and after the last."""
    total, values, at_s = 0.0, series.values, middles_s(series)
    for begin_s, end_s in cells(at_s, start_s, stop_s):
        middle_s = (begin_s + end_s) / 2
        left = sum(time_s < middle_s for time_s in at_s) - 1
        if left < 0 or left == len(values) - 1:
            height = values[max(left, 0)]
        elif pick is not None:
            height = pick(values[left : left + 2])
        else:
            share = (middle_s - at_s[left]) / (at_s[left + 1] - at_s[left])
            height = values[left] + share * (values[left + 1] - values[left])
        total += height * (end_s - begin_s)
    return total


def shown_next(series: Series, start_s: float, stop_s: float, hold: float, pick: Pick) -> float:
    """One of the values from the one shown at a moment to the first one surely shown a hold later."""
    total, at_s = 0.0, middles_s(series)
    seen = max((row for row, after_s in enumerate(series.after_s) if after_s <= start_s), default=0)
    for begin_s, end_s in cells(at_s[1:], start_s, stop_s):
        first = max(seen, sum(time_s <= begin_s for time_s in at_s) - 1)
        later = (row for row, before_s in enumerate(series.before_s) if before_s >= end_s + hold)
        last = next(later, len(series.values) - 1)
        total += pick(series.values[first : last + 1]) * (end_s - begin_s)
    return total


def held(series: Series, start_s: float, stop_s: float, delay: Delay, hold: float) -> tuple[float, float]:
    """Extremes near the edges, the straight lines within, and 2.58 standard errors of what was sampled there."""
    shortest, longest = (start_s + delay.high_s, stop_s + delay.low_s), (start_s + delay.low_s, stop_s + delay.high_s)
    first_s, last_s = shortest[0] + hold, shortest[1] - hold
    if first_s >= last_s:
        return shown_next(series, *shortest, hold, min), shown_next(series, *longest, hold, max)
    rows = [
        row for row in range(len(series.values)) if series.before_s[row] >= first_s and series.after_s[row] <= last_s
    ]
    squares = sum((series.values[later] - series.values[here]) ** 2 for here, later in pairwise(rows))
    unseen = 2.58 * hold * math.sqrt(squares / 2)
    core = area(series, first_s, last_s, None)
    low = (
        core + shown_next(series, shortest[0], first_s, hold, min) + shown_next(series, last_s, shortest[1], hold, min)
    )
    high = core + shown_next(series, longest[0], first_s, hold, max) + shown_next(series, last_s, longest[1], hold, max)
    return max(0.0, low - unseen), high + unseen


@pytest.mark.parametrize("hold", [0.0, 0.125, 0.5])
def test_integrated_power_is_the_area_under_its_readings(hold: float) -> None:
    """The estimate in the middle of the delay; the bounds by the extremes of the shortest and the longest window."""
    delay = Delay(0.125, 0.25)
    for series, dice in random_counters(300):
        values = array("d", (dice.choice((0.0, 1.0, 2.0, 7.0)) for _ in series.values))
        read = Series(GPU, "power_w", "meter", series.before_s, series.after_s, values)
        start_s = moment_s(series, dice)
        stop_s = start_s + dice.randint(0, 16) / 8
        shift_s = 0.1875 + hold / 2
        best = area(read, start_s + shift_s, stop_s + shift_s, None)
        if hold:
            low, high = held(read, start_s, stop_s, delay, hold)
        else:
            low = area(read, start_s + 0.25, stop_s + 0.125, min)
            high = area(read, start_s + 0.125, stop_s + 0.25, max)
        found = integral(read, start_s, stop_s, delay, hold)
        assert tuple(found) == pytest.approx((min(low, best), best, max(high, best)), rel=1e-12, abs=1e-12)


def test_rounding_widens_the_bounds_by_what_adding_up_may_lose() -> None:
    """64 W from 1.5 to 2 s are 32 J, of which the last place is 32ε.

    Readings at 1.5, 1.75 and 2 s, each counted once, and 8 terms of the edges: 2 · 11 · ε · 32 J. The last place of 2 s
    is 2ε, of which 4 over half a second are 16ε. Together 38ε · 32 J, half of which is below the estimate too.
    """
    series = power([1.0, 1.25, 1.5, 1.75, 2.0, 2.25], [64.0] * 6)
    found = integral(series, 1.5, 2.0, NO_DELAY)
    assert found.best == 32.0
    assert (found.high - 32.0) / (EPSILON * 32) == 38
    assert (32.0 - found.low) / (EPSILON * 32) == 38
    assert integral(series, 2.0, 2.0, NO_DELAY).high == 0.0
    assert integral(series, 2.0, 1.5, NO_DELAY).high == 0.0


def test_a_window_between_two_readings_has_rounding_too() -> None:
    """No reading lies in it: the 8 terms of the edges are left, and two units in the last place of 2 s."""
    found = integral(power([1.0, 4.0], [64.0, 64.0]), 1.5, 2.0, NO_DELAY)
    assert (found.high - 32.0) / (EPSILON * 32) == 2 * 8 + 16


@pytest.mark.parametrize(
    ("lengths", "apart_s", "expected_s"),
    [
        ([1] * 7, 1 / 64, None),  # seven readings are too few
        ([1] * 8, 1 / 64, 1 / 64),  # eight that always differ: the time between them
        ([1] * 8 + [2], 1 / 64, 2.5 / 64),  # eight changes of nine are no more than nine tenths
        ([1] * 9 + [2], 1 / 64, 2.5 / 64),  # nor are nine of ten
        ([40], 1 / 64, LONGEST_HOLD_S),
        ([20, 20], 1.0, LONGEST_HOLD_S),  # one change shows no distance
        ([2] * 8, 1 / 64, LONGEST_HOLD_S),  # seven close changes may be those of the power
        ([2] * 9, 1 / 64, 3.5 / 64),  # eight are the sensor's: two readings, the one before, and a call
        ([4, 4, 4], 0.125, 5 * 0.125 + 1 / 128),  # two changes, but half a second apart
        ([4, 4, 4], 0.12, LONGEST_HOLD_S),
        ([4, 4, 4], 0.5, 5 * 0.5 + 1 / 128),  # no sensor is known to be slower than 2 s
        ([4, 4, 4], 0.505, LONGEST_HOLD_S),
    ],
)
def test_how_long_a_sensor_holds_a_value(lengths: list[int], apart_s: float, expected_s: float | None) -> None:
    """Runs of equal readings of such lengths, each call taking 1/128 s. A hold is as long as its readings allow: from
    the begin of the one before the change to the end of the one that saw the next."""
    values = [float(number % 2) for number, length in enumerate(lengths) for _ in range(length)]
    series = power([number * apart_s for number in range(len(values))], values, call_s=1 / 128)
    assert hold_s(series) == (None if expected_s is None else pytest.approx(expected_s))


@pytest.mark.parametrize(("changes", "seldom"), [(0, True), (1, True), (7, True), (8, False), (9, False), (20, False)])
def test_eight_changes_show_how_long_a_sensor_holds(changes: int, seldom: bool) -> None:
    """Fewer may all be those of the power, so that nothing is learned from them."""
    values = [float(number // 2) for number in range(2 * changes + 2)]
    assert changes_seldom(power([float(number) for number in range(len(values))], values)) is seldom


def test_a_sensor_that_is_read_slowly_is_taken_to_hold_for_a_tenth_of_a_second_at_most() -> None:
    """Readings half a second apart that always differ say nothing of it."""
    assert hold_s(power([number / 2 for number in range(10)], list(range(10)))) == 0.1 == LONGEST_HOLD_S
    late = [0.0, 1 / 64, 2 / 64, 3 / 64, 4 / 64, 5 / 64, 6 / 64, 30 / 64, 31 / 64]
    assert hold_s(power(late, list(range(9)))) == median(b - a for a, b in pairwise(late)) == 1 / 64


@pytest.mark.parametrize(("longest", "expected_s"), [(2, 3), (3, 4), (4, 3)])
def test_longer_distances_between_changes_are_looks_with_the_same_value(longest: int, expected_s: float) -> None:
    """Values held for two readings, one of them for more: up to one and a half times the shortest it is one hold.

    A hold of n readings a second apart is seen as at most n + 1 s long.
    """
    lengths = [2, 2, 2, 2, longest, 2, 2, 2, 2, 2, 2, 2]
    values = [float(number % 2) for number, length in enumerate(lengths) for _ in range(length)]
    assert hold_s(power([float(number) for number in range(len(values))], values)) == expected_s


def test_one_tenth_of_the_distances_may_be_shorter_than_a_hold() -> None:
    """Of eleven distances the second shortest counts, of ten and nine the second and the first."""
    for number, expected_s in ((11, 5), (10, 5), (9, 2)):
        lengths = [4, 1, *[4] * (number - 1), 1]
        values = [float(count % 2) for count, length in enumerate(lengths) for _ in range(length)]
        assert hold_s(power([float(count) for count in range(len(values))], values)) == expected_s


def test_the_peak_is_the_largest_value_read_in_the_window() -> None:
    """A reading that overlaps an edge is none of it, but for a run of equal values that reaches into it."""
    for series, dice in random_counters(400):
        values = [dice.choice((0.0, 1.0, 2.0)) for _ in series.values]
        read = Series(GPU, "power_w", "meter", series.before_s, series.after_s, array("d", values))
        start_s = moment_s(series, dice)
        stop_s = start_s + dice.randint(-2, 12) / 8
        rows = range(len(values))
        inside = [values[row] for row in rows if series.before_s[row] >= start_s and series.after_s[row] <= stop_s]
        following = sum(before_s < start_s for before_s in series.before_s)
        if 0 < following < len(values) and values[following] == values[following - 1]:
            inside.append(values[following])
        assert peak(read, start_s, stop_s) == max(inside, default=None)
