"""Requests as a table: one row per request and trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ai_energy_benchmarks.analysis.trial_figures import walked_parts
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.results.request_columns import columns
from ai_energy_benchmarks.results.request_tables import RowFacts, rows

if TYPE_CHECKING:
    import polars

# Filler requests stand apart, so that nothing that counts the rows of ``requests.parquet`` counts them.
FILLERS_FILE = "fillers.parquet"


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
    """The rows of one trial in pieces, and its figures with them where there is no room for all of its outcomes."""
    for part in walked_parts(trial) if trial.outcomes.in_pieces else trial.outcomes.parts():
        yield rows(part, trial.number, trial.complete, facts)


def filler_frame(trial: Trial, facts: RowFacts) -> polars.DataFrame:
    """The filler requests of one trial."""
    return rows(tuple(trial.fillers), trial.number, trial.complete, facts)


def requests_schema(save_texts: bool) -> dict[str, polars.DataType]:
    """Column → its type."""
    return {column.name: column.dtype() for column in columns(save_texts)}
