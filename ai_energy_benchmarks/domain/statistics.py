"""Means with their uncertainty, and percentiles; in plain Python, so that the base install stays small."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist, fmean, stdev

from attrs import frozen

from ai_energy_benchmarks.domain.bounds import Bounds

# Two-sided 95 % quantiles of Student's t for 1..30 degrees of freedom (NIST/SEMATECH e-Handbook 1.3.6.7.2).
_T95_TABLE = """
12.7062 4.3027 3.1824 2.7764 2.5706 2.4469 2.3646 2.3060 2.2622 2.2281
2.2010 2.1788 2.1604 2.1448 2.1314 2.1199 2.1098 2.1009 2.0930 2.0860
2.0796 2.0739 2.0687 2.0639 2.0595 2.0555 2.0518 2.0484 2.0452 2.0423
"""
_T95 = tuple(map(float, _T95_TABLE.split()))
_Z95 = NormalDist().inv_cdf(0.975)


def t95(degrees: float) -> float:
    """Two-sided 95 % quantile of Student's t.

    Between whole degrees it is interpolated in their inverse, which is at most 2 % too wide from 2 degrees on. From
    30 degrees the second-order Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5) is used.

    Raises:
        ValueError: fewer than one degree of freedom.
    """
    if degrees < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, got {degrees}")
    if degrees < len(_T95):
        below, above = _T95[int(degrees) - 1 : int(degrees) + 1]
        share = (1 / int(degrees) - 1 / degrees) / (1 / int(degrees) - 1 / (int(degrees) + 1))
        return below + (above - below) * share
    z = _Z95
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


@frozen
class Estimate:
    """A mean over trials, in the unit of the field that holds it.

    Attributes:
        mean: arithmetic mean.
        n: how many values; at 1 there is no scatter, and ``half_width`` comes from the meter's bounds alone.
        standard_deviation: sample standard deviation; None at n = 1.
        half_width: half the 95 % interval from the scatter of the trials and the meter's bounds, called
            *repeatability*; None if there is neither.
        half_width_with_gain: the same with what the sensor's gain may add; None if its gain is not known, or if
            nothing is known of the rest.
    """

    mean: float
    n: int
    standard_deviation: float | None = None
    half_width: float | None = None
    half_width_with_gain: float | None = None

    @property
    def cv(self) -> float | None:
        """Standard deviation over the mean's size; None where either is missing or the mean is 0."""
        if self.standard_deviation is None or self.mean == 0:
            return None
        return self.standard_deviation / abs(self.mean)

    @property
    def leading_half_width(self) -> float | None:
        """The ± that a figure is printed with: with the sensor's gain where it is known."""
        return self.half_width if self.half_width_with_gain is None else self.half_width_with_gain


def estimate(
    values: Sequence[float],
    bounds: Sequence[tuple[float, float]] = (),
    gain_uncertainty: float | None = None,
) -> Estimate:
    """Mean and 95 % intervals of values that share one process.

    The half-width is t·s/√n + d. Here d is the larger distance from the mean to the mean of the meter's bounds: the
    error at the edges of the windows is much the same in every trial, so it hardly shows in their scatter and no
    number of trials makes it smaller. The gain of the sensor is independent of both and joins in quadrature (JCGM
    100:2008 §5.1.2) as 1.96 standard uncertainties.

    Args:
        values: at least one value.
        bounds: low and high of the meter, one pair for each value, in the same unit; empty if it has none.
        gain_uncertainty: relative standard uncertainty of the sensor's gain; None if it is not known.

    Raises:
        ValueError: no values, or another number of bounds than of values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("a mean needs at least one value")
    if bounds and len(bounds) != n:
        raise ValueError(f"{n} values with {len(bounds)} pairs of bounds")
    mean, deviation = fmean(values), stdev(values) if n > 1 else None
    scatter = 0.0 if deviation is None else t95(n - 1) * deviation / math.sqrt(n)
    edges = _farther_bound(mean, bounds)
    if deviation is None and not edges:
        return Estimate(mean, n)
    half_width = scatter + edges
    gain = None if gain_uncertainty is None else _Z95 * gain_uncertainty * mean
    return Estimate(mean, n, deviation, half_width, None if gain is None else math.hypot(half_width, gain))


def estimate_of(values: Sequence[Bounds], gain_uncertainty: float | None = None) -> Estimate:
    """The same of values that have their bounds with them."""
    bounds = [(value.low, value.high) for value in values]
    return estimate([value.best for value in values], bounds, gain_uncertainty)


def _farther_bound(mean: float, bounds: Sequence[tuple[float, float]]) -> float:
    """The larger distance from the mean to the mean low and the mean high bound; 0 without bounds."""
    if not bounds:
        return 0.0
    low, high = (fmean(side) for side in zip(*bounds, strict=True))
    return max(0.0, mean - low, high - mean)


@frozen
class Distribution:
    """Mean and percentiles of pooled values, in the unit of the field that holds it.

    Attributes:
        n: how many values.
        mean: their arithmetic mean.
        p50, p90, p95, p99: percentiles, by linear interpolation between closest ranks.
    """

    n: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """Linear interpolation between closest ranks (Hyndman and Fan, type 7) of sorted values.

    Args:
        ordered: at least one value, ascending.
        share: between 0 and 1.
    """
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def distribution(values: Iterable[float]) -> Distribution | None:
    """Percentiles of the values; None if there are none."""
    ordered = sorted(values)
    if not ordered:
        return None
    at = [percentile(ordered, share) for share in (0.50, 0.90, 0.95, 0.99)]
    return Distribution(len(ordered), fmean(ordered), *at)
