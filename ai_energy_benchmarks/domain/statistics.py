"""Means with their uncertainty, and percentiles; in plain Python, so that the base install stays small."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist, fmean, stdev

from attrs import frozen

# Two-sided 95 % quantiles of Student's t for 1..30 degrees of freedom (NIST/SEMATECH e-Handbook 1.3.6.7.2).
_T95_TABLE = """
12.7062 4.3027 3.1824 2.7764 2.5706 2.4469 2.3646 2.3060 2.2622 2.2281
2.2010 2.1788 2.1604 2.1448 2.1314 2.1199 2.1098 2.1009 2.0930 2.0860
2.0796 2.0739 2.0687 2.0639 2.0595 2.0555 2.0518 2.0484 2.0452 2.0423
"""
_T95 = tuple(map(float, _T95_TABLE.split()))
_Z95 = NormalDist().inv_cdf(0.975)


def t95(degrees: float) -> float:
    """Two-sided 95 % quantile of Student's t; fractional degrees are rounded down (the wider interval).

    Above 30 degrees the second-order Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5) is used.

    Raises:
        ValueError: fewer than one degree of freedom.
    """
    if degrees < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, got {degrees}")
    if degrees < 31:
        return _T95[int(degrees) - 1]
    z = _Z95
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


@frozen
class Estimate:
    """A mean over trials, in the unit of the field that holds it.

    Attributes:
        n: how many values; at 1 there is no scatter to speak of and ``half_width`` may be None.
        standard_deviation: sample standard deviation; None at n = 1.
        half_width: half the 95 % interval from trial scatter or the meter's edges, whichever is larger.
        half_width_with_gain: the same with what the sensor's gain may add; None if its gain is not known.
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


def estimate(
    values: Sequence[float], edge_half_widths: Sequence[float] = (), gain_uncertainty: float | None = None
) -> Estimate:
    """Mean and 95 % intervals of independent values that share one process.

    u² = max(s²/n, ū²/n) + u_B², where ū is the mean half-width of the meter's bounds over √3 (a rectangular
    distribution, JCGM 100:2008 §4.3.7): trial scatter already contains the error of the edges. u_B is what all
    trials share, so that no number of them makes it smaller.

    Args:
        values: at least one value.
        edge_half_widths: half the distance of the meter's bounds, one per value, in the same unit.
        gain_uncertainty: relative standard uncertainty of the sensor's gain; None if it is not known.

    Raises:
        ValueError: no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("a mean needs at least one value")
    mean, deviation = fmean(values), stdev(values) if n > 1 else None
    scatter = 0.0 if deviation is None else deviation / math.sqrt(n)
    edges = fmean(edge_half_widths) / math.sqrt(3 * n) if edge_half_widths else 0.0
    if deviation is None or edges > scatter:
        own, degrees = edges, math.inf
    else:
        own, degrees = scatter, float(n - 1)
    known = deviation is not None or edges > 0
    with_gain = None
    if known and gain_uncertainty is not None:
        with_gain = expanded(own, degrees, gain_uncertainty * abs(mean))
    return Estimate(mean, n, deviation, expanded(own, degrees) if known else None, with_gain)


def expanded(own: float, degrees: float, shared: float = 0.0) -> float:
    """Half a 95 % interval from two standard uncertainties.

    The effective degrees of freedom are those of the Welch-Satterthwaite formula (JCGM 100:2008 §G.4.1).

    Args:
        own: standard uncertainty with so many degrees of freedom, which may be infinite.
        shared: one that is known rather than estimated from few values.
    """
    both = math.hypot(own, shared)
    if not own or not math.isfinite(degrees):
        return _Z95 * both
    return t95(degrees * (both / own) ** 4) * both


@frozen
class Distribution:
    """Mean and percentiles of pooled values, in the unit of the field that holds it."""

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
