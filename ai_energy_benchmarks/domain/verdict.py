"""How far a result can be trusted: one finding per check, and the level that follows."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from ai_energy_benchmarks.domain.power import Component

Level = Literal["PASS", "INFO", "WARN", "FAIL"]


@frozen
class Finding:
    """One line of the verdict.

    Attributes:
        check: short name of the check, the same in every run.
        message: one sentence with the figure in it.
        component: the component whose energy it is about; None if it is about the whole run.
    """

    level: Level
    check: str
    message: str
    component: Component | None = None


@frozen
class Verdict:
    """All findings, the worst first."""

    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst level that stands; PASS if nothing worse than INFO was found."""
        levels = {finding.level for finding in self.findings}
        return "FAIL" if "FAIL" in levels else "WARN" if "WARN" in levels else "PASS"
