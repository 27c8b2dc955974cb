"""Comparisons from Python, and as a notebook shows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.results.quotable import J_PER_OUTPUT_TOKEN
from ai_energy_benchmarks.study.comparison import words
from ai_energy_benchmarks.study.comparison.comparing import Comparison, compare
from ai_energy_benchmarks.study.likeness import Kind
from ai_energy_benchmarks.study.stored_runs import read_runs

Paths = str | Path | Sequence[str | Path]


@frozen(repr=False)
class ComparisonView:
    """B over A, as ``compare_results`` returns it; printed or shown in a notebook it is its text.

    Attributes:
        comparison: its figures. ``quotient`` is B over A, ``best`` with its interval ``low`` to ``high``; ``decision``
            is what that says of the limit, ``cautions`` what it does not say.
    """

    comparison: Comparison

    def __repr__(self) -> str:
        return "\n".join(words.lines(self.comparison))

    def _repr_markdown_(self) -> str:
        return words.markdown(self.comparison)


def compare_results(
    first: Paths,
    second: Paths,
    *,
    figure: str = J_PER_OUTPUT_TOKEN.name,
    component: str | None = None,
    limit: float | None = None,
    allow: Collection[Kind] = (),
) -> ComparisonView:
    """Compare the results B, ``second``, with the results A, ``first``, as ``ai-energy-benchmark compare`` does.

    Args:
        first: A: result directories, directories of them, or cells of a study (``STUDY:CELL``).
        second: B: the same.
        figure: what is compared, such as ``j_per_output_token``; an unknown name lists all.
        component: ``gpu``, ``cpu``, ``dram`` or ``total``; the one that the verdicts are about by default.
        limit: by how much B may be worse, as a share, such as 0.05.
        allow: kinds of differences that do not refuse the comparison.

    Raises:
        ConfigError: the results are not of the same work, a figure is withheld, a verdict is FAIL, or a path holds no
            result. The message names every difference.
    """
    sides = [read_runs([paths] if isinstance(paths, str | Path) else paths) for paths in (first, second)]
    return ComparisonView(compare(sides[0], sides[1], figure=figure, component=component, limit=limit, allow=allow))
