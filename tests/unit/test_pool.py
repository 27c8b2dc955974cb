"""Seconds that are pooled: sorted as they are, by the frame library, or counted in bins, with the same figures."""

from __future__ import annotations

import math
import random

import polars
import pytest

from ai_energy_benchmarks.analysis.pool import Pool
from ai_energy_benchmarks.domain.statistics import Distribution, distribution

DICE = random.Random(5)
SECONDS = [DICE.lognormvariate(-3.0, 1.0) for _ in range(200_001)]


def pooled(seconds: list[float], most: int = 10**9) -> Pool:
    pool = Pool(most)
    pool.add(seconds)
    return pool


def column(seconds: list[float]) -> polars.Series:
    return polars.Series(seconds, dtype=polars.Float64)


def test_nothing_has_no_distribution() -> None:
    """Neither added alone, together nor as a column of nothing."""
    pool = Pool()
    pool.add([])
    pool.add_column(column([]))
    assert pool.distribution() is (pool + Pool()).distribution() is None


@pytest.mark.parametrize("count", [1, 2, 3, 101, 200_000])
def test_percentiles_are_those_of_the_sorted_seconds(count: int) -> None:
    """However many there are, they are interpolated between the closest ranks."""
    found, plain = pooled(SECONDS[:count]).distribution(), distribution(SECONDS[:count])
    assert found is not None
    assert plain is not None
    assert found == Distribution(
        count,
        pytest.approx(plain.mean, rel=1e-12),
        *(pytest.approx(share, rel=1e-12) for share in (plain.p50, plain.p90, plain.p95, plain.p99)),
    )


def binned(seconds: list[float]) -> Distribution:
    """Of a pool that keeps none of them."""
    found = pooled(seconds, most=0).distribution()
    assert found is not None
    return found


@pytest.mark.parametrize("count", [1, 2, 11, 101, 5001])
def test_percentiles_of_bins_are_accurate_to_a_twentieth_of_a_percent(count: int) -> None:
    """Each is the middle of the bin of the first of the seconds that no more than its share lie below."""
    seconds = SECONDS[:count]
    ordered = sorted(seconds)
    expected = [ordered[math.floor(share * (count - 1))] for share in (0.50, 0.90, 0.95, 0.99)]
    found = binned(seconds)
    assert (found.n, found.mean) == (count, pytest.approx(math.fsum(seconds) / count, rel=1e-12))
    assert [found.p50, found.p90, found.p95, found.p99] == pytest.approx(expected, rel=0.0005001)


@pytest.mark.parametrize("number", [0, 1, 7, 1000, 20_000])
def test_a_bin_is_a_thousandth_wider_than_the_one_before(number: int) -> None:
    """From a nanosecond upwards: its figure is the same from its begin to its end, their geometric mean."""
    begin_s = 1e-9 * 1.001**number
    for seconds in (begin_s * 1.00001, begin_s * 1.00099):
        assert binned([seconds]).p50 == pytest.approx(begin_s * math.sqrt(1.001), rel=1e-9)
    assert binned([begin_s * 1.00101]).p50 == pytest.approx(begin_s * 1.001**1.5, rel=1e-9)


def test_what_is_shorter_than_the_first_bin_lies_in_it() -> None:
    """Two events may be seen at the same time; the mean is exact all the same."""
    found = binned([0.0, 0.0, 1e-12, 4.0])
    assert (found.mean, found.p50) == (pytest.approx(1.0), pytest.approx(1e-9 * math.sqrt(1.001)))


@pytest.mark.parametrize(("count", "kept"), [(3, 3), (4, 0), (5, 1), (8, 0), (9, 1)])
def test_seconds_are_counted_once_there_are_more_than_are_kept(count: int, kept: int) -> None:
    """One by one, in a column or together: the fourth makes all of them so many in bins, and none is lost."""
    seconds = [0.001 * (at + 1) for at in range(count)]
    one_by_one, by_column = Pool(3), Pool(3)
    for each in seconds:
        one_by_one.add_one(each)
    by_column.add_column(column(seconds))
    assert one_by_one == by_column
    for pool in (one_by_one, by_column):
        assert (pool._binned, len(pool._seconds), sum(pool._bins.values())) == (count - kept, kept, count - kept)
        found = pool.distribution()
        assert found is not None
        assert (found.n, found.mean) == (count, pytest.approx(sum(seconds) / count))
        assert found.p50 == pytest.approx(sorted(seconds)[(count - 1) // 2] if count > 3 else 0.002, rel=0.0005001)


def test_seconds_that_come_together_stay_together() -> None:
    """Runs of two, none, four and one: those of the run with which there are too many are counted with it."""
    runs = [[0.1, 0.2], [], [0.3, 0.4, 0.5, 0.6], [0.7]]
    in_turn, together = Pool(3), Pool(3)
    for run in runs:
        in_turn.add(run)
    together.add_runs(column([each for run in runs for each in run]), polars.Series([2, 0, 4, 1]))
    assert in_turn == together
    assert (together._binned, together._binned_sum_s, list(together._seconds)) == (
        6,
        math.fsum(runs[0] + runs[2]),
        [0.7],
    )
    runs = [[0.1, 0.2], [0.3, 0.4], [0.5], [], [0.6, 0.7, 0.8], [0.9, 1.0], [1.1], [1.2], [1.3, 1.4]]
    for most in range(1, 9):
        for kept in range(most + 1):
            in_turn, together = pooled(SECONDS[:kept], most), pooled(SECONDS[:kept], most)
            for run in runs:
                in_turn.add(run)
            together.add_runs(column([each for run in runs for each in run]), polars.Series(map(len, runs)))
            assert in_turn == together
    exact = Pool(3)
    exact.add_runs(column([0.1, 0.2, 0.3]), polars.Series([1, 2]))
    assert (exact._binned, list(exact._seconds)) == (0, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("most", [2, 5, 8, 100])
def test_two_pools_are_one(most: int) -> None:
    """In their order, whether their seconds were counted already; neither of them changes."""
    first, second = SECONDS[:6], SECONDS[6:13]
    one, other = pooled(first, most), pooled(second, most)
    both = one + other
    assert (one, other) == (pooled(first, most), pooled(second, most))
    found = both.distribution()
    assert found is not None
    assert (both.most, found.n) == (most, 13)
    assert found.mean == pytest.approx(sum(first + second) / 13)
    assert found.p50 == pytest.approx(sorted(first + second)[6], rel=0.0005001)
    assert both._binned == sum(both._bins.values())
    kept = pooled(first, 100) + pooled(second, 100)
    assert list(kept._seconds) == first + second
