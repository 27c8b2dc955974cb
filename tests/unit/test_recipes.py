"""Recipes: each is a study file that loads, expands and says what it asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.plan.expansion import expand
from ai_energy_benchmarks.study.plan.file import load_study
from ai_energy_benchmarks.study.recipes import RECIPES, Subject, recipe_text

CELLS = {"cheapest-under-slo": 7, "power-cap": 6, "batch-curve": 7, "quantization": 3, "engines": 4}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(
    "subject", [Subject(), Subject("org/some: model", "vllm"), Subject("m", "vllm", "http://h/v1")]
)
def test_every_recipe_is_a_study(tmp_path: Path, name: str, subject: Subject) -> None:
    """It has the cells that it promises, of the model that was named, and its question in the first line."""
    file = tmp_path / "study.yaml"
    text = recipe_text(name, subject, file.name).replace("http://h/v1", "http://localhost:1/v1")
    file.write_text(text)
    assert "@" not in text
    assert text.startswith(f"# {RECIPES[name]}\n")
    cells = expand(load_study(file)).cells
    assert len(cells) == CELLS[name]
    study = load_study(file)
    assert study.config.name == name
    assert study.directory == Path("results") / name
    assert study.config.base["backend"]["model"] == subject.model  # type: ignore[index, call-overload] # plain YAML


def test_a_server_is_loaded_by_requests_in_flight_and_an_engine_by_batches() -> None:
    """Each by the key that has an effect on it."""
    assert "load.concurrency" in recipe_text("batch-curve", Subject(backend="vllm"))
    assert "batch_size" in recipe_text("batch-curve", Subject())


def test_objectives_are_those_that_were_given() -> None:
    """In seconds, as scenario.slo has them."""
    text = recipe_text("cheapest-under-slo", Subject(ttft_s=0.2, tpot_s=0.03))
    assert "slo: {ttft_s: 0.2, tpot_s: 0.03}" in text


def test_what_is_not_there_is_refused_with_what_is() -> None:
    """Recipes, engines, and an address for an engine without a server."""
    with pytest.raises(ConfigError, match="power-cap"):
        recipe_text("power-cup", Subject())
    with pytest.raises(ConfigError, match="there is no backend 'torch'"):
        recipe_text("power-cap", Subject(backend="torch"))
    with pytest.raises(ConfigError, match="runs in this process"):
        recipe_text("power-cap", Subject(endpoint="http://localhost:1/v1"))


def test_the_command_prints_or_writes_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed as it would be written, with the model, the engine and the objectives of the options."""
    command = ["study", "init", "--recipe", "cheapest-under-slo", "--model", "m", "--backend", "vllm"]
    assert exit_code([*command, "--ttft-s", "0.2", "--print"]) == 0
    printed = capsys.readouterr().out
    assert printed == recipe_text("cheapest-under-slo", Subject("m", "vllm", ttft_s=0.2))
    file = tmp_path / "study.yaml"
    assert exit_code([*command, "--ttft-s", "0.2", str(file)]) == 0
    assert file.read_text() == printed
    assert exit_code(["study", "init", "--model", "m", "--print"]) == 2
    assert exit_code(["study", "init", "--recipe", "power-cup", "--print"]) == 2
