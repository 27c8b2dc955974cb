"""The configs that the repository offers as starting points."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.main import COMMANDS
from ai_energy_benchmarks.config.loading import config_from_yaml, load_config
from ai_energy_benchmarks.study.plan.file import load_study

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads(path: Path) -> None:
    """Each starting point is accepted as it stands, and writes under results/."""
    config = load_config(path)
    assert config.output_dir.parts[0] == "results"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_says_what_it_is_for(path: Path) -> None:
    """The first line of each is a comment."""
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_the_quick_start_is_the_shortened_protocol() -> None:
    """No bare idle, 2 s of resident idle, one warm-up, three trials of eight prompts with at most 32 tokens."""
    config = load_config(next(path for path in CONFIGS if path.stem == "quickstart"))
    protocol, scenario = config.protocol, config.scenario
    assert (protocol.bare_idle_s, protocol.resident_idle_s, protocol.trials) == (0, 2, 3)
    assert (protocol.warmup.mode, protocol.warmup.requests) == ("fixed", 1)
    assert (scenario.num_samples, scenario.generate_kwargs.max_new_tokens) == (8, 32)


def test_the_full_measurement_shortens_nothing() -> None:
    """The protocol of configs/pytorch.yaml is the default one."""
    config = load_config(next(path for path in CONFIGS if path.stem == "pytorch"))
    assert config.protocol == type(config.protocol)()


def test_the_prompts_of_the_example_are_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that pytorch_local_file.yaml names exists; PROMPTS replaces it."""
    path = root / "configs" / "pytorch_local_file.yaml"
    assert (root / load_config(path).scenario.dataset_name).is_file()
    monkeypatch.setenv("PROMPTS", "mine.jsonl")
    assert load_config(path).scenario.dataset_name == "mine.jsonl"


def test_the_configs_in_the_readme_load(root: Path, tmp_path: Path) -> None:
    """Every YAML block of the README is accepted as it stands, its commented alternative too; a study as a study."""
    blocks = re.findall(r"```yaml\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    alternatives = [re.sub(r"^backend:.*\n# backend", "backend", block) for block in blocks]
    assert len(blocks) >= 2
    for block in {*blocks, *alternatives}:
        if "sweep:" in block:
            (tmp_path / "study.yaml").write_text(block, encoding="utf-8")
            assert load_study(tmp_path / "study.yaml").config.sweep
        else:
            assert config_from_yaml(block).backend.model


def test_the_commands_in_the_readme_exist(root: Path) -> None:
    """Every subcommand that the README shows is one of the command line's."""
    shown = re.findall(r"^ai-energy-benchmark ([\w-]+)", (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(shown) >= 6
    assert set(shown) <= set(COMMANDS)
