"""``compare --run``: two configs measured in turns, as one study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ai_energy_benchmarks.cli.compare import compare as compare_command
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.comparison.beforehand import check_alike
from ai_energy_benchmarks.study.comparison.together import study_of_two
from ai_energy_benchmarks.study.manifest import read_manifest
from ai_energy_benchmarks.study.plan.expansion import expand
from ai_energy_benchmarks.study.plan.file import study_from_mapping
from tests.fast_engine import QUICK
from tests.functional.test_study_survives import Place


def config(directory: Path, name: str, **backend: object) -> Path:
    """A config with a name and a place of its own, which the study does without."""
    file = directory / f"{name}.yaml"
    file.write_text(yaml.safe_dump({"name": name, "output_dir": "x", "backend": backend, **QUICK}))
    return file


def test_two_configs_are_measured_in_turns_and_compared(tmp_path: Path) -> None:
    """AB BA: each comes first as often; B takes four times as long. A second time nothing is measured again."""
    place = Place(tmp_path)
    first = config(tmp_path, "quick", type="test-fast", model="m", options={"request_s": 0.05})
    second = config(tmp_path, "slow", type="test-fast", model="m", options={"request_s": 0.2})
    options = ["--cycles", "2", "--figure", "output_tokens_per_s", "--allow", "verdict", "--format", "json"]
    done = place.run("compare", "--run", first, second, *options)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    # The machine may be busy; what is sure is who is slower.
    assert (found["quotient"]["best"] < 0.6, found["quotient"]["method"]) == (True, "paired by cycle")
    assert "backend.options.request_s: 0.05 in A, 0.2 in B" in found["noted"]
    again = place.run("compare", "--run", first, second, *options)
    assert json.loads(again.out) == found
    manifest = read_manifest(tmp_path / "results" / "quick-against-slow")
    cells = [attempt.cell for attempt in manifest.attempts]
    assert cells == [cells[0], cells[1], cells[1], cells[0]]


def test_configs_of_different_work_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    """With each difference and the option that allows it; options of the engine are no work."""
    first = config(tmp_path, "one", type="pytorch", model="m")
    second = tmp_path / "other.yaml"
    text = yaml.safe_load(first.read_text())
    scenario = {**text["scenario"], "input_shapes": {"batch_size": 4}}
    second.write_text(yaml.safe_dump({**text, "scenario": scenario, "backend": {"type": "pytorch", "model": "n"}}))
    with pytest.raises(ConfigError, match="these configs cannot be compared") as caught:
        compare_command.main(
            ["--run", str(first), str(second), "--output-dir", str(tmp_path / "out")], standalone_mode=False
        )
    assert "model: model is m in A, n in B" in caught.value.message
    assert "load: batch_size is 1 in A, 4 in B" in caught.value.message
    assert str(caught.value.remedy).endswith("--allow model --allow load")
    assert not (tmp_path / "out").exists()
    check_alike(first, second, allow=["model", "load"])
    check_alike(first, config(tmp_path, "typed", type="pytorch", model="m", options={"dtype": "float32"}))


def test_the_study_holds_both_configs_in_order(tmp_path: Path) -> None:
    """Its cells are A and B, whatever they differ in; its cycles are even, so that both come first equally often."""
    first = config(tmp_path, "one", type="pytorch", model="m")
    second = config(tmp_path, "other", type="openai", model="m", endpoint="http://localhost:1/v1")
    study = study_from_mapping(yaml.safe_load(study_of_two(first, second, tmp_path / "out")))
    assert [cell.engine for cell in expand(study).cells] == ["pytorch", "openai"]
    assert (study.config.design.cycles, study.directory) == (6, tmp_path / "out")


def test_what_is_no_comparison_of_two_configs_is_refused(tmp_path: Path) -> None:
    """Twice the same, and a study."""
    first = config(tmp_path, "one", type="pytorch", model="m")
    with pytest.raises(ConfigError, match="ask for the same"):
        study_of_two(first, config(tmp_path, "again", type="pytorch", model="m"), tmp_path)
    whole = tmp_path / "study.yaml"
    whole.write_text(yaml.safe_dump({"base": {}, "sweep": {}}))
    with pytest.raises(ConfigError, match="is a study"):
        study_of_two(first, whole, tmp_path)
