"""The master table of a batch, with the column names that the field uses."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ai_energy_benchmarks.results.writing import write_text
from ai_energy_benchmarks.study.model_list import ListedModel

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
    # ours: what a figure is worth
    "gpu_energy_source",
    "total_energy_wh",
    "verdict",
    "result_dir",
)
_J_PER_WH = 3600.0


def master_row(row: ListedModel, document: Mapping[str, object], directory: Path) -> dict[str, str]:
    """One measured model; energy that no meter saw, and all that is divided by it, is empty, not 0."""
    summary, energy, verdict = (_block(document, name) for name in ("summary", "energy", "verdict"))
    gpu_wh = _number(energy.get("gpu_energy_wh")) if energy.get("gpu_energy_source") != "absent" else None
    done, output = _number(summary.get("successful_prompts")), _number(summary.get("total_completion_tokens"))
    per_prompt_wh = gpu_wh / done if gpu_wh is not None and done else None
    figures: dict[str, object] = {
        **_named(row),
        **{name: summary.get(name) for name in COLUMNS if name in summary},
        "avg_total_time": summary.get("avg_latency_seconds"),
        "gpu_energy_wh": gpu_wh,
        "wh_per_1000_queries": None if per_prompt_wh is None else 1000 * per_prompt_wh,
        "co2_emissions_g": energy.get("emissions_g_co2eq") if energy.get("emissions_source") != "absent" else None,
        "tokens_per_joule": output / (gpu_wh * _J_PER_WH) if gpu_wh and output else None,
        "avg_energy_per_prompt_wh": per_prompt_wh,
        "timestamp": document.get("started_utc"),
        "gpu_energy_source": energy.get("gpu_energy_source"),
        "total_energy_wh": energy.get("total_energy_wh") if energy.get("total_energy_source") != "absent" else None,
        "verdict": verdict.get("level"),
        "result_dir": str(directory),
    }
    return {name: "" if value is None else str(value) for name, value in figures.items()}


def failed_row(row: ListedModel, reason: str) -> dict[str, str]:
    """One model without a result, and why."""
    return {**_named(row), "error_message": " ".join(reason.split())}


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


def _block(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    block = document.get(name)
    return block if isinstance(block, Mapping) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
