"""How far a long step has come, as a contract; drawn by the CLI, silent for a library."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called between windows only, so that nothing is drawn while a window is open."""

    def begin(self, stage: str, total: int | None = None) -> None:
        """A stage starts; ``total`` is its length in the units of ``advance``, None if unknown."""
        ...

    def advance(self, amount: int = 1) -> None: ...

    def end(self) -> None:
        """The stage is over."""
        ...


class Silent:
    """No progress at all."""

    def begin(self, stage: str, total: int | None = None) -> None: ...

    def advance(self, amount: int = 1) -> None: ...

    def end(self) -> None: ...
