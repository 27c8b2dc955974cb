"""Requests as a table: one row per request and trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial

if TYPE_CHECKING:
    import polars


# Filler requests stand apart, so that nothing that counts the rows of ``requests.parquet`` counts them.
FILLERS_FILE = "fillers.parquet"
# Rows are Python objects ten times their size in the frame, so only some exist at a time.
_ROWS_AT_ONCE = 50_000


def requests_frame(result: BenchmarkResult) -> polars.DataFrame:
    """One row per request and trial, in order of sending; null where a failed request has no figure.

    Columns: ``trial``, ``trial_complete``, ``number`` (of the request in its pass), ``prompt_index`` (in the data
    set), ``ok``, ``reason``, token counts, latencies in seconds, ``sent_s`` and ``finished_s`` on the monotonic clock
    of ``timeline.parquet``, ``sent_unix_s``, hashes, lengths in characters, ``first_event_tokens``, ``budget_tokens``
    (most output tokens that a server was asked for), ``token_times_s`` (when each token event was seen, on the
    monotonic clock), ``event_tokens`` (tokens of each, where the server reports them and they are not all one); with
    ``save_texts`` also ``prompt`` and ``output``.
    """
    return _together(request_frames(result), result)


def fillers_frame(result: BenchmarkResult) -> polars.DataFrame | None:
    """The filler requests in the same columns; None if there were none.

    Their ``number`` goes on from those of the pass. A ``finish_reason`` of ``cancelled`` means that ``output_tokens``
    counts the token events until then, or what the server reported with the last of them.
    """
    if not any(trial.fillers for trial in result.trials):
        return None
    return _together((_frame(trial, trial.fillers, result) for trial in result.trials if trial.fillers), result)


def _together(pieces: Iterable[polars.DataFrame], result: BenchmarkResult) -> polars.DataFrame:
    import polars

    frames = list(pieces)
    return polars.concat(frames) if frames else polars.DataFrame(schema=requests_schema(result.save_texts))


def request_frames(result: BenchmarkResult) -> Iterator[polars.DataFrame]:
    """The same table in pieces, each made when it is asked for."""
    for trial in result.trials:
        for first in range(0, len(trial.outcomes), _ROWS_AT_ONCE):
            yield _frame(trial, trial.outcomes[first : first + _ROWS_AT_ONCE], result)


def requests_schema(save_texts: bool) -> dict[str, polars.DataType]:
    """Column → its type."""
    from polars import Float64, Int64, List

    return {**_plain_schema(save_texts), "token_times_s": List(Float64), "event_tokens": List(Int64)}


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


def _frame(trial: Trial, outcomes: Sequence[Outcome], result: BenchmarkResult) -> polars.DataFrame:
    import polars

    rows = [_row(trial, each, result) for each in outcomes]
    frame = polars.DataFrame(rows, schema=_plain_schema(result.save_texts), orient="row")
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
    )


def _row(trial: Trial, outcome: Outcome, result: BenchmarkResult) -> tuple[object, ...]:
    number = outcome.number
    indices = result.prompt_indices
    prompt_index = indices[number % len(indices)] if len(indices) else None  # fillers repeat the pass
    prompt = None if prompt_index is None else result.prompts.get(prompt_index)
    done = outcome if isinstance(outcome, Completion) else None
    row = (
        trial.number,
        trial.complete,
        number,
        prompt_index,
        done is not None,
        None if isinstance(outcome, Completion) else _utf8(outcome.reason),
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
        outcome.sent_s + result.clock_offset_s,
        done and (done.rendered_sha256 or None),
        _sha256(done.text) if done and done.text else None,
        None if prompt is None else len(prompt),
        len(done.text) if done and _text_known(done) else None,
        done and done.first_event_tokens,
        done and done.budget_tokens,
    )
    if not result.save_texts:
        return row
    return (*row, None if prompt is None else _utf8(prompt), _utf8(done.text) if done and _text_known(done) else None)


def _text_known(done: Completion) -> bool:
    """A server's answer is decoded only where its text is to be kept."""
    return bool(done.text or done.output_token_ids) or not done.output_tokens


def _sha256(text: str) -> str:
    return sha256(_utf8(text).encode()).hexdigest()


def _utf8(text: str) -> str:
    """A server may send a lone surrogate, which neither a hash nor a file can hold."""
    return text.encode("utf-8", "replace").decode()
