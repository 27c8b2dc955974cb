"""Many results as one frame: of a directory, and of a study by its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest

from ai_energy_benchmarks import load_frame
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.cells import Cell, write_cells
from ai_energy_benchmarks.study.manifest_writer import ManifestWriter
from ai_energy_benchmarks.study.stored_runs import read_runs
from tests.unit.test_compare import BASE, changed


def write(directory: Path, **changes: object) -> Path:
    directory.mkdir(parents=True)
    (directory / "result.json").write_text(json.dumps(changed(BASE, changes)))
    return directory


def study(directory: Path) -> Path:
    """Two cells, two cycles; one cell's second cycle failed, and an attempt before it was killed."""
    cells = [
        Cell(f"b{batch}-0", f"batch={batch}", {"batch": batch, "stop": ["x"]}, "fake", "0" * 64) for batch in (1, 2)
    ]
    directory.mkdir(parents=True)
    write_cells(directory, cells)
    with ManifestWriter(directory) as manifest:
        manifest.add("opened", schema_version=1, study_sha256="", seed=1, host="", pid=1, environment={})
        for cycle in (1, 2):
            manifest.add("cycle", cycle=cycle, seed=1, order=[cell.id for cell in cells])
            for position, cell in enumerate(cells):
                place = {"cell": cell.id, "cycle": cycle, "position": position, "attempt": 1}
                place["directory"] = f"cells/{cell.id}/{cycle}"
                manifest.add("started", **place, gpus=[], gap_s=0.0, gate="")
                state = "failed" if (cycle, position) == (2, 1) else "completed"
                if state == "completed":
                    per_token = dict.fromkeys(("value", "low", "high"), 5.0 / (position + 1) + 0.01 * cycle)
                    write(directory / place["directory"], derived__gpu__j_per_output_token=per_token)
                ended = {"state": state, "verdict": "PASS", "reason": "no memory" if state == "failed" else ""}
                manifest.add("ended", **place, **ended, exit_code=0, wall_s=1.0)
    return directory


def test_a_directory_of_results_is_one_frame_with_what_differs(tmp_path: Path) -> None:
    """Axes are the keys in which the configs differ; withheld figures are null with the reason."""
    write(tmp_path / "1")
    write(tmp_path / "2", config__settings__load__concurrency=4, tokens__in_doubt="they contradict")
    frame = load_frame(tmp_path)
    assert frame["load.concurrency"].to_list() == [1, 4]
    assert "load.salt" not in frame.columns
    assert frame["j_per_output_token"].to_list() == [5.0, None]
    assert frame["gpu.energy_j"].to_list() == [100.0, 100.0]
    assert frame["gpu.energy_j_low"][0] < 100.0 < frame["gpu.energy_j_high"][0]
    assert frame["withheld"].to_list() == [None, "token counts are in doubt: they contradict"]
    assert frame["verdict"].to_list() == ["PASS", "PASS"]
    assert frame["backend.model"].to_list() == ["test-model"] * 2


def test_a_study_has_a_row_for_each_cell_and_cycle(tmp_path: Path) -> None:
    """Its axes are its settings; what did not complete has its row and its reason."""
    frame = load_frame(study(tmp_path / "study"))
    assert frame.select("cell", "cycle", "position", "state", "reason", "batch", "stop").rows() == [
        ("b1-0", 1, 0, "completed", None, 1, '["x"]'),
        ("b2-0", 1, 1, "completed", None, 2, '["x"]'),
        ("b1-0", 2, 0, "completed", None, 1, '["x"]'),
        ("b2-0", 2, 1, "failed", "no memory", 2, '["x"]'),
    ]
    assert frame["j_per_output_token"].to_list() == [5.01, 2.51, 5.02, None]
    means = frame.drop_nulls("j_per_output_token").group_by("batch").agg(polars.col("j_per_output_token").mean())
    assert dict(means.rows()) == {1: pytest.approx(5.015), 2: pytest.approx(2.51)}


def test_a_single_result_is_a_frame_with_all_its_columns(tmp_path: Path) -> None:
    """So that frames can be put one under the other."""
    one, two = load_frame(write(tmp_path / "1")), load_frame(study(tmp_path / "study"))
    both = polars.concat([one, two], how="diagonal_relaxed")
    assert both["j_per_output_token"].len() == 5
    assert one["cycle"].dtype == polars.Int64
    with pytest.raises(ConfigError, match="cannot read"):
        load_frame(tmp_path / "nowhere")


def test_cells_of_a_study_are_named_by_path_label_or_id(tmp_path: Path) -> None:
    """All lead to the completed cycles of the cell; a study of several cells, and a name of none, list the cells."""
    directory = study(tmp_path / "study")
    by_path, by_label, by_id = (
        read_runs([name]) for name in (directory / "cells" / "b1-0", f"{directory}:batch=1", f"{directory}:b1")
    )
    assert [run.cycle for run in by_path] == [1, 2]
    assert [run.directory for run in by_path] == [run.directory for run in by_label] == [run.directory for run in by_id]
    assert {run.study for run in by_path} == {directory.resolve()}
    assert [run.cycle for run in read_runs([f"{directory}:batch=2"])] == [1]  # the second cycle failed
    for name, said in (
        (str(directory), "is a study of 2 cells: batch=1, batch=2"),
        (f"{directory}:x", "no single cell"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_runs([name])
