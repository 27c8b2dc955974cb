"""Many results as one polars frame: a row for each cell and cycle of a study, or for each result under a directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.results.no_score import number
from ai_energy_benchmarks.results.quotable import (
    FIGURES,
    J_PER_OUTPUT_TOKEN,
    J_PER_REQUEST,
    LATENCIES,
    OUTPUT_TOKENS_PER_S,
    STATISTICS,
    Document,
    Figure,
    Quoted,
    block,
    is_guess,
    latency_figure,
    quoted,
)
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_document, result_files
from ai_energy_benchmarks.study.cells import CELLS_FILE, read_cells
from ai_energy_benchmarks.study.manifest import MANIFEST_FILE, read_manifest

if TYPE_CHECKING:
    import polars

Value = str | int | float | bool | None
Row = dict[str, Value]
NAMES = (*COMPONENTS, "total")
_ENERGIES = (J_PER_OUTPUT_TOKEN, J_PER_REQUEST, FIGURES["energy_j"], FIGURES["average_power_w"])
# What names a run or says where it went is no axis.
_NO_AXES = ("metrics.project_name", "metrics.output_dir")
_PLACE = ("cell", "label", "cycle", "position", "attempt", "state", "reason")
_EMPTY: Mapping[str, type] = {
    **dict.fromkeys(("cell", "label", "state", "reason", "run_id", "name", "verdict", "withheld"), str),
    **dict.fromkeys(("cycle", "position", "attempt"), int),
}


def load_frame(path: str | Path) -> polars.DataFrame:
    """Load a study, or every result under a directory, as one frame.

    Columns: ``cell``, ``label``, ``cycle``, ``position``, ``attempt``, ``state`` and ``reason`` (null outside of a
    study); ``directory``, ``run_id``, ``name``, ``started_utc``, ``ending``, ``verdict``; ``backend.type``,
    ``backend.model`` and every axis by its dotted key (of a study its settings, else the keys in which the configs
    differ); ``component`` that the verdict is about with its
    ``method`` and ``meter``, and whether that is good to an ``order_of_magnitude`` only; ``j_per_output_token`` and its
    ``…_low`` and ``…_high``, and ``withheld`` where there is none; the figures of each component with its name before
    them (``gpu.energy_j``); ``output_tokens_per_s``, latencies in ms, counts of requests and tokens.

    A cycle that did not complete has its row, without figures. Figures that are withheld are null, never 0.

    Args:
        path: a study, or a directory with results somewhere under it.

    Raises:
        ConfigError: there is no result, a file cannot be read, or a newer version of this package wrote it.
    """
    place = Path(path)
    if (place / MANIFEST_FILE).exists() and (place / CELLS_FILE).exists():
        return _frame(list(_of_study(place)))
    rows, settings = [], []
    for file in result_files(place):
        document = load_document(file)  # one at a time: ten thousand at once would need gigabytes
        rows.append(_row(document, file.parent, {}, {}))
        settings.append(dict(_flat(block(document, "config", "settings"))))
    return _frame([{**axes, **row} for row, axes in zip(rows, _axes(settings), strict=True)])


def _of_study(study: Path) -> Iterator[Row]:
    cells = {cell.id: cell for cell in read_cells(study)}
    for attempt in read_manifest(study).latest.values():
        cell, directory = cells.get(attempt.cell), study / attempt.directory
        axes = {key: _scalar(value) for key, value in cell.settings.items()} if cell else {}
        place: Row = {
            "cell": attempt.cell,
            "label": cell.label if cell else "",
            "cycle": attempt.cycle,
            "position": attempt.position,
            "attempt": attempt.number,
            "state": attempt.state or "unfinished",
            "reason": attempt.reason or None,
        }
        if attempt.state == "completed":
            yield _row(load_document(directory / RESULT_FILE), directory, place, axes)
        else:
            yield {**place, "directory": str(directory), **axes}


def _row(document: Document, directory: Path, place: Row, axes: Row) -> Row:
    config, verdict, summary = (block(document, name) for name in ("config", "verdict", "summary"))
    component = str(verdict.get("headline") or "total")
    headline = quoted(document, J_PER_OUTPUT_TOKEN, component)
    row: Row = {
        **place,
        "directory": str(directory),
        **{key: _scalar(document.get(key)) for key in ("run_id", "name", "started_utc", "ending")},
        "verdict": _scalar(verdict.get("level")),
        "backend.type": _scalar(config.get("backend")),
        "backend.model": _scalar(config.get("model")),
        **axes,
        "component": component,
        "method": _scalar(block(document, "components", component).get("source")),
        "meter": _scalar(block(document, "components", component).get("meter")),
        "order_of_magnitude": is_guess(document, component),
        **_bounded("", J_PER_OUTPUT_TOKEN, headline),
        "withheld": headline if isinstance(headline, str) else None,
    }
    known = block(document, "components")
    for name in NAMES:
        for figure in _ENERGIES if name in known else ():
            same = figure is J_PER_OUTPUT_TOKEN and name == component  # of thousands of results each look-up counts
            row |= _bounded(f"{name}.", figure, headline if same else quoted(document, figure, name))
    speed = quoted(document, OUTPUT_TOKENS_PER_S, component)
    row[OUTPUT_TOKENS_PER_S.name] = None if isinstance(speed, str) else speed.value
    row |= _latencies(block(document, "latency_ms") if document.get("ending", "completed") == "completed" else {})
    row["requests"] = number(summary.get("total_prompts"))
    row["failed_requests"] = number(summary.get("failed_prompts"))
    row["output_tokens"] = number(summary.get("total_completion_tokens"))
    row["prompt_tokens"] = number(summary.get("total_prompt_tokens"))
    row["duration_s"] = number(summary.get("total_duration_seconds"))
    return row


def _latencies(blocks: Document) -> Row:
    """As ``quoted`` has them, but each block is looked up once: frames are made of thousands of results."""
    row: Row = {}
    for name in LATENCIES:
        figures = block(blocks, name)
        for statistic in STATISTICS:
            row[latency_figure(name, statistic)] = number(figures.get(statistic)) or None
    return row


def _bounded(prefix: str, figure: Figure, value: Quoted | str) -> Row:
    name = f"{prefix}{figure.name}"
    if isinstance(value, str):
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _axes(settings: Sequence[Row]) -> list[Row]:
    """The keys in which the configs differ, for each of them."""
    keys = dict.fromkeys(key for of in settings for key in of)
    varied = [key for key in keys if key not in _NO_AXES and len({of.get(key) for of in settings}) > 1]
    return [{key: of.get(key) for key in varied} for of in settings]


def _flat(settings: Document, path: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", _scalar(value)


def _scalar(value: object) -> Value:
    """Lists and mappings as JSON: a cell of a table holds one value."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)


def _frame(rows: Sequence[Row]) -> polars.DataFrame:
    import polars

    names = dict.fromkeys((*_PLACE, "directory", "run_id", "name", *(name for row in rows for name in row)))
    return polars.DataFrame([_column(name, [row.get(name) for row in rows]) for name in names])


def _column(name: str, values: Sequence[Value]) -> polars.Series:
    import polars

    # A column without a value has the type that it has in other frames, so that these can be joined.
    kinds = {type(value) for value in values if value is not None} or {_EMPTY.get(name, float)}
    if kinds <= {int, float}:
        return polars.Series(name, values, dtype=polars.Float64 if float in kinds else polars.Int64)
    if kinds == {bool}:
        return polars.Series(name, values, dtype=polars.Boolean)
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return polars.Series(name, texts, dtype=polars.String)
