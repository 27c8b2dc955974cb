"""How far a result can be trusted: one finding per check, and the level that follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.safety.printable import one_line

Level = Literal["PASS", "INFO", "WARN", "FAIL"]
_NOT_CHECKED = "not checked: "


@frozen
class Finding:
    """One line of the verdict.

    Attributes:
        level: ``FAIL``, ``WARN``, ``INFO`` or ``PASS``.
        check: short name of the check, the same in every run.
        message: one sentence with the figure in it, on one line, without secrets and control characters.
        component: the component whose energy it is about; None if it is about the whole run.
    """

    level: Level
    check: str = field(converter=one_line)
    message: str = field(converter=one_line)
    component: Component | None = None

    @property
    def unchecked(self) -> bool:
        """Whether the check was not made, which is neither for nor against the result."""
        return self.level == "INFO" and self.message.startswith(_NOT_CHECKED)


def not_checked(check: str, why: str, component: Component | None = None) -> Finding:
    """The line of a check whose source reported nothing: what was not seen is neither good nor bad.

    Args:
        check: name of the check.
        why: what its source did not do.
        component: the component that the check is about; None if it is about the whole run.
    """
    return Finding("INFO", check, f"{_NOT_CHECKED}{why}", component)


@frozen
class Verdict:
    """All findings, and one level for each component.

    Attributes:
        findings: the worst first.
        components: the components that have a figure or should have one, the headline's first: the GPU if its energy
            counts or is expected, else the CPU, else the memory. Empty if no energy was to be measured.
    """

    findings: tuple[Finding, ...]
    components: tuple[Component, ...] = ()

    @property
    def headline(self) -> Component | None:
        """The component that the headline figure is about; None if there is none."""
        return self.components[0] if self.components else None

    @property
    def level(self) -> Level:
        """The level of the headline's component; without one, the worst of all findings."""
        return _worst(self.reasons)

    @property
    def levels(self) -> Mapping[Component, Level]:
        """Component → the worst of the findings about it and of those about the whole run, the headline's first.

        PASS if nothing worse than INFO was found.
        """
        return {each: _worst(_about(self.findings, each)) for each in self.components}

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """The findings that ``level`` comes from: those about the whole run and about the headline's component."""
        return self.findings if self.headline is None else _about(self.findings, self.headline)


def _about(findings: tuple[Finding, ...], component: Component) -> tuple[Finding, ...]:
    return tuple(each for each in findings if each.component in (None, component))


def _worst(findings: tuple[Finding, ...]) -> Level:
    levels = {finding.level for finding in findings}
    return "FAIL" if "FAIL" in levels else "WARN" if "WARN" in levels else "PASS"
