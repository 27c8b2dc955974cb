"""Requests as a table: one row per request and trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import frozen

from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.safety.secrets import blanked

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


# Filler requests stand apart, so that nothing that counts the rows of ``requests.parquet`` counts them.
FILLERS_FILE = "fillers.parquet"
# Rows are Python objects ten times their size in the frame, so only some exist at a time.
_ROWS_AT_ONCE = 50_000
_TOO_LARGE = 2**63


def requests_frame(result: BenchmarkResult) -> polars.DataFrame:
    """One row per request and trial, in order of sending; null where a failed request has no figure.

    Columns: ``trial``, ``trial_complete``, ``number`` (of the request in its pass), ``prompt_index`` (in the data
    set), ``ok``, ``reason``, token counts, latencies in seconds, ``sent_s`` and ``finished_s`` on the monotonic clock
    of ``timeline.parquet``, ``sent_unix_s``, hashes, lengths in characters, ``first_event_tokens``, ``budget_tokens``
    (most output tokens that a server was asked for), ``token_times_s`` (when each token event was seen, on the
    monotonic clock), ``event_tokens`` (tokens of each, where the server reports them and they are not all one),
    ``run_id``; with ``save_texts`` also ``prompt`` and ``output``.
    """
    return _together(request_frames(result), result)


def fillers_frame(result: BenchmarkResult) -> polars.DataFrame | None:
    """The filler requests in the same columns; None if there were none.

    Their ``number`` goes on from those of the pass. A ``finish_reason`` of ``cancelled`` means that ``output_tokens``
    counts the token events until then, or what the server reported with the last of them.
    """
    if not any(trial.fillers for trial in result.trials):
        return None
    facts = row_facts(result)
    return _together((filler_frame(trial, facts) for trial in result.trials if trial.fillers), result)


def row_facts(result: BenchmarkResult) -> RowFacts:
    """What the rows of a result have in common."""
    return RowFacts(result.run_id, result.save_texts, result.clock_offset_s, result.prompts, result.prompt_indices)


def _together(pieces: Iterable[polars.DataFrame], result: BenchmarkResult) -> polars.DataFrame:
    import polars

    frames = list(pieces)
    return polars.concat(frames) if frames else polars.DataFrame(schema=requests_schema(result.save_texts))


def request_frames(result: BenchmarkResult) -> Iterator[polars.DataFrame]:
    """The same table in pieces, each made when it is asked for."""
    for trial in result.trials:
        yield from trial_frames(trial, row_facts(result))


def trial_frames(trial: Trial, facts: RowFacts) -> Iterator[polars.DataFrame]:
    """The rows of one trial in pieces."""
    for first in range(0, len(trial.outcomes), _ROWS_AT_ONCE):
        yield _frame(trial, trial.outcomes[first : first + _ROWS_AT_ONCE], facts)


def filler_frame(trial: Trial, facts: RowFacts) -> polars.DataFrame:
    """The filler requests of one trial."""
    return _frame(trial, trial.fillers, facts)


def requests_schema(save_texts: bool) -> dict[str, polars.DataType]:
    """Column → its type."""
    from polars import Float64, Int64, List, String

    lists = {"token_times_s": List(Float64), "event_tokens": List(Int64)}
    return {**_plain_schema(save_texts), **lists, "run_id": String()}


def _plain_schema(save_texts: bool) -> dict[str, polars.DataType]:
    from polars import Boolean, Float64, Int32, Int64, String

    columns: dict[str, type[polars.DataType]] = {
        "trial": Int32,
        "trial_complete": Boolean,
        "number": Int64,
        "prompt_index": Int64,
        "ok": Boolean,
        "reason": String,
        "finish_reason": String,
        "token_source": String,
        "prompt_tokens": Int64,
        "output_tokens": Int64,
        "reasoning_tokens": Int64,
        "cached_prompt_tokens": Int64,
        "truncated_prompt_tokens": Int64,
        "ttft_s": Float64,
        "tpot_s": Float64,
        "e2e_s": Float64,
        "sent_s": Float64,
        "finished_s": Float64,
        "sent_unix_s": Float64,
        "rendered_sha256": String,
        "output_sha256": String,
        "prompt_characters": Int64,
        "output_characters": Int64,
        "first_event_tokens": Int64,
        "budget_tokens": Int64,
    }
    if save_texts:
        columns |= {"prompt": String, "output": String}
    return {name: kind() for name, kind in columns.items()}


def _frame(trial: Trial, outcomes: Sequence[Outcome], facts: RowFacts) -> polars.DataFrame:
    import polars

    rows = [_row(trial, each, facts) for each in outcomes]
    schema = _plain_schema(facts.save_texts)
    try:
        frame = polars.DataFrame(rows, schema=schema, orient="row")
    except (OverflowError, TypeError, polars.exceptions.PolarsError):
        # A count that no column can hold, such as 10³⁰ tokens, costs its own cell.
        frame = polars.DataFrame(
            [tuple(map(_holdable, row)) for row in rows], schema=schema, orient="row", strict=False
        )
    times_s = [
        polars.Series(each.token_times_s, dtype=polars.Float64) if isinstance(each, Completion) else None
        for each in outcomes
    ]
    carried = [
        polars.Series(each.event_tokens, dtype=polars.Int64)
        if isinstance(each, Completion) and len(each.event_tokens)
        else None
        for each in outcomes
    ]
    return frame.with_columns(
        polars.Series("token_times_s", times_s, dtype=polars.List(polars.Float64)),
        polars.Series("event_tokens", carried, dtype=polars.List(polars.Int64)),
        run_id=polars.lit(facts.run_id or None, dtype=polars.String),
    )


def _holdable(value: object) -> object:
    return None if isinstance(value, int) and abs(value) >= _TOO_LARGE else value


def _row(trial: Trial, outcome: Outcome, facts: RowFacts) -> tuple[object, ...]:
    number = outcome.number
    indices = facts.prompt_indices
    prompt_index = indices[number % len(indices)] if len(indices) else None  # fillers repeat the pass
    prompt = None if prompt_index is None else facts.prompts.get(prompt_index)
    done = outcome if isinstance(outcome, Completion) else None
    row = (
        trial.number,
        trial.complete,
        number,
        prompt_index,
        None if done is not None and done.finish_reason == "cancelled" else done is not None,
        None if isinstance(outcome, Completion) else _stored(outcome.reason),
        done and done.finish_reason,
        done and done.token_source,
        done and done.prompt_tokens,
        done and done.output_tokens,
        done and done.reasoning_tokens,
        done and done.cached_prompt_tokens,
        done and done.truncated_prompt_tokens,
        done and done.ttft_s,
        done and done.tpot_s,
        done and done.e2e_s,
        outcome.sent_s,
        outcome.finished_s,
        outcome.sent_s + facts.clock_offset_s,
        done and (done.rendered_sha256 or None),
        _sha256(done.text) if done and done.text else None,
        None if prompt is None else len(prompt),
        len(done.text) if done and _text_known(done) else None,
        done and done.first_event_tokens,
        done and done.budget_tokens,
    )
    if not facts.save_texts:
        return row
    return (
        *row,
        None if prompt is None else _stored(prompt),
        _stored(done.text) if done and _text_known(done) else None,
    )


def _text_known(done: Completion) -> bool:
    """A server's answer is decoded only where its text is to be kept."""
    return bool(done.text or done.output_token_ids) or not done.output_tokens


def _sha256(text: str) -> str:
    return sha256(_utf8(text).encode()).hexdigest()


def _stored(text: str) -> str:
    """As a file may hold it."""
    return _utf8(blanked(text))


def _utf8(text: str) -> str:
    """A server may send a lone surrogate, which neither a hash nor a file can hold."""
    return text.encode("utf-8", "replace").decode()
