"""Tables for papers and pull requests: Markdown, LaTeX with booktabs, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from ai_energy_benchmarks.safety.cells import guarded
from ai_energy_benchmarks.safety.printable import one_line

# https://ctan.org/pkg/latex2e, section "Special characters".
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
}


@frozen
class Table:
    """Rows of text under heads.

    Attributes:
        caption: what the figures are and how they were made, for a reader who sees the table alone.
        numbers: which columns hold numbers, from 0.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    numbers: frozenset[int] = frozenset()


def markdown(table: Table) -> str:
    """A table as GitHub and model cards show it, the caption below it."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_in_markdown(" ".join(cell.split())).replace("|", "\\|") for cell in cells) + " |"

    rule = "|" + "|".join("---:" if number in table.numbers else "---" for number in range(len(table.heads))) + "|"
    return "\n".join([line(table.heads), rule, *map(line, table.rows), "", _in_markdown(table.caption), ""])


def latex(table: Table) -> str:
    """A ``table`` that needs the package booktabs."""

    def line(cells: Sequence[str]) -> str:
        return "    " + " & ".join(map(_escaped, cells)) + r" \\"

    columns = "".join("r" if number in table.numbers else "l" for number in range(len(table.heads)))
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{_escaped(table.caption)}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            line(table.heads),
            r"    \midrule",
            *map(line, table.rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _in_markdown(text: str) -> str:
    """One line without tags and links: names come from anyone's config."""
    return one_line(text).replace("<", "&lt;").replace("](", "]\\(")


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in one_line(text))


def comma_separated(table: Table) -> str:
    """The rows as CSV; text that a spreadsheet would run as a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.heads)
    for row in table.rows:
        writer.writerow([_safe(cell, number in table.numbers) for number, cell in enumerate(row)])
    return text.getvalue()


def _safe(cell: str, is_number: bool) -> str:
    return cell if is_number else guarded(one_line(cell))


FORMATS: Mapping[str, Callable[[Table], str]] = {".md": markdown, ".tex": latex, ".csv": comma_separated}
