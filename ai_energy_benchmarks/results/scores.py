"""GPU energy per 1,000 queries from results of this package, master tables and leaderboards."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.stars import size_class
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.no_score import MODELLED, number, why_no_score
from ai_energy_benchmarks.results.reading import load_document, result_files
from ai_energy_benchmarks.results.units import J_PER_WH
from ai_energy_benchmarks.safety.cells import unguarded
from ai_energy_benchmarks.safety.files import refuse_special

_MODEL = ("model_name", "model", "Model")
_PER_1000 = (
    "wh_per_1000_queries",
    "GPU Energy (Wh)",
    "total_gpu_energy_wh",
    "total_gpu_energy",
    "gpu_energy_wh_per_1000",
)
_CLASS = ("model_class", "class", "Class")
_TASK = ("task", "Task")
_STATE = ("reasoning_state", "Reasoning State")
_TASKS = {"": "text_generation", "text_gen": "text_generation", "text-generation": "text_generation"}


@frozen
class Score:
    """One model's GPU energy of 1,000 queries.

    Attributes:
        group: task and class, such as ``text_generation, class A``; only scores of one group compare.
        energy_j: None where there is no score, for the reason in ``note``.
        note: why there is none, or what speaks against it.
        source: the result directory or the table that it is from.
    """

    name: str
    group: str
    energy_j: float | None
    low_j: float | None = None
    high_j: float | None = None
    note: str = ""
    source: str = ""


def read_scores(paths: Iterable[Path]) -> tuple[Score, ...]:
    """Scores of result files, of directories searched for them, and of CSV tables.

    Raises:
        ConfigError: a path is none of these, or a table has no column of models or of energy.
    """
    found: list[Score] = []
    for path in paths:
        if path.suffix.lower() == ".csv":
            found.extend(evolve(score, source=str(path)) for score in _from_table(path))
        else:
            documents = [(file, load_document(file)) for file in result_files(path)]
            documents.sort(key=lambda pair: str(pair[1].get("started_utc", "")))
            found.extend(evolve(_from_result(document), source=str(file.parent)) for file, document in documents)
    return tuple(found)


def _from_result(document: Mapping[str, object]) -> Score:
    thinks = _block(document, "reasoning").get("asked") is True
    parameters = _block(document, "backend_info").get("parameters")
    per_1000 = _block(_block(_block(document, "derived"), "gpu"), "wh_per_1000_queries")
    notes = ["the verdict of its run is FAIL"] if _block(document, "verdict").get("level") == "FAIL" else []
    if (at_once := _at_once(document)) > 1:
        notes.append(f"measured with {at_once} requests at a time, where the method has one")
    withheld = why_no_score(document) or ""
    return _score(
        str(_block(document, "config").get("model")),
        "reasoning" if thinks else "text_generation",
        size_class(parameters) if isinstance(parameters, int) else "",
        tuple(None if withheld else number(per_1000.get(name)) for name in ("value", "low", "high")),
        reason=withheld,
        note="; ".join(notes),
    )


def _at_once(document: Mapping[str, object]) -> int:
    """Requests in flight, or in a batch: energy per query falls with them, and AI Energy Score's batch is 1."""
    known = (_block(document, "config").get("batch_size"), _block(document, "steady_state").get("concurrency"))
    return max((each for each in known if isinstance(each, int)), default=1)


def _score(
    name: str, task: str, klass: str, per_1000_wh: Sequence[float | None], *, reason: str, note: str = ""
) -> Score:
    """A score from value, low and high in Wh; what cannot be compared has none.

    Args:
        reason: why the value is missing, if it is.
        note: what speaks against it, if it is there.
    """
    value, low, high = (None if each is None else each * J_PER_WH for each in per_1000_wh)
    group = f"{task}, class {klass or 'unknown'}"
    if value is None:
        return Score(name, group, None, note=reason)
    if not klass:
        return Score(name, group, None, note="its number of parameters, and so its class, is unknown")
    return Score(name, group, value, low, high, note)


def _from_table(file: Path) -> Iterator[Score]:
    try:
        refuse_special(file)
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            columns = tuple(reader.fieldnames or ())
            rows = [{name: unguarded(cell or "") for name, cell in row.items() if name} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file} cannot be read: {error}", remedy="check the path of the table") from error
    model, energy = _column(file, columns, _MODEL), _column(file, columns, _PER_1000)
    for row in rows:
        task = _TASKS.get(_cell(row, _TASK), _cell(row, _TASK))
        if task == "text_generation" and _cell(row, _STATE).lower().startswith("on"):
            task = "reasoning"
        value_wh = number(row[energy])
        modelled = row.get("gpu_energy_source") == "modelled"
        sure = value_wh if value_wh is not None and value_wh > 0 and not modelled else None
        yield _score(
            row[model],
            task,
            _cell(row, _CLASS),
            (sure, None, None),
            reason=MODELLED if modelled else _why_no_energy(file, row, value_wh),
            note="the verdict of its run is FAIL" if row.get("verdict") == "FAIL" else "",
        )


def _why_no_energy(file: Path, row: Mapping[str, str], value_wh: float | None) -> str:
    why = row.get("error_message") or ("the cell is empty" if value_wh is None else f"{value_wh:g} Wh is not a figure")
    return f"no GPU energy in {file}: {why}"


def _column(file: Path, columns: tuple[str, ...], names: tuple[str, ...]) -> str:
    found = next((name for name in names if name in columns), None)
    if found is None:
        raise ConfigError(
            f"{file} has none of the columns {', '.join(names)}; it has {', '.join(columns) or 'none'}",
            remedy="name the column as one of these",
        )
    return found


def _cell(row: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((row[name].strip() for name in names if row.get(name)), "")


def _block(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    block = document.get(name)
    return block if isinstance(block, Mapping) else {}
