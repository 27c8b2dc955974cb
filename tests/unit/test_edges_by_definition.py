"""Levels of counters at the edges of a window, against their definitions written down a second time, and by hand.

Times are multiples of an eighth of a second, so that sums are exact and a moment often falls on a reading: at each
limit it is seen on which side the limit itself lies.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator
from itertools import pairwise

import pytest

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import Device, Series

Row = tuple[float, float, float]
GPU = Device("gpu", "GPU-0")
# Ticks of unequal height; each reading takes 1/8 s.
STEPS = tuple(
    (float(number), number + 0.125, value) for number, value in enumerate((10, 10, 20, 20, 30, 30, 50, 50, 60))
)


def counter(*rows: Row) -> Series:
    """Readings as begin, end and value."""
    before_s, after_s, values = (array("d", column) for column in zip(*rows, strict=True))
    return Series(GPU, "energy_j", "nvml", before_s, after_s, values)


def random_counters(number: int) -> Iterator[tuple[Series, random.Random]]:
    """Counters of 1 to 10 readings that stand still half the time."""
    for seed in range(number):
        dice = random.Random(seed)
        time_s, value, rows = 3.0, float(dice.randint(0, 3)), []
        for _ in range(dice.randint(1, 10)):
            time_s += dice.randint(1, 4) / 8
            begin_s, time_s = time_s, time_s + dice.randint(0, 2) / 8
            value += dice.choice((0, 0, 0, 1, 2, 5))
            rows.append((begin_s, time_s, value))
        yield counter(*rows), dice


def moment_s(series: Series, dice: random.Random) -> float:
    """An eighth of a second within the series, or a little outside."""
    return dice.randint(int(series.before_s[0] * 8) - 4, int(series.after_s[-1] * 8) + 4) / 8


def changes(series: Series) -> list[int]:
    """The rows whose value differs from the one before."""
    return [row for row in range(1, len(series.values)) if series.values[row] != series.values[row - 1]]


def ticks(series: Series) -> list[tuple[float, float]]:
    """Each change in the middle between the readings around it, with its new value."""
    return [((series.before_s[row - 1] + series.after_s[row]) / 2, series.values[row]) for row in changes(series)]


def hermite(points: list[tuple[float, float]], left: int, time_s: float) -> float:
    """The cubic through two points with the slopes of Fritsch and Carlson; a straight line beyond them."""
    (x0, y0), (x1, y1) = points[left : left + 2]
    slopes = [(later[1] - here[1]) / (later[0] - here[0]) for here, later in pairwise(points)]
    t = (time_s - x0) / (x1 - x0)
    if not 0 <= t <= 1:
        return y0 + slopes[left] * (time_s - x0)

    def slope(beside: int) -> float:
        if not 0 <= beside < len(slopes):
            return slopes[left]
        return min((slopes[left] + slopes[beside]) / 2, 3 * min(slopes[left], slopes[beside]))

    m0, m1 = slope(left - 1) * (x1 - x0), slope(left + 1) * (x1 - x0)
    h00, h10, h01, h11 = 2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, 3 * t**2 - 2 * t**3, t**3 - t**2
    return h00 * y0 + h10 * m0 + h01 * y1 + h11 * m1


def on_ticks(series: Series, time_s: float) -> float | None:
    """The smooth counter: between the ticks around a moment, or the two nearest; None with fewer than two."""
    points = ticks(series)
    if len(points) < 2:
        return None
    passed = sum(point[0] <= time_s for point in points)
    return hermite(points, min(max(passed - 1, 0), len(points) - 2), time_s)


def clipped(best: float | None, low: float, high: float) -> Bounds:
    """The estimate between the bounds; their middle where there is none."""
    return Bounds(low, (low + high) / 2 if best is None else min(max(best, low), high), high)


def approximately(bounds: Bounds) -> object:
    # Before the first and after the last reading at once, nothing bounds a counter without a ceiling.
    return pytest.approx(tuple(bounds), rel=1e-12, abs=1e-12, nan_ok=True)


def test_the_smooth_counter_goes_through_the_ticks() -> None:
    """Between them a cubic by the ticks next to it, beyond them straight on, and none with fewer than two."""
    for series, dice in random_counters(400):
        for _ in range(4):
            time_s, expected = moment_s(series, dice), None
            expected = on_ticks(series, time_s)
            assert edges.curve(series, time_s) == (None if expected is None else pytest.approx(expected, rel=1e-12))


def test_the_smooth_counter_by_hand() -> None:
    """Ticks at 1.5625, 3.5625, 5.5625 and 7.5625 s with 20, 30, 50 and 60.

    At 4.5625 s, the middle of 30 and 50: within 10/s, next to it 5/s on both sides, so the slopes are 7.5/s at both
    ends and the cubic meets the straight line, at 40. A quarter on, at 5.0625: 45 + 2 · 3/16 · 1.25, which is 3/4 less
    1/4 of 2.5.
    Beyond the ends it goes on with 5/s.
    """
    series = counter(*STEPS)
    assert edges.curve(series, 4.5625) == 40.0
    assert edges.curve(series, 5.0625) == 45 + 2 * 3 / 16 * (-2.5 / 4 + 3 * 2.5 / 4)
    assert edges.curve(series, 1.5625 - 2) == 10.0
    assert edges.curve(series, 7.5625 + 2) == 70.0
    assert edges.curve(counter(*STEPS[:4]), 2.0) is None
    assert edges.curve(counter((1.0, 1.0, 0.0), (1.0, 1.0, 2.0), (1.0, 1.0, 5.0)), 1.0) == 2.0


def test_the_level_of_a_ticking_counter_lies_between_what_was_surely_sampled_before_and_after() -> None:
    """Low: the last value seen by then, less the shortest delay. High: the first change after a reading that began
    after the longest delay. Beyond the ends of the series the fastest growth bounds it."""
    delay, ceiling_per_s = Delay(0.25, 0.5), 16.0
    for series, dice in random_counters(600):
        time_s, values = moment_s(series, dice), series.values
        seen = [value for value, after_s in zip(values, series.after_s, strict=True) if after_s <= time_s + 0.25]
        low = seen[-1] if seen else values[0] - ceiling_per_s * (series.after_s[0] - 0.25 - time_s)
        later = [values[row] for row in changes(series) if series.before_s[row - 1] >= time_s + 0.5]
        # The next change was not in the last reading before the present run, which began then or a second before.
        last = max(changes(series), default=None)
        unseen_since_s = series.before_s[0] - 1.0 if last is None else series.before_s[last - 1]
        grown = ceiling_per_s * max(0.0, time_s - (unseen_since_s - 0.5))
        high = later[0] if later else values[-1] + grown
        found = edges.latched(series, time_s, delay, ceiling_per_s)
        assert tuple(found) == approximately(clipped(on_ticks(series, time_s + 0.375), low, high))


def test_the_level_of_a_fresh_counter_lies_within_all_readings_around_it() -> None:
    """Each reading from the last one before the moment to the first one surely after it bounds the level."""
    for series, dice in random_counters(600):
        stale_s, ceiling_per_s = dice.choice((0.0, 0.125, 0.25)), dice.choice((4.0, math.inf))
        time_s = moment_s(series, dice)
        rows = list(zip(series.before_s, series.after_s, series.values, strict=True))
        first = max((n for n, row in enumerate(rows) if row[1] <= time_s), default=0)
        last = min((n for n, row in enumerate(rows) if row[0] >= time_s + stale_s), default=len(rows) - 1)
        near = rows[first : last + 1]
        high = min(
            value + (ceiling_per_s * (time_s + stale_s - begin_s) if time_s + stale_s > begin_s else 0.0)
            for begin_s, _, value in near
        )
        low = min(
            high, max(value - (ceiling_per_s * (end_s - time_s) if end_s > time_s else 0.0) for _, end_s, value in near)
        )
        seen_s, best = time_s + stale_s / 2, None
        middles = [((begin_s + end_s) / 2, value) for begin_s, end_s, value in near]
        for (x0, y0), (x1, y1) in pairwise(middles):
            if x0 <= seen_s < x1:
                best = y0 + (y1 - y0) * (seen_s - x0) / (x1 - x0)
        assert tuple(edges.fresh(series, time_s, ceiling_per_s, stale_s)) == approximately(clipped(best, low, high))


def test_growth_is_impossible_where_it_falls_or_exceeds_the_ceiling() -> None:
    """Of each pair of readings that the window needs; growth may have begun with the reading before the last run."""
    for series, dice in random_counters(800):
        values = series.values
        if dice.random() < 0.3:
            values[dice.randrange(len(values))] -= 1
        start_s, late_s = moment_s(series, dice), dice.choice((0.0, 0.25))
        stop_s = start_s + dice.randint(0, 8) / 8
        first = max((n for n, end_s in enumerate(series.after_s) if end_s <= start_s), default=0)
        last = min(
            (n for n, begin_s in enumerate(series.before_s) if begin_s >= stop_s + late_s), default=len(values) - 1
        )
        expected = False
        for row in range(first + 1, last + 1):
            older = [n for n in range(row - 1) if values[n] != values[row - 1]]
            began_s = series.before_s[older[-1]] if older else series.before_s[0] - 1.0
            grown = values[row] - values[row - 1]
            expected |= grown < 0 or grown > 4.0 * (series.after_s[row] - began_s + late_s)
        assert edges.impossible(series, start_s, stop_s, 4.0, late_s) is expected


def test_a_counter_falls_in_the_readings_that_a_window_needs() -> None:
    """From the last one seen at its start to the first change that was surely sampled after its end."""
    delay = Delay(0.125, 0.25)
    for series, dice in random_counters(600):
        values = series.values
        for row in range(len(values)):
            values[row] -= dice.choice((0, 0, 0, 0, 3))
        start_s = moment_s(series, dice)
        stop_s = start_s + dice.randint(0, 6) / 8
        first = max((n for n, end_s in enumerate(series.after_s) if end_s <= start_s + 0.125), default=0)
        later = [row for row in changes(series) if series.before_s[row - 1] >= stop_s + 0.25]
        needed = values[first : later[0] + 1 if later else None]
        expected = any(after < before for before, after in pairwise(needed))
        assert edges.falls(series, start_s, stop_s, delay) is expected


def test_an_edge_is_settled_with_two_changes_after_it() -> None:
    """The one that bounds the level and the one that shapes the curve; and two make a curve at all."""
    delay = Delay(0.125, 0.25)
    for series, dice in random_counters(600):
        time_s = moment_s(series, dice)
        later = [row for row in changes(series) if series.before_s[row - 1] >= time_s + 0.25]
        assert edges.settled(series, time_s, delay) is (len(later) >= 2)


@pytest.mark.parametrize(
    ("start_s", "kept"), [(None, 4), (-1.0, 4), (0.0, 4), (1.1, 4), (1.125, 3), (2.0, 3), (3.125, 1), (9.0, 1)]
)
def test_readings_since_a_moment_keep_the_one_before_it(start_s: float | None, kept: int) -> None:
    """A reading counts as made when its call had ended."""
    series = counter(*STEPS[:4])
    part = edges.since(series, start_s)
    assert (part.before_s, part.after_s) == (series.before_s[4 - kept :], series.after_s[4 - kept :])
    assert part.values == series.values[4 - kept :]


@pytest.mark.parametrize(
    ("start", "stop", "grown"),
    [
        (Bounds(1, 2, 4), Bounds(8, 9, 13), Bounds(4, 7, 12)),
        (Bounds(1, 4, 4), Bounds(3, 3, 5), Bounds(0, 0, 4)),
        (Bounds(2, 2, 2), Bounds(1, 1, 1), Bounds(0, 0, 0)),
        (Bounds(0, 0, 1), Bounds(5, 9, 6), Bounds(4, 6, 6)),
        (Bounds(0, 3, 1), Bounds(5, 5, 6), Bounds(4, 4, 6)),
    ],
)
def test_growth_between_two_levels_has_the_bounds_of_both(start: Bounds, stop: Bounds, grown: Bounds) -> None:
    """Lowest end less highest start, and the reverse; never below zero, and the estimate between them."""
    assert edges.rise(start, stop) == grown


@pytest.mark.parametrize(("time_s", "value"), [(1.0, 10.0), (1.5, 15.0), (3.0, 30.0), (0.0, 0.0)])
def test_a_line_goes_through_both_points(time_s: float, value: float) -> None:
    """Between them, and beyond."""
    assert edges.on_line(1.0, 10.0, 2.0, 20.0, time_s) == value


@pytest.mark.parametrize("end_s", [1.0, 0.5])
def test_a_line_through_one_moment_has_the_value_of_its_begin(end_s: float) -> None:
    """There is no slope then."""
    assert edges.on_line(1.0, 10.0, end_s, 20.0, 3.0) == 10.0


def test_a_delay_is_taken_at_its_middle() -> None:
    """Half way between the shortest and the longest; unknown, it is up to 55 ms."""
    assert Delay(0.25, 0.75).middle_s == 0.5
    assert (edges.UNKNOWN_DELAY.low_s, edges.UNKNOWN_DELAY.high_s) == (0.0, 0.055)
    assert (edges.NO_DELAY.low_s, edges.NO_DELAY.high_s) == (0.0, 0.0)


def test_a_rest_of_an_older_recipe_gives_the_level_by_its_own_ticks() -> None:
    """Its first and last change make a line to the edge; with fewer than two surely in the rest there is none.

    Ticks of 10 J at 0.5625, 1.5625 … s; the rest is from 1 to 5 s, the delay from 1/8 to 1/4 s. From row 2, of 2 s, to
    row 5, whose call ends at 5.125 s: the first one may be older. The changes are those to 30, 40 and 50 at 2.5625 to
    4.5625 s; the edge at 5 s is seen at 5.1875 s, 20/2 · 0.625 after the last of them.
    """
    series = counter(*((float(number), number + 0.125, 10.0 * number) for number in range(8)))
    delay, level = Delay(0.125, 0.25), Bounds(40.0, 45.0, 60.0)
    assert edges.guarded(series, level, 5.0, (1.0, 5.0), delay) == Bounds(40.0, 50 + 10 * 0.625, 60.0)
    assert edges.guarded(series, level, 1.0, (1.0, 5.0), delay) == Bounds(40.0, 40.0, 60.0)
    assert edges.guarded(series, Bounds(40.0, 45.0, 55.0), 5.0, (1.0, 5.0), delay) == Bounds(40.0, 55.0, 55.0)
    assert edges.guarded(series, level, 4.0, (1.0, 4.0), delay) == Bounds(40.0, 46.25, 60.0)
    assert edges.guarded(series, level, 3.75, (1.0, 3.75), delay) is None
    assert edges.guarded(series, level, 4.0, (1.75, 4.0), delay) == Bounds(40.0, 46.25, 60.0)
    assert edges.guarded(series, level, 4.0, (1.875, 4.0), delay) is None


def test_a_rest_of_an_older_recipe_counts_changes_alone() -> None:
    """Readings that brought the same value are none, however many; the line begins where the value was first seen."""
    series = counter(*STEPS)
    level = Bounds(0.0, 0.0, 100.0)
    assert edges.guarded(series, level, 8.5, (0.0, 8.5), Delay(0.0, 0.0)) == Bounds(
        0.0, 20 + 40 / 6 * (8.5 - 1.5625), 100.0
    )
    assert edges.guarded(series, level, 4.5, (0.0, 3.5), Delay(0.0, 0.0)) is None
