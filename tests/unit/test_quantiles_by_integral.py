"""Quantiles of several comparisons against a plain second integration of their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from ai_energy_benchmarks.analysis.quantiles import dunnett95, hsu95, tukey95

np = pytest.importorskip("numpy")
stats = pytest.importorskip("scipy.stats")

# Gauss and Legendre, over what is left of a standard normal variable and of a chi distribution.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(120)
Z, OF_Z = 9 * NODES, 9 * WEIGHTS * stats.norm.pdf(9 * NODES)


def averaged(below: Callable[[float], float], width: float, degrees: int) -> float:
    """A probability for a known standard deviation, averaged over one that is estimated with so many degrees."""
    low, high = (stats.chi.ppf(share, degrees) / math.sqrt(degrees) for share in (1e-13, 1 - 1e-13))
    middle, half = (low + high) / 2, (high - low) / 2
    deviations = middle + half * NODES
    density = half * WEIGHTS * stats.chi.pdf(deviations * math.sqrt(degrees), degrees) * math.sqrt(degrees)
    return math.fsum(weight * below(width * deviation) for weight, deviation in zip(density, deviations, strict=True))


def shared(width: float, counts: Sequence[int], best: int, sides: int) -> float:
    """The chance that no t value of those that share a mean with ``best`` values is above the width."""
    inside = np.ones_like(Z)
    for count in counts:
        share = math.sqrt(count / (count + best))
        rest = math.sqrt(1 - share**2)
        beyond = stats.norm.cdf((share * Z - width) / rest) if sides == 2 else 0.0
        inside *= stats.norm.cdf((share * Z + width) / rest) - beyond
    return float(np.sum(OF_Z * inside))


def ranged(width: float, means: int) -> float:
    """The chance that the range of so many standard normal values is not above the width."""
    return float(means * np.sum(OF_Z * (stats.norm.cdf(Z) - stats.norm.cdf(Z - width)) ** (means - 1)))


@pytest.mark.parametrize(("counts", "best", "degrees"), [([3, 5, 5], 4, 7), ([2], 6, 3), ([9, 2, 4, 4], 2, 15)])
def test_quantiles_of_unlike_counts_have_95_percent_below_them(counts: list[int], best: int, degrees: int) -> None:
    """Two-sided as Dunnett's and one-sided as Hsu's, to six digits."""
    for sides, quantile in ((2, dunnett95(counts, best, degrees)), (1, hsu95(counts, best, degrees))):
        found = averaged(lambda width, sides=sides: shared(width, counts, best, sides), quantile, degrees)  # type: ignore[misc] # bound now
        assert found == pytest.approx(0.95, abs=2e-7)


@pytest.mark.parametrize(("means", "degrees"), [(2, 5), (3, 3), (5, 12)])
def test_the_range_has_95_percent_below_its_quantile(means: int, degrees: int) -> None:
    """Tukey's, to six digits."""
    found = averaged(lambda width: ranged(width, means), tukey95(means, degrees), degrees)
    assert found == pytest.approx(0.95, abs=2e-7)


def test_one_degree_of_freedom_is_the_fewest() -> None:
    """A single t of one degree is 12.7062, and 6.3138 on one side (NIST/SEMATECH e-Handbook 1.3.6.7.2)."""
    assert dunnett95([4], 4, 1) == pytest.approx(12.7062, abs=2e-4)
    assert hsu95([4], 4, 1) == pytest.approx(6.3138, abs=1e-4)
    assert tukey95(2, 1) == pytest.approx(17.969, abs=1e-3)
    with pytest.raises(ValueError, match="needs at least 1 degree of freedom, got 0"):
        tukey95(3, 0)
    with pytest.raises(ValueError, match="a range needs at least two means, got 1"):
        tukey95(1, 3)
