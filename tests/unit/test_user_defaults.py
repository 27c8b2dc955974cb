"""The user's own defaults, under what the config says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.config.aienergyscore.classes import resolve
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.config.parser import ConfigParser
from ai_energy_benchmarks.config.user_defaults import SWITCH, UserDefaults, laid_under, read_user_defaults
from ai_energy_benchmarks.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of the test's own, with the defaults turned on."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.delenv(SWITCH, raising=False)
    return tmp_path


def write(home: Path, text: str) -> None:
    directory = home / ".config" / "ai_energy_benchmarks"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "defaults.yaml").write_text(text)


@pytest.mark.parametrize("text", [None, "", "# trials: 3\n\n"])
def test_without_a_word_there_are_no_defaults(home: Path, text: str | None) -> None:
    """No file, an empty one and one of comments change nothing."""
    if text is not None:
        write(home, text)
    assert read_user_defaults() is None


def test_the_variable_turns_them_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AEB_NO_USER_DEFAULTS=1 leaves the file out; 0 does not."""
    write(home, "protocol: {trials: 3}")
    monkeypatch.setenv(SWITCH, "0")
    assert read_user_defaults() is not None
    monkeypatch.setenv(SWITCH, "1")
    assert read_user_defaults() is None


def test_the_file_is_named_without_its_user(home: Path) -> None:
    """A result may be published, so the home directory is a tilde."""
    write(home, "protocol: {trials: 3}")
    assert read_user_defaults() == UserDefaults(
        "~/.config/ai_energy_benchmarks/defaults.yaml", {"protocol": {"trials": 3}}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just words", "must hold keys of a config, got 'just words'"),
        ("name: a\nname: b", "line 1: name: is given twice, in lines 1 and 2"),
        ("name: [", "is not valid YAML"),
        ("reporter: csv\nreporters: [csv]", "reporter: is the older form of 'reporters'"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_error(home: Path, text: str, message: str) -> None:
    """It names the file of the defaults, not the config."""
    write(home, text)
    with pytest.raises(ConfigError, match=r"defaults\.yaml") as caught:
        read_user_defaults()
    assert message in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("defaults", "mapping", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 9}}, {"a": {"b": 9, "c": 2}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"k": {"x.y": 1}}, {"k": {"x.y": 2}}, {"k": {"x.y": 2}}),
        (
            {"backend": {"type": "pytorch", "options": {"threads": 1}}},
            {"backend": {"type": "vllm", "model": "m"}},
            {"backend": {"type": "vllm", "model": "m"}},
        ),
        (
            {"backend": {"device": "cpu"}},
            {"backend": {"type": "vllm", "model": "m"}},
            {"backend": {"device": "cpu", "type": "vllm", "model": "m"}},
        ),
        ({"reporters": ["csv"]}, {"reporter": "json"}, {"reporter": "json"}),
        ({"metrics": {"collectors": ["rapl"]}}, {"metrics": {"type": "nvml"}}, {"metrics": {"type": "nvml"}}),
    ],
)
def test_what_the_config_says_stands(
    defaults: dict[str, object], mapping: dict[str, object], expected: dict[str, object]
) -> None:
    """Blocks are merged, lists are not; the options of another engine, and the newer form of a key, are left out."""
    assert laid_under(defaults, mapping) == expected


def test_they_are_checked_with_the_config(home: Path, tmp_path: Path) -> None:
    """An unknown key is refused, and the message says that a second file takes part."""
    write(home, "protocol: {trails: 3}")
    (tmp_path / "b.yaml").write_text("backend: {type: pytorch, model: m}")
    with pytest.raises(ConfigError, match=r"b\.yaml with the defaults of .*defaults\.yaml") as caught:
        load_config(tmp_path / "b.yaml", defaults=read_user_defaults())
    assert "did you mean 'trials'" in caught.value.message


def test_aienergyscore_never_reads_them(home: Path, tmp_path: Path) -> None:
    """Its configs, and every config of a library user, are the same in every home."""
    (tmp_path / "b.yaml").write_text("backend: {type: pytorch, model: m}")
    before = load_config(tmp_path / "b.yaml"), resolve(ConfigParser.load_config(tmp_path / "b.yaml"))
    write(home, "name: mine\nscenario: {num_samples: 1}\nprotocol: {trials: 9}")
    assert (load_config(tmp_path / "b.yaml"), resolve(ConfigParser.load_config(tmp_path / "b.yaml"))) == before


def test_a_batch_lays_them_in_and_its_processes_do_not_look_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model was asked for is one file, whatever becomes of the defaults while the batch runs."""
    write(home, "metrics: {country_iso_code: FRA}")
    (home / "models.csv").write_text("Models to Add\nus/model\n")
    program = home / "python"
    program.write_text(f'#!/bin/sh\necho "{SWITCH}=${SWITCH}"\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert exit_code(["batch", str(home / "models.csv"), "--output-dir", str(home / "out")]) == 1
    asked = load_config(home / "out" / "individual_runs" / "us_model" / "asked.yaml")
    assert asked.metrics.country_iso_code == "FRA"
    assert (home / "out" / "logs" / "us_model.log").read_text() == f"{SWITCH}=1\n"
