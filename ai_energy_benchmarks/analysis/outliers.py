"""Which value of a few stands apart from the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from attrs import frozen

from ai_energy_benchmarks.analysis.trend import t_two_sided_p


@frozen
class Farthest:
    """The value farthest from the mean.

    Attributes:
        position: its place, from 0.
        deviation: its distance from the mean, relative to the mean.
        p_value: chance that the farthest of so many normal values lies at least so far out.
    """

    position: int
    deviation: float
    p_value: float


def farthest(values: Sequence[float]) -> Farthest | None:
    """Grubbs' two-sided test (NIST/SEMATECH e-Handbook 1.3.5.17.1).

    None below three values, and where all are equal or their mean is 0.
    """
    n = len(values)
    if n < 3 or not (mean := fmean(values)) or not (deviation := stdev(values)):
        return None
    position = max(range(n), key=lambda each: abs(values[each] - mean))
    distance = (values[position] - mean) / deviation
    left = (n - 1) ** 2 - n * distance**2
    # With nothing left the other values are all equal, up to rounding.
    t = math.sqrt(n * (n - 2) * distance**2 / left) if left > 1e-9 else math.inf
    p_value = min(1.0, n * t_two_sided_p(t, n - 2))
    return Farthest(position, (values[position] - mean) / abs(mean), p_value)
