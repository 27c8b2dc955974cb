"""Means, intervals and percentiles by hand: every term of every formula, and each limit."""

from __future__ import annotations

import math

import pytest

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.statistics import (
    Distribution,
    Estimate,
    distribution,
    estimate,
    estimate_of,
    percentile,
    t95,
)

# The 97.5 % quantile of the normal distribution.
Z = 1.959963984540054


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (10, 2.2281), (11, 2.2010), (20, 2.0860), (21, 2.0796), (29, 2.0452)],
)
def test_whole_degrees_of_freedom_have_the_quantile_of_the_table(degrees: int, quantile: float) -> None:
    """NIST/SEMATECH e-Handbook of Statistical Methods 1.3.6.7.2."""
    assert t95(degrees) == quantile


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [
        # (1 - 1/1.5) / (1 - 1/2) = 2/3 of the way from 12.7062 to 4.3027.
        (1.5, 12.7062 - 2 / 3 * (12.7062 - 4.3027)),
        # (1/4 - 1/4.8) / (1/4 - 1/5) = 5/6 of the way from 2.7764 to 2.5706.
        (4.8, 2.7764 - 5 / 6 * (2.7764 - 2.5706)),
        # (1/29 - 1/29.5) / (1/29 - 1/30) = 30/59 of the way from 2.0452 to 2.0423.
        (29.5, 2.0452 - 30 / 59 * (2.0452 - 2.0423)),
    ],
)
def test_degrees_between_whole_ones_are_interpolated_in_their_inverse(degrees: float, quantile: float) -> None:
    """By hand, from the table."""
    assert t95(degrees) == pytest.approx(quantile, rel=1e-12)


@pytest.mark.parametrize("degrees", [30, 40, 1000])
def test_many_degrees_have_the_second_order_expansion(degrees: int) -> None:
    """z + g1/ν + g2/ν² with g1 = (z³ + z)/4 and g2 = (5z⁵ + 16z³ + 3z)/96: Abramowitz and Stegun 26.7.5."""
    assert t95(degrees) == pytest.approx(Z + 2.372271230299 / degrees + 2.822498615740 / degrees**2, abs=1e-12)


def test_less_than_one_degree_has_no_quantile() -> None:
    """Two values are the fewest that scatter."""
    for degrees in (0.99, 0, -1):
        with pytest.raises(ValueError, match="at least 1 degree"):
            t95(degrees)


def test_a_mean_has_the_interval_of_its_scatter_its_edges_and_its_gain() -> None:
    """Values 9, 10 and 14: mean 11, s² = (4 + 1 + 9)/2 = 7, so t·s/√n = 4.3027 · √(7/3).

    Mean bounds 10.5 and 12: the farther is 1 away. The gain's part is 1.96 · 0.1 · 11.
    """
    found = estimate([9.0, 10.0, 14.0], [(8.5, 10.0), (9.5, 11.0), (13.5, 15.0)], 0.1)
    half_width = 4.3027 * math.sqrt(7 / 3) + 1
    assert (found.mean, found.n, found.standard_deviation) == (11.0, 3, pytest.approx(math.sqrt(7)))
    assert found.half_width == pytest.approx(half_width, rel=1e-12)
    assert found.half_width_with_gain == pytest.approx(math.hypot(half_width, Z * 1.1), rel=1e-12)
    assert found.leading_half_width == found.half_width_with_gain
    assert found.cv == pytest.approx(math.sqrt(7) / 11)


@pytest.mark.parametrize(
    ("bounds", "edge"), [((1.5, 2.25), 0.5), ((1.75, 2.5), 0.5), ((2.0, 2.125), 0.125), ((1.875, 2.0), 0.125)]
)
def test_the_farther_bound_counts_on_either_side(bounds: tuple[float, float], edge: float) -> None:
    """A single value has no scatter: the distance to its farther bound is all."""
    assert estimate([2.0], [bounds]) == Estimate(2.0, 1, None, edge, None)


def test_without_scatter_and_without_edges_there_is_no_interval() -> None:
    """One value with bounds that are the value itself, or with none; two values always have one."""
    for bounds in ((), [(2.0, 2.0)], [(2.5, 1.5)]):
        assert estimate([2.0], bounds, 0.03) == Estimate(2.0, 1)
    assert estimate([2.0, 2.0], [(2.0, 2.0)] * 2) == Estimate(2.0, 2, 0.0, 0.0, None)
    assert estimate([2.0, 2.0]).half_width == 0.0
    assert estimate([-2.0, -2.0], gain_uncertainty=0.5).half_width_with_gain == pytest.approx(Z)


