"""The circuit breaker: after several failures in a row wait, then try one cell, then give up."""

from __future__ import annotations

from attrs import define

from ai_energy_benchmarks.study.plan.design import BreakerConfig


@define
class Breaker:
    """Counts failures in a row.

    Attributes:
        failures: since the last completed cell, or the last cooldown's try.
        trips: cooldowns since the last completed cell.
    """

    config: BreakerConfig
    failures: int = 0
    trips: int = 0

    def note(self, *, failed: bool) -> None:
        """One more cell has ended."""
        if not failed:
            self.failures = self.trips = 0
        else:
            self.failures += 1

    @property
    def open(self) -> bool:
        """Whether to wait before the next cell; once tripped, one more failure is enough."""
        limit = self.config.failures
        return limit > 0 and self.failures >= (1 if self.trips else limit)

    def trip(self) -> bool:
        """Begin a cooldown; False if there were enough of them."""
        if self.trips >= self.config.trips:
            return False
        self.trips += 1
        self.failures = 0
        return True
