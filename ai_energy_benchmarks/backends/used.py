"""The generation parameters of all batches, as one value each."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from ai_energy_benchmarks.domain.engine import FactValue


@define
class UsedParameters:
    """What batches were generated with: a number that differs between them as its range, the rest as it was last."""

    _last: dict[str, FactValue] = field(factory=dict)
    _ranges: dict[str, tuple[float, float]] = field(factory=dict)

    def see(self, parameters: Mapping[str, FactValue]) -> None:
        """Add those of one batch, or of one request."""
        for name, value in parameters.items():
            self._last[name] = value
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                low, high = self._ranges.get(name, (value, value))
                self._ranges[name] = (min(low, value), max(high, value))

    def facts(self) -> dict[str, FactValue]:
        """Parameter → its value, or ``2 to 16`` where batches had different ones; empty before the first batch."""
        found = dict(self._last)
        for name, (low, high) in self._ranges.items():
            if low < high:
                found[name] = f"{low:g} to {high:g}"
        return found
