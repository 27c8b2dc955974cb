"""Latencies pooled over the completions of several passes."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable
from operator import sub

from attrs import define, field, frozen

from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.statistics import Distribution, distribution

# A hundred million gaps as Python floats would need gigabytes; above this many the frame library sorts them in place.
_MANY = 200_000
# Above this many they are counted in bins, each wider than the one before by this share, from a nanosecond upwards.
_MOST = 4_000_000
_STEP = math.log(1.001)
_LEAST_S = 1e-9
_SHARES = (0.50, 0.90, 0.95, 0.99)


@frozen
class Latencies:
    """Distributions in seconds, as measurement.md §5 defines them; None where nothing was seen."""

    ttft_s: Distribution | None
    itl_s: Distribution | None
    tpot_s: Distribution | None
    e2e_s: Distribution | None


def pooled(completions: Iterable[Completion]) -> Latencies:
    """Pool the latencies of all completions; each gap between two token events counts once."""
    ttft_s, itl_s, tpot_s, e2e_s = (Pool() for _ in range(4))
    for each in completions:
        times_s = each.token_times_s
        itl_s.add(map(sub, times_s[1:], times_s))
        e2e_s.add((each.e2e_s,))
        if (first_s := each.ttft_s) is not None:
            ttft_s.add((first_s,))
        if (per_token_s := each.tpot_s) is not None:
            tpot_s.add((per_token_s,))
    return Latencies(*(each.distribution() for each in (ttft_s, itl_s, tpot_s, e2e_s)))


@define
class Pool:
    """Seconds of one kind as they come.

    Attributes:
        most: how many are kept; with more, percentiles are told to within 0.05 %, and the mean is still exact.
    """

    most: int = _MOST
    _seconds: array[float] = field(factory=lambda: array("d"))
    _bins: Counter[int] = field(factory=Counter)
    _binned: int = 0
    _binned_sum_s: float = 0.0

    def add(self, seconds: Iterable[float]) -> None:
        self._seconds.extend(seconds)
        if len(self._seconds) > self.most:
            self._count()

    def distribution(self) -> Distribution | None:
        """Mean and percentiles; None if there are none."""
        if self._binned:
            self._count()
            return self._from_bins()
        if len(self._seconds) < _MANY:
            return distribution(self._seconds)
        import polars

        ordered = polars.Series(self._seconds, dtype=polars.Float64).sort()
        at = [ordered.quantile(share, interpolation="linear") or 0.0 for share in _SHARES]
        return Distribution(len(self._seconds), math.fsum(self._seconds) / len(self._seconds), *at)

    def _count(self) -> None:
        """Put what is kept into bins."""
        import polars

        self._binned += len(self._seconds)
        self._binned_sum_s += math.fsum(self._seconds)
        values = polars.Series("bin", self._seconds, dtype=polars.Float64)
        del self._seconds[:]
        bins = ((values.clip(_LEAST_S) / _LEAST_S).log() / _STEP).floor().cast(polars.Int32)
        self._bins.update(dict(bins.value_counts().iter_rows()))

    def _from_bins(self) -> Distribution:
        ordered = sorted(self._bins.items())
        found: list[float] = []
        below = 0
        for number, count in ordered:
            below += count
            while len(found) < len(_SHARES) and below > _SHARES[len(found)] * (self._binned - 1):
                found.append(_LEAST_S * math.exp((number + 0.5) * _STEP))
        return Distribution(self._binned, self._binned_sum_s / self._binned, *found)
