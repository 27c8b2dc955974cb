"""Requests as a table: one row per request and trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.list_series import of_cells
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.results.request_cells import RequestList, Requests, RequestTable, RowFacts
from ai_energy_benchmarks.results.request_columns import Column, columns

if TYPE_CHECKING:
    import polars

    from ai_energy_benchmarks.results.request_cells import Cells

# Filler requests stand apart, so that nothing that counts the rows of ``requests.parquet`` counts them.
FILLERS_FILE = "fillers.parquet"
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
    for part in trial.outcomes.parts():
        yield _frame(trial, part, facts)


def filler_frame(trial: Trial, facts: RowFacts) -> polars.DataFrame:
    """The filler requests of one trial."""
    return _frame(trial, trial.fillers, facts)


def requests_schema(save_texts: bool) -> dict[str, polars.DataType]:
    """Column → its type."""
    return {column.name: column.dtype() for column in columns(save_texts)}


def _frame(trial: Trial, part: polars.DataFrame | Sequence[Outcome], facts: RowFacts) -> polars.DataFrame:
    import polars

    requests: Requests
    if isinstance(part, Sequence):
        requests = RequestList(trial.number, trial.complete, facts, part)
    else:
        requests = RequestTable(trial.number, trial.complete, facts, part)
    return polars.DataFrame([_series(column, column.values(requests)) for column in columns(facts.save_texts)])


def _series(column: Column, values: Cells) -> polars.Series:
    import polars

    dtype = column.dtype()
    if isinstance(values, polars.Series):
        return values.cast(dtype).alias(column.name)
    if column.lists:
        return of_cells(column.name, cast("Sequence[Sequence[float] | None]", values), column.code)
    try:
        return polars.Series(column.name, values, dtype=dtype)
    except (OverflowError, TypeError, polars.exceptions.PolarsError):
        # A count that no column can hold, such as 10³⁰ tokens, costs its own cell.
        return polars.Series(column.name, [_holdable(value) for value in values], dtype=dtype, strict=False)


def _holdable(value: object) -> object:
    return None if isinstance(value, int) and abs(value) >= _TOO_LARGE else value
