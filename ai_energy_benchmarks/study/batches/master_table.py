"""The master table of a batch, with the column names that the field uses."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ai_energy_benchmarks.results.no_score import number, token_doubt_of, why_no_score
from ai_energy_benchmarks.results.units import wh
from ai_energy_benchmarks.results.writing import write_text
from ai_energy_benchmarks.safety.cells import guarded
from ai_energy_benchmarks.safety.printable import one_line
from ai_energy_benchmarks.study.batches.model_list import ListedModel

COLUMNS = (
    "model_name",
    "model_class",
    "task",
    "reasoning_state",
    "total_prompts",
    "successful_prompts",
    "failed_prompts",
    "total_duration_seconds",
    "avg_total_time",
    "avg_time_to_first_token",
    "total_tokens",
    "total_prompt_tokens",
    "total_completion_tokens",
    "throughput_tokens_per_second",
    "gpu_energy_wh",
    "wh_per_1000_queries",
    "co2_emissions_g",
    "tokens_per_joule",
    "avg_energy_per_prompt_wh",
    "timestamp",
    "error_message",
    # beyond the field's columns: what a figure is worth
    "gpu_energy_source",
    "total_energy_wh",
    "verdict",
    "result_dir",
)


def master_row(row: ListedModel, document: Mapping[str, object], directory: Path) -> dict[str, str]:
    """One measured model; a figure that its report withholds or does not have is empty, not 0, with the reason."""
    summary, energy, verdict = (_block(document, name) for name in ("summary", "energy", "verdict"))
    components, derived = _block(document, "components"), _block(_block(document, "derived"), "gpu")
    gpu, total = _block(components, "gpu"), _block(components, "total")
    leading = _block(derived, "steady") if "steady" in derived else derived  # under concurrency the steady state leads
    withheld, tokens_doubted = why_no_score(document), token_doubt_of(document) is not None
    emitted = energy.get("emissions_source") != "absent" and number(total.get("energy_j")) is not None
    figures: dict[str, object] = {
        **_named(row),
        **{name: summary.get(name) for name in COLUMNS if name in summary},
        "avg_total_time": summary.get("avg_latency_seconds"),
        "throughput_tokens_per_second": None if tokens_doubted else summary.get("throughput_tokens_per_second"),
        "gpu_energy_wh": _wh(gpu),
        "wh_per_1000_queries": None if withheld else _value(derived, "wh_per_1000_queries"),
        "co2_emissions_g": energy.get("emissions_g_co2eq") if emitted else None,
        "tokens_per_joule": None if tokens_doubted else _value(leading, "output_tokens_per_j"),
        "avg_energy_per_prompt_wh": None if withheld else _value(derived, "wh_per_request"),
        "timestamp": document.get("started_utc"),
        "error_message": None if withheld is None else " ".join(withheld.split()),
        "gpu_energy_source": gpu.get("source", "absent"),
        "total_energy_wh": _wh(total),
        "verdict": verdict.get("level"),
        "result_dir": str(directory),
    }
    return {name: _cell(value) for name, value in figures.items()}


def failed_row(row: ListedModel, reason: str) -> dict[str, str]:
    """One model without a result, and why."""
    cells: dict[str, object] = {**_named(row), "error_message": " ".join(reason.split())}
    return {name: _cell(value) for name, value in cells.items()}


def write_master(file: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write the table, whole or not at all.

    Raises:
        ReporterError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue())


def _named(row: ListedModel) -> dict[str, str]:
    return {
        "model_name": row.model,
        "model_class": row.model_class,
        "task": row.task,
        "reasoning_state": row.state,
    }


def _cell(value: object) -> str:
    """Text that a spreadsheet does not take for a formula; numbers may be negative."""
    if value is None:
        return ""
    return guarded(one_line(value)) if isinstance(value, str) else str(value)


def _block(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    block = document.get(name)
    return block if isinstance(block, Mapping) else {}


def _wh(component: Mapping[str, object]) -> float | None:
    energy_j = number(component.get("energy_j"))
    return None if energy_j is None else wh(energy_j)


def _value(derived: Mapping[str, object], name: str) -> float | None:
    return number(_block(derived, name).get("value"))
