"""Whoever wants to know how far a study has come."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from ai_energy_benchmarks.study.running.judging import Judgement
from ai_energy_benchmarks.study.running.schedule import Turn


class Observer(Protocol):
    """Whoever wants to know how far a study has come."""

    def begins(self, turn: Turn, done: int, total: int) -> None:
        """A cell is about to run; so many of the cells and cycles are complete."""

    def ended(self, turn: Turn, judgement: Judgement, wall_s: float) -> None:
        """A cell has ended."""

    def settled(self, turn: Turn, judgement: Judgement) -> None:
        """A cell need not run."""

    def waits(self, seconds: float, why: str) -> None:
        """The study rests."""


@frozen
class Unobserved:
    """An observer that keeps silent."""

    def begins(self, turn: Turn, done: int, total: int) -> None:
        return

    def ended(self, turn: Turn, judgement: Judgement, wall_s: float) -> None:
        return

    def settled(self, turn: Turn, judgement: Judgement) -> None:
        return

    def waits(self, seconds: float, why: str) -> None:
        return