def test_a_mean_needs_values_and_a_pair_of_bounds_for_each() -> None:
    """Anything else is a mistake of the caller; no bounds at all are none."""
    with pytest.raises(ValueError, match="at least one value"):
        estimate([])
    with pytest.raises(ValueError, match="1 values with 2 pairs"):
        estimate([1.0], [(0, 1), (0, 1)])
    assert estimate_of([Bounds(1.0, 2.0, 2.5), Bounds(3.0, 4.0, 4.5)], 0.1) == estimate(
        [2.0, 4.0], [(1.0, 2.5), (3.0, 4.5)], 0.1
    )
    assert estimate_of([Bounds(1.0, 2.0, 2.5)]).half_width_with_gain is None


@pytest.mark.parametrize(
    ("mean", "deviation", "cv"),
    [(4.0, 1.0, 0.25), (-4.0, 1.0, 0.25), (0.0, 1.0, None), (4.0, None, None), (0.5, 0.0, 0)],
)
def test_the_relative_deviation_is_over_the_size_of_the_mean(
    mean: float, deviation: float | None, cv: float | None
) -> None:
    """None around nothing, and none of a single trial."""
    assert Estimate(mean, 3, deviation).cv == cv


@pytest.mark.parametrize(
    ("plain", "gain", "leading"), [(0.1, 0.2, 0.2), (0.1, None, 0.1), (0.1, 0.0, 0.0), (None, None, None)]
)
def test_the_width_with_the_gain_leads_where_it_is_known(
    plain: float | None, gain: float | None, leading: float | None
) -> None:
    """Also where it is zero."""
    assert Estimate(1.0, 2, 0.1, plain, gain).leading_half_width == leading


def test_percentiles_lie_between_the_closest_ranks() -> None:
    """0, 10, … 100: the rank of p90 is 9, that of p95 is 9.5, that of p99 is 9.9. The mean is not the median."""
    values = [10.0 * number for number in range(10, -1, -1)]
    assert distribution(values) == Distribution(11, 50.0, 50.0, 90.0, 95.0, pytest.approx(99.0))
    assert distribution([1.0, 2.0, 9.0]) == Distribution(
        3, 4.0, 2.0, pytest.approx(7.6), pytest.approx(8.3), pytest.approx(8.86)
    )
    assert distribution([7.0]) == Distribution(1, 7.0, 7.0, 7.0, 7.0, 7.0)
    assert distribution([]) is None


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1.0), (0.25, 3.0), (0.125, 2.0), (0.75, 9.0), (0.875, 21.0), (1.0, 33.0)]
)
def test_a_percentile_of_five_values(share: float, value: float) -> None:
    """At a rank the value itself, half way between two their middle."""
    assert percentile([1.0, 3.0, 5.0, 9.0, 33.0], share) == value


def test_bounds_are_taken_apart_added_scaled_and_divided() -> None:
    """Each of the three with its own of the other; a half-width is half the distance."""
    one = Bounds(1.0, 2.0, 5.0)
    assert tuple(one) == (1.0, 2.0, 5.0)
    assert one + Bounds(10.0, 30.0, 70.0) == Bounds(11.0, 32.0, 75.0)
    assert one * 3 == Bounds(3.0, 6.0, 15.0)
    assert one / 4 == Bounds(0.25, 0.5, 1.25)
    assert one.per(Bounds(2.0, 4.0, 10.0)) == Bounds(0.1, 0.5, 2.5)
    assert Bounds.total(iter([one, Bounds(10.0, 30.0, 70.0)])) == Bounds(11.0, 32.0, 75.0)
    assert Bounds.mean([one, Bounds(10.0, 30.0, 70.0)]) == Bounds(5.5, 16.0, 37.5)
    assert Bounds.exact(3.0) == Bounds(3.0, 3.0, 3.0)
    assert (one.half_width, one.relative_half_width) == (2.0, 1.0)
    assert Bounds(0.0, 0.5, 1.0).relative_half_width == 1.0
    for best in (0.0, -1.0):
        assert Bounds(-2.0, best, 2.0).relative_half_width == math.inf
