"""How far a long step has come, as a contract; drawn by the CLI, silent for a library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ai_energy_benchmarks.domain.result import Step, Trial


class Progress(Protocol):
    """Called between windows only, so that nothing is drawn while a window is open."""

    def begin(self, stage: str, total: int | None = None) -> None:
        """A stage starts; ``total`` is its length in the units of ``advance``, None if unknown.

        Args:
            stage: what is shown.
            total: its length; None if unknown.
        """
        ...

    def advance(self, amount: int = 1) -> None:
        """So much more of the stage is done."""
        ...

    def end(self) -> None:
        """The stage is over."""
        ...


@runtime_checkable
class FigureProgress(Protocol):
    """A progress that is also handed what was recorded, between windows and before the call that follows it."""

    def step(self, step: Step) -> None:
        """A step outside the trials is over."""
        ...

    def trial(self, trial: Trial) -> None:
        """A trial is recorded; it is not judged yet."""
        ...


class Silent:
    """No progress at all."""

    def begin(self, stage: str, total: int | None = None) -> None: ...

    def advance(self, amount: int = 1) -> None: ...

    def end(self) -> None: ...
