"""The seconds of one latency, pooled over very many requests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import define, field

from ai_energy_benchmarks.domain.blocks import Blocks
from ai_energy_benchmarks.domain.statistics import Distribution, distribution

if TYPE_CHECKING:
    import polars

# A hundred million gaps as Python floats would need gigabytes; above this many the frame library sorts them in place.
_MANY = 200_000
# Above this many they are counted in bins, each wider than the one before by this share, from a nanosecond upwards.
_MOST = 4_000_000
_STEP = math.log(1.001)
_LEAST_S = 1e-9
_SHARES = (0.50, 0.90, 0.95, 0.99)


@define
class Pool:
    """Seconds of one kind as they come.

    Attributes:
        most: how many are kept; with more, percentiles are accurate to 0.05 %, and the mean is still exact.
    """

    most: int = _MOST
    _seconds: Blocks = field(factory=lambda: Blocks("d"))
    _bins: Counter[int] = field(factory=Counter)
    _binned: int = 0
    _binned_sum_s: float = 0.0

    def add(self, seconds: Iterable[float]) -> None:
        self._seconds.extend(seconds)
        if len(self._seconds) > self.most:
            self._count()

    def add_one(self, seconds: float) -> None:
        self._seconds.append(seconds)
        if len(self._seconds) > self.most:
            self._count()

    def add_column(self, seconds: polars.Series) -> None:
        """Add each of these as ``add_one`` does."""
        import polars

        self.add_runs(seconds, polars.repeat(1, len(seconds), dtype=polars.Int64, eager=True))

    def add_runs(self, seconds: polars.Series, lengths: polars.Series) -> None:
        """Add runs of these lengths, each as ``add`` does."""
        while len(self._seconds) + len(seconds) > self.most:
            ends = lengths.cum_sum()
            last = int(ends.search_sorted(self.most - len(self._seconds), side="right"))
            self._seconds.extend_column(seconds[: ends[last]])
            self._count()
            seconds, lengths = seconds[ends[last] :], lengths[last + 1 :]
        self._seconds.extend_column(seconds)

    def __add__(self, other: Pool) -> Pool:
        """Both together, in their order."""
        both = Pool(self.most, self._seconds.copy(), self._bins.copy(), self._binned, self._binned_sum_s)
        both.add(other._seconds)
        both._bins.update(other._bins)
        both._binned += other._binned
        both._binned_sum_s += other._binned_sum_s
        return both

    def distribution(self) -> Distribution | None:
        """Mean and percentiles; None if there are none."""
        if self._binned:
            self._count()
            return self._from_bins()
        if len(self._seconds) < _MANY:
            return distribution(self._seconds)
        ordered = self._seconds.series().sort()
        at = [ordered.quantile(share, interpolation="linear") or 0.0 for share in _SHARES]
        return Distribution(len(self._seconds), math.fsum(self._seconds) / len(self._seconds), *at)

    def _count(self) -> None:
        """Put what is kept into bins."""
        import polars

        self._binned += len(self._seconds)
        self._binned_sum_s += math.fsum(self._seconds)
        values = self._seconds.series("bin")
        self._seconds.clear()
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
