"""What an import gives: figures with their bounds, or why there is none, and what is wrong with the source."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.verdict import Finding, Level

_ORDER: tuple[Level, ...] = ("FAIL", "WARN", "INFO", "PASS")


@frozen
class ImportedFigure:
    """One figure of a foreign source.

    Attributes:
        name: what it is of, such as ``GPU 0`` or ``decode gpu``.
        energy_j: of the window or of one pass; None if it is withheld.
        duration_s: of the window; None where the source has none.
        output_tokens: that the energy is of; None where the source has none.
        counted: whether it is part of the total.
        withheld: why there is no energy; empty if there is.
    """

    name: str
    energy_j: Bounds | None
    duration_s: float | None = None
    output_tokens: float | None = None
    counted: bool = True
    withheld: str = ""


@frozen
class Imported:
    """A foreign source, read and judged.

    Attributes:
        source: what kind of file it is.
        findings: the worst first; never empty.
    """

    source: str
    figures: tuple[ImportedFigure, ...]
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst of the findings."""
        return self.findings[0].level


def judged(source: str, figures: Sequence[ImportedFigure], findings: Sequence[Finding]) -> Imported:
    """An import with its findings in order, and at least the one that says what an import cannot know."""
    unknown = Finding(
        "WARN",
        "foreign source",
        "this package watched neither warm-up nor token counts nor other work on the machine, and the sensor's own "
        "error as a whole (its gain) is not in the ±",
    )
    ordered = sorted((*findings, unknown), key=lambda finding: _ORDER.index(finding.level))
    return Imported(source, tuple(figures), tuple(ordered))
