"""Everything that is in the way of a run, reported together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import define, field

from ai_energy_benchmarks.errors import BenchmarkError, ConfigError

_Found = TypeVar("_Found")


@define
class Obstacles:
    """Checks that are made one after the other, whatever the ones before found."""

    _errors: list[BenchmarkError] = field(factory=list)

    def tried(self, check: Callable[[], _Found]) -> _Found | None:
        """What a check returns; None if it found something in the way, which is kept for ``report``."""
        try:
            return check()
        except BenchmarkError as error:
            self.refuse(error)
            return None

    def refuse(self, error: BenchmarkError) -> None:
        """Keep an error for ``report``; the same one twice is one."""
        if str(error) not in map(str, self._errors):
            self._errors.append(error)

    @property
    def errors(self) -> tuple[BenchmarkError, ...]:
        """What was found in the way."""
        return tuple(self._errors)

    def report(self) -> None:
        """Return if nothing is in the way.

        Raises:
            BenchmarkError: the one that was found; of several their list, as a ``ConfigError`` if one of them is.
        """
        if not self._errors:
            return
        if len(self._errors) == 1:
            raise self._errors[0]
        kinds = {type(error) for error in self._errors}
        kind = ConfigError if ConfigError in kinds else kinds.pop() if len(kinds) == 1 else BenchmarkError
        lines = [f"  {line}" for error in self._errors for line in str(error).splitlines()]
        raise kind("\n".join([f"{len(self._errors)} problems prevent this run:", *lines]))
