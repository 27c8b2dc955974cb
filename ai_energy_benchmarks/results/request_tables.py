"""The rows of requests, made from tables: as a pass is kept in columns, or of its outcomes as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING

from attrs import frozen

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.outcome_frames import with_times
from ai_energy_benchmarks.results.request_columns import OF_FAILURES, STORED, columns

if TYPE_CHECKING:
    import polars


@frozen
class RowFacts:
    """What the rows of one run have in common.

    Attributes:
        prompts: prompt index → its text.
        prompt_indices: the prompt index of each request of a pass, by request number.
    """

    run_id: str
    save_texts: bool
    clock_offset_s: float
    prompts: Mapping[int, str]
    prompt_indices: Sequence[int]

    @cached_property
    def index_column(self) -> polars.Series:
        """``prompt_indices`` as a column."""
        import polars

        return polars.Series(values=self.prompt_indices, dtype=polars.Int64)

    @cached_property
    def prompt_columns(self) -> tuple[polars.Series, polars.Series]:
        """The keys and the texts of ``prompts`` as columns."""
        import polars

        return (
            polars.Series(values=list(self.prompts), dtype=polars.Int64),
            polars.Series(values=list(map(_utf8, self.prompts.values())), dtype=polars.String),
        )


def table_of(outcomes: Sequence[Outcome]) -> polars.DataFrame:
    """Outcomes as a part of a pass in columns, and what columns do not hold.

    ``text`` is the answer's where it is known: a server's is decoded only where its text is to be kept.
    """
    import polars

    completions = [outcome if isinstance(outcome, Completion) else None for outcome in outcomes]
    cells = []
    for column in STORED:
        field = attrgetter(column.attribute)
        known = outcomes if column.name in OF_FAILURES else completions
        cells.append(column.series([None if outcome is None else field(outcome) for outcome in known]))
    texts = [None if done is None else _text(done) for done in completions]
    reasons = [_utf8(outcome.reason) if isinstance(outcome, FailedCompletion) else None for outcome in outcomes]
    hashes = [sha256(text.encode()).hexdigest() if text else None for text in texts]
    further = (
        polars.Series("ok", [done is not None for done in completions], dtype=polars.Boolean),
        polars.Series("reason", reasons, dtype=polars.String),
        polars.Series("text", texts, dtype=polars.String),
        polars.Series("output_sha256", hashes, dtype=polars.String),
    )
    return with_times(polars.DataFrame([*cells, *further]))


def _text(done: Completion) -> str | None:
    return _utf8(done.text) if done.text or done.output_token_ids or not done.output_tokens else None


def _utf8(text: str) -> str:
    """A server may send a lone surrogate, which neither a hash nor a file can hold."""
    return text.encode("utf-8", "replace").decode()


def rows(part: polars.DataFrame | Sequence[Outcome], trial: int, complete: bool, facts: RowFacts) -> polars.DataFrame:
    """A row for each request of a part of a trial, as ``requests.requests_frame`` describes them.

    Args:
        complete: whether the trial is.
    """
    from polars import String, col, lit, when

    if isinstance(part, Sequence):
        table = table_of(part)
    else:  # which holds neither texts nor amounts
        text = when(col("output_tokens") == 0).then(lit(""))
        table = part.with_columns(text=text, output_sha256=lit(None, String), amounts=lit(None, String))
    indices, prompts = facts.index_column, facts.prompt_columns
    # Fillers repeat the pass.
    index = lit(indices).gather(col("number") % len(indices)) if len(indices) else lit(None)
    table = table.with_columns(prompt_index=index).with_columns(
        trial=lit(trial),
        trial_complete=lit(complete),
        # A filler that was cancelled is neither answered nor failed.
        ok=when(col("finish_reason") == "cancelled").then(None).otherwise("ok"),
        sent_unix_s=col("sent_s") + facts.clock_offset_s,
        rendered_sha256=when(col("ok") & (col("rendered_sha256") != "")).then("rendered_sha256"),
        prompt=col("prompt_index").replace_strict(*prompts, default=None),
        output=col("text"),
        output_characters=col("text").str.len_chars(),
        token_times_s=when("ok").then("token_times_s"),
        event_tokens=when(col("event_tokens").list.len() > 0).then("event_tokens"),
        run_id=lit(facts.run_id or None),
    )
    table = table.with_columns(prompt_characters=col("prompt").str.len_chars())
    return table.select(col(column.name).cast(column.dtype()) for column in columns(facts.save_texts))
