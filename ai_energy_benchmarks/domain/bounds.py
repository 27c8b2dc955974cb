"""One value with its bounds: what every quantity with limits is, between the meter and the document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.domain.sums import add_up


@frozen
class Bounds:
    """A best estimate and the limits between which the truth lies, all in the unit that the holder's name gives.

    ``low, best, high = bounds`` takes one apart.

    Attributes:
        low: the lower limit.
        best: the best estimate; between the limits.
        high: the upper limit.
    """

    low: float
    best: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Bounds:
        """A value without a doubt.

        Args:
            value: all three.
        """
        return cls(value, value, value)

    @classmethod
    def total(cls, parts: Iterable[Bounds]) -> Bounds:
        """The sum of any number: bounds add linearly, since nothing says that errors cancel.

        Args:
            parts: in one unit; none gives 0.
        """
        known = tuple(parts)
        return cls(
            add_up(part.low for part in known), add_up(part.best for part in known), add_up(part.high for part in known)
        )

    @classmethod
    def mean(cls, values: Sequence[Bounds]) -> Bounds:
        """The mean of at least one, side by side: a common error does not shrink with their number.

        Args:
            values: at least one, in one unit.
        """
        return cls(
            fmean(value.low for value in values),
            fmean(value.best for value in values),
            fmean(value.high for value in values),
        )

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.best, self.high))

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(self.low + other.low, self.best + other.best, self.high + other.high)

    def __mul__(self, factor: float) -> Bounds:
        """Scaled by a factor that is not negative."""
        return Bounds(self.low * factor, self.best * factor, self.high * factor)

    def __truediv__(self, amount: float) -> Bounds:
        """Shared among a positive amount that is exactly known."""
        return Bounds(self.low / amount, self.best / amount, self.high / amount)

    def per(self, amount: Bounds) -> Bounds:
        """The quotient with a positive amount that has bounds too.

        Args:
            amount: positive, bounds included.
        """
        return Bounds(self.low / amount.high, self.best / amount.best, self.high / amount.low)

    @property
    def half_width(self) -> float:
        """Half the distance between the bounds."""
        return (self.high - self.low) / 2

    @property
    def relative_half_width(self) -> float:
        """Half the distance between the bounds over the estimate; infinite where that is not positive."""
        return self.half_width / self.best if self.best > 0 else float("inf")
