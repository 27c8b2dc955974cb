"""What has to be known before a ranking is read: energy of a model, and cells that their verdict keeps out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_energy_benchmarks.study.answers.measured import MeasuredCell
from ai_energy_benchmarks.study.modelled import MODELLED

_MOST_NAMED = 4


def caveats(ranked: Sequence[MeasuredCell], others: Sequence[MeasuredCell]) -> Iterator[str]:
    """Sentences that stand before the answer.

    Args:
        ranked: in their order.
        others: cells that are not ranked.
    """
    if any(cell.modelled for cell in ranked):
        yield MODELLED
    failed = [cell for cell in others if cell.failed and cell.values]
    if failed and ranked:
        known = len(failed) + len(ranked)
        yield f"{len(failed)} of {known} cells are not ranked, for their verdict is FAIL: {_named(failed)}."
    kept = [cell for cell in ranked if cell.failed]
    if kept and len(kept) < len(ranked):
        yield f"Cells with a verdict of FAIL stand after all others, whatever their figure: {_named(kept)}."
    for check in dict.fromkeys(check for cell in failed for check in cell.failed_checks):
        doubtful = [cell for cell in ranked if check in cell.warned_checks]
        if doubtful:
            yield f"{check!r}, which failed there, is a WARN of {_named(doubtful)}: the same may be true of it."


def _named(cells: Sequence[MeasuredCell]) -> str:
    more = f" and {len(cells) - _MOST_NAMED} more" if cells[_MOST_NAMED:] else ""
    return ", ".join(cell.name for cell in cells[:_MOST_NAMED]) + more
