"""Scores of tables and of results: every name of a column, every way to be none, and each figure by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.no_score import MODELLED
from ai_energy_benchmarks.results.scores import Score, read_scores

FAILED = "the verdict of its run is FAIL"


def table(directory: Path, *rows: Mapping[str, str], head: str = "") -> Path:
    """A CSV file with these rows; ``head`` stands before the first column, as the mark of Excel does."""
    file = directory / "table.CSV"
    with file.open("w", encoding="utf-8", newline="") as lines:
        lines.write(head)
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def of_row(directory: Path, **cells: str) -> Score:
    """The score of a row in which all else is well."""
    row = {"model_name": "m", "wh_per_1000_queries": "2.5", "model_class": "A", "task": "text_gen", **cells}
    (score,) = read_scores([table(directory, row)])
    return score


@pytest.mark.parametrize(
    ("model", "energy"),
    [
        ("model_name", "wh_per_1000_queries"),
        ("model", "GPU Energy (Wh)"),
        ("Model", "total_gpu_energy_wh"),
        ("model", "total_gpu_energy"),
        ("model", "gpu_energy_wh_per_1000"),
    ],
)
@pytest.mark.parametrize(("klass", "task"), [("model_class", "task"), ("class", "Task"), ("Class", "task")])
def test_a_table_may_name_its_columns_in_any_of_these_ways(
    tmp_path: Path, model: str, energy: str, klass: str, task: str
) -> None:
    """2.5 Wh are 9,000 J; a table has no bounds."""
    file = table(tmp_path, {model: "m", energy: "2.5", klass: " B ", task: " text_gen "}, head="\ufeff")
    assert read_scores([file]) == (Score("m", "text_generation, class B", 9000.0, source=str(file)),)


def test_the_first_of_several_names_counts(tmp_path: Path) -> None:
    """Wh of 1,000 queries stand before a total; an empty cell of a class leaves it to the next name."""
    row = {"total_gpu_energy": "9", "wh_per_1000_queries": "1", "model": "other", "model_name": "m"}
    (score,) = read_scores([table(tmp_path, {**row, "model_class": "", "class": "C", "task": ""})])
    assert (score.name, score.group, score.energy_j) == ("m", "text_generation, class C", 3600.0)


@pytest.mark.parametrize(
    ("task", "state", "group"),
    [
        ("", "", "text_generation"),
        ("text_gen", "Off", "text_generation"),
        ("text-generation", "off", "text_generation"),
        ("text_generation", "On (high)", "reasoning"),
        ("text_gen", "ON", "reasoning"),
        ("text_gen", "not on", "text_generation"),
        ("reasoning", "", "reasoning"),
        ("summarization", "on", "summarization"),
        ("translation", "on", "translation"),
    ],
)
@pytest.mark.parametrize("column", ["reasoning_state", "Reasoning State"])
def test_a_row_is_of_a_task_and_reasoning_is_one(
    tmp_path: Path, task: str, state: str, group: str, column: str
) -> None:
    """Text generation with reasoning on is the task reasoning; no other task has states."""
    assert of_row(tmp_path, task=task, **{column: state}).group == f"{group}, class A"


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        ({"wh_per_1000_queries": ""}, "the cell is empty"),
        ({"wh_per_1000_queries": "nan"}, "the cell is empty"),
        ({"wh_per_1000_queries": "much"}, "the cell is empty"),
        ({"wh_per_1000_queries": "0"}, "0 Wh is not a figure"),
        ({"wh_per_1000_queries": "-1.5"}, "-1.5 Wh is not a figure"),
        ({"wh_per_1000_queries": "", "error_message": "out of memory"}, "out of memory"),
        ({"wh_per_1000_queries": "0", "error_message": "out of memory"}, "out of memory"),
    ],
)
def test_a_row_without_energy_says_why(tmp_path: Path, cells: dict[str, str], note: str) -> None:
    """Energy is above zero; the row's own error comes first."""
    score = of_row(tmp_path, **cells)
    assert (score.energy_j, score.low_j, score.high_j) == (None, None, None)
    assert score.note == f"no GPU energy in {tmp_path / 'table.CSV'}: {note}"


