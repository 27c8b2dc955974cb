"""Counting output tokens of a batch, row by row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import frozen

from ai_energy_benchmarks.domain.completions import FinishReason


@frozen
class RowOutput:
    """The ids that one row generated, up to and including its first end token; no padding."""

    token_ids: tuple[int, ...]
    finish_reason: FinishReason


def row_output(generated: Sequence[int], end_token_ids: Collection[int], budget_tokens: int) -> RowOutput:
    """Cut what a batch generated for one row down to the row's own output.

    Rows that end early are padded while the others go on. The first end token ends the row, also where
    the padding token is the end token itself.

    Args:
        generated: ids after the prompt, as long as the longest row of the batch.
        end_token_ids: every id that ends a row; empty if none does.
        budget_tokens: maximum number of tokens a row may have.
    """
    for position, token_id in enumerate(generated):
        if token_id in end_token_ids:
            return RowOutput(tuple(generated[: position + 1]), "stop")
    # A row shorter than its budget that has no end token was ended by a stop string.
    reason: FinishReason = "length" if len(generated) >= budget_tokens else "stop"
    return RowOutput(tuple(generated), reason)
