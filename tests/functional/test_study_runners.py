"""A study whose engines have environments of their own, as its user runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ai_energy_benchmarks.registry import PLUGINS_VARIABLE
from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE
from ai_energy_benchmarks.study.manifest import read_manifest
from tests.container_stand_in import DIGEST, IMAGE_ID, StandIn, values_of
from tests.container_stand_in import install as install_engine
from tests.fast_engine import QUICK, install
from tests.functional.commands import Done, command
from tests.unit.test_runners import HERE, ROOT, make_venv

# An engine's settings are checked where the study is read, so its package is there too; only its venv has the library.
THERE = "test-fast-there"


class Engines:
    """Two engines, one of them in a venv in which a library has another version."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.study = directory, directory / "results"
        install(directory / "engine", THERE)
        (directory / "locks").mkdir()
        self.library("1.0")
        self.venv = make_venv(directory / "venv", ROOT, str(directory / "libraries"), str(directory / "engine"), HERE)
        self.environment = {
            "PYTHONPATH": os.pathsep.join([str(directory / "engine"), ROOT]),
            DIRECTORY_VARIABLE: str(directory / "locks"),
            PLUGINS_VARIABLE: "aeb-test-fast",
        }

    def library(self, version: str) -> None:
        """Install a library of the venv, as far as its metadata."""
        record = self.directory / "libraries" / "zeus.dist-info"
        record.mkdir(parents=True, exist_ok=True)
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: zeus\nVersion: {version}\n")

    def write(self, runner: Any, **execution: Any) -> Path:
        study = {
            "base": {"backend": {"model": "m"}, **QUICK},
            "sweep": {"backend.type": ["test-fast", THERE]},
            "design": {"cycles": 1, "order": "interleave"},
            "execution": {"runners": {THERE: runner}, **execution},
            "output_dir": str(self.study),
        }
        file = self.directory / "study.yaml"
        file.write_text(yaml.safe_dump(study))
        return file

    def run(self, *arguments: str | Path) -> Done:
        return command(*arguments, cwd=self.directory, **self.environment)

    def documents(self) -> dict[str, dict[str, Any]]:
        """Engine → the report of its cell."""
        found = {}
        for file in self.study.glob("cells/*/*/result.json"):
            document = json.loads(file.read_text())
            found["there" if THERE in str(file) else "here"] = document
        return found


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return Engines(tmp_path)


def test_a_study_runs_an_engine_in_its_venv(engines: Engines) -> None:
    """The report describes the environment of the venv, the manifest names it, and other versions are refused."""
    file = engines.write({"venv": "venv"})
    done = engines.run("run", file)
    assert (done.code, done.err) == (0, ""), done.out + done.err
    assert [each.runner["kind"] for each in read_manifest(engines.study).attempts] == ["process", "venv"]
    libraries = {place: each["environment"]["libraries"] for place, each in engines.documents().items()}
    assert libraries["there"]["zeus"] == "1.0"
    assert libraries["here"].get("zeus") != "1.0"
    engines.library("2.0")
    refused = engines.run("study", "resume", engines.study)
    assert refused.code == 2
    assert f"{THERE}: library zeus: was 1.0, is 2.0" in refused.err
    assert engines.run("study", "resume", engines.study, "--accept-drift").code == 0


@pytest.mark.heavy
def test_cells_of_a_block_share_a_process_of_their_venv(engines: Engines) -> None:
    """A model that stays loaded stays so there too."""
    file = engines.write({"venv": "venv"}, isolation="shared")
    done = engines.run("run", file, "-o", "sweep.scenario.num_samples=[1, 2]")
    assert done.code == 0, done.out + done.err
    shared: dict[str, set[int]] = {}
    for attempt in read_manifest(engines.study).attempts:
        document = json.loads((engines.study / attempt.directory / "result.json").read_text())
        settings = document["backend_info"]["settings"]
        shared.setdefault(attempt.runner["kind"], set()).add(settings["process"])
    assert {kind: len(processes) for kind, processes in shared.items()} == {"process": 1, "venv": 1}


def in_containers(engines: Engines) -> StandIn:
    """A stand-in for docker first on ``PATH``, in whose image is the venv."""
    stand_in = install_engine(engines.directory / "docker", "docker", engines.venv / "bin" / "python")
    engines.environment["PATH"] = os.pathsep.join([str(stand_in.bin), os.environ["PATH"]])
    return stand_in


def test_a_study_runs_an_engine_in_a_container(engines: Engines) -> None:
    """By the image's own id; the report has the image with its digest, and nothing of the environment leaks into it."""
    stand_in = in_containers(engines)
    engines.environment["MY_SECRET"] = "hush-hush-hush"
    file = engines.write({"container": "vllm:1", "variables": ["MY_SECRET"]})
    done = engines.run("run", file)
    assert (done.code, done.err) == (0, ""), done.out + done.err
    attempt = read_manifest(engines.study).attempts[1]
    assert attempt.runner == {
        "kind": "container", "image": "vllm:1", "engine": "docker", "digest": DIGEST, "id": IMAGE_ID,
    }  # fmt: skip
    environment = engines.documents()["there"]["environment"]
    assert environment["image"] == f"vllm:1@{DIGEST}"
    assert environment["libraries"]["zeus"] == "1.0"
    assert engines.documents()["here"]["environment"]["image"] is None
    asked, ran = stand_in.calls("run")
    place = engines.study / attempt.directory
    assert f"type=bind,source={place},target={place}" in values_of(ran, "--mount")
    assert "hush" not in stand_in.journal.read_text()
    assert asked[-1] == "ai_energy_benchmarks.cli.handshake"
    assert stand_in.calls("kill") == []


@pytest.mark.parametrize(
    "options", [{"request_s": 600.0}, pytest.param({"hangs": True}, marks=pytest.mark.heavy)], ids=["slow", "hangs"]
)
def test_a_container_that_takes_too_long_is_killed(engines: Engines, options: dict[str, object]) -> None:
    """Its command is no parent of what runs in it, so the engine is told to end it; one that hangs has 30 s first."""
    stand_in = in_containers(engines)
    file = engines.write({"container": "vllm:1"}, timeout_s=5)
    study = yaml.safe_load(file.read_text())
    study["sweep"] = {"backend.type": [THERE]}
    study["base"]["backend"]["options"] = options
    file.write_text(yaml.safe_dump(study))
    assert engines.run("run", file).code == 1
    (attempt,) = read_manifest(engines.study).attempts
    assert attempt.state == "timed out"
    (killed,) = stand_in.calls("kill")
    assert killed[1] == values_of(stand_in.calls("run")[-1], "--name")[0]