def test_a_row_is_modelled_failed_or_of_no_class(tmp_path: Path) -> None:
    """Modelled energy is not ranked, also without a figure; a failed verdict speaks against a score and leaves it."""
    assert of_row(tmp_path, gpu_energy_source="modelled") == Score(
        "m", "text_generation, class A", None, note=MODELLED, source=str(tmp_path / "table.CSV")
    )
    assert of_row(tmp_path, gpu_energy_source="modelled", wh_per_1000_queries="").note == MODELLED
    assert of_row(tmp_path, gpu_energy_source="measured").energy_j == 9000.0
    assert of_row(tmp_path, verdict="FAIL").note == FAILED
    assert of_row(tmp_path, verdict="WARN").note == ""
    unknown = of_row(tmp_path, model_class="")
    assert (unknown.group, unknown.energy_j) == ("text_generation, class unknown", None)
    assert unknown.note == "its number of parameters, and so its class, is unknown"
    assert "no GPU energy" in of_row(tmp_path, model_class="", wh_per_1000_queries="").note


def test_a_table_without_its_columns_is_refused_with_what_it_has(tmp_path: Path) -> None:
    """The names that would do, those that are there, and the file."""
    with pytest.raises(ConfigError, match="none of the columns model_name, model, Model; it has energy, x"):
        read_scores([table(tmp_path, {"energy": "1", "x": "2"})])
    with pytest.raises(ConfigError, match="none of the columns wh_per_1000_queries, GPU Energy"):
        read_scores([table(tmp_path, {"model": "1"})])
    (tmp_path / "table.CSV").write_text("")
    with pytest.raises(ConfigError, match="it has none"):
        read_scores([tmp_path / "table.CSV"])
    with pytest.raises(ConfigError, match="cannot be read"):
        read_scores([tmp_path / "missing.csv"])
    (tmp_path / "device.csv").symlink_to("/dev/null")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_scores([tmp_path / "device.csv"])


def document(**changed: object) -> dict[str, object]:
    """A report document with 2 Wh per 1,000 queries of a model with 20 billion weights."""
    return {
        "schema_version": 1,
        "config": {"model": "m"},
        "backend_info": {"parameters": 20_000_000_000},
        "derived": {"gpu": {"wh_per_1000_queries": {"value": 2.0, "low": 1.5, "high": 2.25}}},
        "verdict": {"level": "PASS"},
        **changed,
    }


def of_document(directory: Path, **changed: object) -> Score:
    """The score of a result directory."""
    (directory / "result.json").write_text(json.dumps(document(**changed)))
    (score,) = read_scores([directory])
    return score


def test_a_result_has_its_score_with_bounds(tmp_path: Path) -> None:
    """3,600 J a Wh in each of the three; reasoning only where it was asked for."""
    expected = Score("m", "text_generation, class A", 7200.0, 5400.0, 8100.0, "", str(tmp_path))
    assert of_document(tmp_path) == expected
    assert of_document(tmp_path, reasoning={"asked": True}).group == "reasoning, class A"
    assert of_document(tmp_path, reasoning={"asked": False}).group == "text_generation, class A"
    assert of_document(tmp_path, reasoning={"asked": "True"}).group == "text_generation, class A"
    assert of_document(tmp_path, backend_info={"parameters": 2e10}).group == "text_generation, class unknown"


@pytest.mark.parametrize(
    ("batch", "concurrency", "at_once"),
    [(0, None, 0), (1, None, 0), (None, None, 0), (2, None, 2), (1, 8, 8), (16, 8, 16), ("4", None, 0)],
)
def test_requests_at_once_speak_against_a_score(
    tmp_path: Path, batch: object, concurrency: object, at_once: int
) -> None:
    """In a batch or in flight, whichever is more: the method has one."""
    state = {"concurrency": concurrency} if concurrency else None
    config = {"model": "m", "batch_size": batch}
    note = f"measured with {at_once} requests at a time, where the method has one" if at_once else ""
    assert of_document(tmp_path, config=config, steady_state=state).note == note
    failed = of_document(tmp_path, config=config, steady_state=state, verdict={"level": "FAIL"})
    assert failed.note == "; ".join(filter(None, [FAILED, note]))
    assert failed.energy_j == 7200.0


def test_a_withheld_score_has_its_reason_alone(tmp_path: Path) -> None:
    """No energy, no bounds, and not what would speak against it."""
    score = of_document(tmp_path, ending="interrupted", verdict={"level": "FAIL"})
    assert (score.energy_j, score.low_j, score.high_j) == (None, None, None)
    assert score.note == "its run was interrupted"


def test_results_are_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    """Not in that of their directories; those without a time come first."""
    for name, started in (("a", "2026-02"), ("b", "2026-01"), ("c", None)):
        (tmp_path / name).mkdir()
        began = {} if started is None else {"started_utc": started}
        (tmp_path / name / "result.json").write_text(json.dumps(document(config={"model": name}, **began)))
    assert [score.name for score in read_scores([tmp_path])] == ["c", "b", "a"]
    assert read_scores([tmp_path])[0].source == str(tmp_path / "c")
