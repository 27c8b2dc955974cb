"""Whether a figure drifts from trial to trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.domain.sums import add_up


@frozen
class Trend:
    """A straight line through values of equal distance.

    Attributes:
        drift: change from the first to the last value along the line, relative to the mean.
        p_value: chance of a slope at least this steep if there were none (two-sided t-test).
    """

    drift: float
    p_value: float


def trend(values: Sequence[float]) -> Trend | None:
    """Least-squares line and its t-test; None below three values or with a mean of 0."""
    n = len(values)
    if n < 3 or (mean := fmean(values)) == 0:
        return None
    middle = (n - 1) / 2
    spread = add_up((i - middle) ** 2 for i in range(n))
    slope = add_up((i - middle) * (value - mean) for i, value in enumerate(values)) / spread
    left = add_up((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    # Residuals at the size of rounding are none: equal values must not get a slope out of the last bit.
    error = math.sqrt(left / (n - 2) / spread)
    rounding = 1e-12 * abs(mean)
    if error <= rounding:
        return Trend(slope * (n - 1) / abs(mean), 1.0 if abs(slope) <= rounding else 0.0)
    return Trend(slope * (n - 1) / abs(mean), t_two_sided_p(slope / error, n - 2))


def holm(p_values: Sequence[float], alpha: float) -> tuple[bool, ...]:
    """Which of several tests are significant if all of them together may err with probability ``alpha``.

    Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979): it holds however the tests depend on
    one another.
    """
    significant = [False] * len(p_values)
    for rank, test in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[test] > alpha / (len(p_values) - rank):
            break
        significant[test] = True
    return tuple(significant)


def t_two_sided_p(t: float, degrees: int) -> float:
    """Chance of Student's t at least as far from 0 (Abramowitz and Stegun 26.7.3 and 26.7.4, exact for whole degrees).

    Args:
        degrees: degrees of freedom, at least 1.
    """
    angle = math.atan(abs(t) / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    series = term if degrees > 1 else 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine**2 * (k - 1) / k
        series += term
    inside = 2 / math.pi * (angle + sine * series) if odd else sine * series
    return max(0.0, 1 - inside)
