"""Where the outcomes of a trial are kept while it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from ai_energy_benchmarks.backends.base import Backend
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.outcome_table import OutcomeTable
from ai_energy_benchmarks.domain.outcomes import MANY_REQUESTS, OutcomeList, Outcomes
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.results.spill import SpillDirectory

_OBJECT_BYTES = 1000  # of a completion outside of columns, without its token times
_TIME_BYTES = 8


def outcome_rows(config: BenchmarkConfig, backend: Backend, batches: Sequence[Batch]) -> Outcomes:
    """A list; columns that spill to disk past a budget where a list would become too large.

    The columns hold what servers answer, but no texts. Engines in process bring token ids, which are decoded after the
    window.
    """
    if config.save_texts:
        return OutcomeList()
    requests, each = config.scenario.num_samples, batches[0].generation.max_new_tokens
    large = requests * (_OBJECT_BYTES + _TIME_BYTES * each) > config.rows_memory_bytes
    if len(batches) > MANY_REQUESTS or (large and backend.needs_endpoint):
        return OutcomeTable(SpillDirectory(config.output_dir), config.rows_memory_bytes)
    return OutcomeList()


def spilled(trial: int, outcomes: Outcomes, budget_bytes: int) -> Finding | None:
    """That rows went to disk within a window; None if none did."""
    if not outcomes.shelved_rows:
        return None
    where = f"past rows_memory_bytes ({budget_bytes:,}) {outcomes.shelved_rows:,} of {len(outcomes):,} rows"
    if outcomes.problem:
        return Finding("WARN", "rows", f"trial {trial}: {where} could not all be written, to {outcomes.problem}")
    return Finding("INFO", "rows", f"trial {trial}: {where} were written to disk while it went on")
