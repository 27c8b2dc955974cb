"""Quantiles for several comparisons at once: Tukey's studentized range, Dunnett's and Hsu's multivariate t.

All are integrals over the common estimate of the standard deviation (a chi distribution) of a probability that holds
for a known one (a normal integral): Hsu, Multiple Comparisons: Theory and Methods (1996), chapters 3 to 5. Both are
smooth and fall off fast on either side, where the trapezoidal rule converges exponentially (Trefethen and Weideman,
SIAM Review 56, 2014), so plain Python is enough. Tests hold them against SciPy and published tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from ai_energy_benchmarks.domain.sums import add_up

_STEP = 0.125
_FARTHEST = 8.0
_ROOT_2 = math.sqrt(2)
_ROOT_2_PI = math.sqrt(2 * math.pi)
# z and the weight φ(z)·dz of the normal integral
_NORMAL = tuple(
    (z, _STEP * math.exp(-z * z / 2) / _ROOT_2_PI)
    for z in (-_FARTHEST + _STEP * row for row in range(int(2 * _FARTHEST / _STEP) + 1))
)
_TOLERANCE = 1e-6


@lru_cache(maxsize=256)
def tukey95(means: int, degrees: int) -> float:
    """The 95 % quantile of the studentized range of so many means, for a standard deviation with so many degrees.

    All differences of means with n values each lie within ± q·s/√n of the truth at once (Tukey, 1953).

    Raises:
        ValueError: fewer than two means or than one degree of freedom.
    """
    if means < 2:
        raise ValueError(f"a range needs at least two means, got {means}")

    def below(width: float) -> float:
        inner = (weight * (_normal(z) - _normal(z - width)) ** (means - 1) for z, weight in _NORMAL)
        return means * add_up(inner)

    return _quantile(below, degrees)


def dunnett95(counts: Sequence[int], control: int, degrees: int) -> float:
    """The two-sided 95 % quantile of the largest of several t values that share a control (Dunnett, 1955).

    Args:
        counts: how many values each treatment has.
        control: how many values the control has.

    Raises:
        ValueError: no treatment, or fewer than one degree of freedom.
    """
    return _shared(_shares(counts, control), degrees, both_sides=True)


def hsu95(counts: Sequence[int], best: int, degrees: int) -> float:
    """The one-sided 95 % quantile of several t values that share one mean, for comparisons with the best (Hsu, 1984).

    Args:
        counts: how many values each of the others has.
        best: how many values the one has that is held against them.

    Raises:
        ValueError: no other, or fewer than one degree of freedom.
    """
    return _shared(_shares(counts, best), degrees, both_sides=False)


def _shares(counts: Sequence[int], control: int) -> tuple[float, ...]:
    """The part of each t value that comes from the shared mean: correlations are products of two of these."""
    if not counts:
        raise ValueError("a comparison needs something to compare with")
    return tuple(sorted(math.sqrt(count / (count + control)) for count in counts))


@lru_cache(maxsize=256)
def _shared(shares: tuple[float, ...], degrees: int, *, both_sides: bool) -> float:
    kinds = [(share, math.sqrt(1 - share**2), shares.count(share)) for share in dict.fromkeys(shares)]

    def below(width: float) -> float:
        total = 0.0
        for z, weight in _NORMAL:
            inside = 1.0
            for share, rest, count in kinds:
                beyond = _normal((share * z - width) / rest) if both_sides else 0.0
                inside *= (_normal((share * z + width) / rest) - beyond) ** count
            total += weight * inside
        return total

    return _quantile(below, degrees)


def _quantile(below: Callable[[float], float], degrees: int) -> float:
    """Where a probability for a known standard deviation, averaged over the estimated one, reaches 95 %."""
    nodes = tuple(_chi(degrees))

    def probability(width: float) -> float:
        return add_up(weight * below(width * deviation) for deviation, weight in nodes)

    low, high = 0.0, 4.0
    below_low, above_high = -0.95, probability(high) - 0.95
    while above_high < 0:
        low, high, below_low = high, 2 * high, above_high
        above_high = probability(high) - 0.95
    while high - low > _TOLERANCE * high:  # regula falsi, with the end that stays halved (the Illinois method)
        middle = high - above_high * (high - low) / (above_high - below_low)
        miss = probability(middle) - 0.95
        if abs(miss) < _TOLERANCE / 100:
            return middle
        if miss < 0:
            low, below_low, above_high = middle, miss, above_high / 2
        else:
            high, above_high, below_low = middle, miss, below_low / 2
    return (low + high) / 2


def _chi(degrees: int) -> Iterator[tuple[float, float]]:
    """Estimated over true standard deviation, and the weight of that value; in equal steps of its logarithm."""
    if degrees < 1:
        raise ValueError(f"an estimated standard deviation needs at least 1 degree of freedom, got {degrees}")
    spread = 1 / math.sqrt(2 * degrees)
    lowest, highest, step = -max(18 / degrees, 10 * spread), 8 * spread, spread / 3
    constant = math.log(2) + degrees / 2 * math.log(degrees / 2) - math.lgamma(degrees / 2)
    for row in range(int((highest - lowest) / step) + 1):
        log = lowest + row * step
        exponent = constant + degrees * log - degrees * math.exp(2 * log) / 2
        if exponent > -40:
            yield math.exp(log), step * math.exp(exponent)


def _normal(z: float) -> float:
    """The standard normal distribution function."""
    return 0.5 * math.erfc(-z / _ROOT_2)
