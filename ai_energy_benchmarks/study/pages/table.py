"""The table of a study for a paper: one row for each cell."""

from __future__ import annotations

from collections.abc import Sequence

from ai_energy_benchmarks.reporters.figures import component_name
from ai_energy_benchmarks.reporters.tables import Table
from ai_energy_benchmarks.study.pages.rows import ReportRow

_HEADS = (
    *("cell", "J per output token", "p95 latency (ms)", "output tokens/s", "cycles"),
    *("component", "method", "verdict", "ranked"),
)

CAPTION = (
    "Gross energy per output token: mean over cycles, each a process of its own, with 95 % intervals of "
    "Student's t and the bounds of the meters; of one cycle those bounds alone. The gain of a sensor that all cells "
    "share is not in them, and modelled energy has none: it cannot be ranked, nor can a figure whose verdict is FAIL."
)


def study_table(rows: Sequence[ReportRow]) -> Table:
    """Means over cycles, each with as many digits as its interval allows; a withheld figure is its reason."""
    return Table(_HEADS, tuple(map(_row, rows)), CAPTION, frozenset({1, 2, 3, 4}))


def _row(row: ReportRow) -> tuple[str, ...]:
    return row.label, *row.shown, str(row.cycles), component_name(row.component), row.method, row.verdict, row.ranked
