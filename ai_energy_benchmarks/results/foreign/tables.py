"""Rows of other tools: CSV files of version 0.0.x of this package, and JSON of the ML.ENERGY benchmark."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.results.foreign.imported import Imported, ImportedFigure, judged
from ai_energy_benchmarks.results.foreign.numbers import number
from ai_energy_benchmarks.results.units import J_PER_WH

OLDER, ML_ENERGY = "ai_energy_benchmarks 0.0.x CSV", "ML.ENERGY rows"
_OLDER_ENERGIES = (
    "energy_gpu_energy_wh",
    "energy_cpu_energy_wh",
    "energy_ram_energy_wh",
    "energy_total_energy_wh",
    "energy_energy_wh",
)
# ``summary_total_tokens`` has the prompts' tokens too, so energy over it is none per output token.
_TOKENS = "summary_total_completion_tokens"
# Two ways to the same figure may differ by rounding and by the edges of a window, not by more.
_TOLERANCE = 0.05


def is_older_csv(path: Path) -> bool:
    """Whether the heads are those that version 0.0.x wrote."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            heads = next(csv.reader(file), [])
        except csv.Error:  # a cell that is longer than any of that version's
            return False
    return any(head in _OLDER_ENERGIES for head in heads)


def read_older_csv(path: Path) -> Imported:
    """Energy by component of each row; version 0.0.x wrote 0 where no meter saw anything, so 0 is no figure.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {reason_of(error)}", remedy="give the CSV file of a run") from error
    heads, findings, figures = rows[0], [], []
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(heads):
            message = f"line {line} has {len(row)} cells under {len(heads)} heads: another version wrote it"
            findings.append(Finding("FAIL", "columns", message))
            continue
        cells = dict(zip(heads, row, strict=True))
        tokens = number(cells.get(_TOKENS))
        duration_s = number(cells.get("energy_duration_seconds") or cells.get("summary_total_duration_seconds"))
        for name in _OLDER_ENERGIES:
            energy_wh = number(cells.get(name))
            if energy_wh is None:
                continue
            label = f"line {line} {name.removeprefix('energy_').removesuffix('_wh')}"
            if energy_wh <= 0:
                why = "0.0.x wrote 0 where no meter saw it" if energy_wh == 0 else "energy is never negative"
                findings.append(Finding("FAIL", "energy", f"{label} is {energy_wh:g} Wh: {why}"))
                figures.append(ImportedFigure(label, None, duration_s, tokens, withheld=why))
            else:
                figures.append(ImportedFigure(label, Bounds.exact(energy_wh * J_PER_WH), duration_s, tokens))
    findings.append(
        Finding("FAIL", "window", "0.0.x measured loading and warm-up with the requests, and counted failed answers")
    )
    return judged(OLDER, figures, findings)


def is_ml_energy(document: object) -> bool:
    """Whether a JSON document holds rows of the ML.ENERGY benchmark."""
    return any(True for _ in _rows(document))


def read_ml_energy(document: object) -> Imported:
    """Energy of one request of each row, checked against its own power and throughput."""
    figures, findings = [], []
    for row in _rows(document):
        label = " ".join(str(row[key]) for key in ("model_id", "task", "gpu_model", "max_num_seqs") if key in row)
        per_token, power, throughput = (
            number(row.get(key))
            for key in ("energy_per_token_joules", "avg_power_watts", "output_throughput_tokens_per_sec")
        )
        if per_token is None or per_token <= 0:
            findings.append(
                Finding("FAIL", "energy", f"{label}: energy_per_token_joules is {row.get('energy_per_token_joules')!r}")
            )
            figures.append(ImportedFigure(label, None, withheld="no positive energy per token"))
            continue
        if power and throughput and abs(power / throughput / per_token - 1) > _TOLERANCE:
            message = (
                f"{label}: power over throughput is {power / throughput:.4g} J/token, the row says {per_token:.4g}"
            )
            findings.append(Finding("WARN", "consistency", message))
        figures.append(ImportedFigure(label, Bounds.exact(per_token), output_tokens=1.0))
    return judged(ML_ENERGY, figures, findings)


def _rows(document: object) -> Iterator[Mapping[str, object]]:
    rows = document.get("configurations", ()) if isinstance(document, Mapping) else document
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and "energy_per_token_joules" in row:
            yield row
