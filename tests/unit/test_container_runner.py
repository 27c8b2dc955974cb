"""Cells in containers: what docker, podman and apptainer are called with, and which gaps are named beforehand."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.environment.boards import Boards
from ai_energy_benchmarks.environment.doctor import hardware_lines
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine import container_engines
from ai_energy_benchmarks.machine.container_engines import ContainerEngine, Image, engines_readiness, first_that_works
from ai_energy_benchmarks.study.commands import CellCommand
from ai_energy_benchmarks.study.plan.checking import planned
from ai_energy_benchmarks.study.plan.runner import ContainerConfig
from ai_energy_benchmarks.study.runners.base import CellWork
from ai_energy_benchmarks.study.runners.container import ContainerRunner
from ai_energy_benchmarks.study.runners.mounts import mounts_of
from ai_energy_benchmarks.study.running.preflight import Preflight, look
from tests.container_stand_in import DIGEST, IMAGE_ID, install, values_of
from tests.unit.study_fakes import MACHINE
from tests.unit.test_runners import HERE, ROOT, make_venv, study_of


def on_path(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Nothing but what the tests put there."""
    monkeypatch.setenv("PATH", str(directory))


def launched(tmp_path: Path, name: Any = "docker", *, gpus: bool = False, **config: Any) -> CellCommand:
    """The command of a cell whose config names a model and a secret."""
    (tmp_path / "model").mkdir(exist_ok=True)
    cell = tmp_path / "cell.yaml"
    cell.write_text(
        f"backend: {{type: vllm_offline, model: '{tmp_path}/model', options: {{hf_token: '${{MY_TOKEN}}'}}}}\n"
        "scenario: {dataset_name: builtin}\n"
    )
    engine = ContainerEngine(name, f"/bin/{name}", "1", rootless=config.pop("rootless", False))
    runner = ContainerRunner(
        ContainerConfig("vllm:1", **config), ("vllm_offline",), gpus, engine, Image(IMAGE_ID, DIGEST)
    )
    return runner.command(CellWork(cell, tmp_path, {"AEB_SECRET_KEY": "hush"}, ("GPU-1",) if gpus else ()))


def test_docker_gets_paths_users_gpus_and_names_of_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are the same inside, what is not written to is read-only, and no value of a secret is in the arguments."""
    monkeypatch.setenv("MY_TOKEN", "hush-too")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    launch = launched(tmp_path, gpus=True, mounts=("/data:/data:ro",), variables=("MINE",))
    words = list(launch.command)
    assert words[:5] == ["/bin/docker", "run", "--rm", "--interactive", "--name"]
    assert values_of(words, "--user") == [f"{os.getuid()}:{os.getgid()}"]
    assert values_of(words, "--gpus") == ["all"]
    assert values_of(words, "--volume") == ["/data:/data:ro"]
    assert set(values_of(words, "--mount")) >= {
        f"type=bind,source={tmp_path},target={tmp_path}",
        f"type=bind,source={tmp_path}/model,target={tmp_path}/model,readonly",
        f"type=bind,source={tmp_path}/hub,target={tmp_path}/hub",
    }
    names = values_of(words, "--env")
    assert {"AEB_SECRET_KEY", "MY_TOKEN", "MINE", "CUDA_VISIBLE_DEVICES", "HF_HOME", "AEB_CELL_MARK"} <= set(names)
    assert not any("hush" in word for word in words)
    assert launch.environment["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert launch.environment["AEB_SECRET_KEY"] == "hush"
    inside = words[words.index("--entrypoint") :]
    assert inside[:3] == ["--entrypoint", "python3", IMAGE_ID]
    assert words[-1] == str(tmp_path / "cell.yaml")
    assert values_of(words, "--output-dir") == [str(tmp_path)]
    assert launch.shared_command == ()
    assert launch.detached is not None
    assert launch.detached.end == ("/bin/docker", "kill", words[5])


def test_podman_and_a_rootless_docker_have_users_of_their_own(tmp_path: Path) -> None:
    """What they write belongs to whoever runs the study."""
    words = list(launched(tmp_path, "podman", gpus=True, rootless=True).command)
    assert values_of(words, "--userns") == ["keep-id"]
    assert values_of(words, "--device") == ["nvidia.com/gpu=all"]
    assert values_of(words, "--security-opt") == ["label=disable"]
    assert "--gpus" not in words
    assert "--user" not in launched(tmp_path, "docker", rootless=True).command


def test_namespaces_of_the_host_are_shared_as_the_study_says(tmp_path: Path) -> None:
    """Without that of its processes, docker's init reaps what is left over."""
    words = list(launched(tmp_path).command)
    assert [values_of(words, option) for option in ("--network", "--pid", "--ipc")] == [["host"]] * 3
    words = list(launched(tmp_path, share=("ipc",)).command)
    assert [values_of(words, option) for option in ("--network", "--pid", "--ipc")] == [[], [], ["host"]]
    assert "--init" in words


def test_apptainer_has_the_environment_of_its_caller(tmp_path: Path) -> None:
    """Without what leads to modules of another interpreter; its processes are children of it and end with it."""
    launch = launched(tmp_path, "apptainer", gpus=True)
    words = list(launch.command)
    assert words[1] == "exec"
    assert "--nv" in words
    assert f"{tmp_path}:{tmp_path}" in values_of(words, "--bind")
    assert launch.detached is None
    assert "PYTHONPATH" in launch.unset
    assert launch.environment["PYTHONNOUSERSITE"] == "1"


def test_a_path_that_means_something_else_inside_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home directory, a relative path, and a colon, which separates paths in the arguments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.csv").touch()
    with pytest.raises(ConfigError, match=r"scenario\.dataset_name: prompts.csv is another path in a container"):
        list(mounts_of("scenario: {dataset_name: prompts.csv}\n"))
    with pytest.raises(ConfigError, match=r"backend\.model: ~/m is another path in a container"):
        list(mounts_of("backend: {model: ~/m}\n"))
    (tmp_path / "a:b").mkdir()
    with pytest.raises(ConfigError, match="it has a colon or a comma"):
        list(mounts_of(f"backend: {{model: '{tmp_path}/a:b'}}\n"))
    assert list(mounts_of("backend: {model: org/name}\nmetrics: {collectors: [{options: {root: /sys}}]}\n")) == []


def seen(name: str, image: str = "vllm:1", environment: Environment = MACHINE) -> Preflight:
    study = study_of({"vllm_offline": {"container": image, "engine": name}})
    return look(study, planned(study).cells, environment)


def test_an_engine_that_is_missing_and_an_image_that_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is one error with its fix."""
    on_path(monkeypatch, tmp_path / "bin")
    (obstacle,) = seen("podman").obstacles
    assert str(obstacle).startswith("vllm_offline: podman is not installed\n  fix: install it: https://podman.io")
    install(tmp_path, "docker", Path("python3"))
    (obstacle,) = seen("docker", "gone:2").obstacles
    assert str(obstacle).startswith("vllm_offline: image gone:2 is not on this machine\n  fix: docker pull gone:2")
    install(tmp_path, "apptainer", Path("python3"))
    (obstacle,) = seen("apptainer").obstacles
    assert "fix: apptainer pull vllm_1.sif docker://vllm:1" in str(obstacle)


def test_an_image_file_is_for_apptainer_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker is not asked for a file, and where apptainer is missing the fix installs it."""
    on_path(monkeypatch, install(tmp_path, "docker", Path("python3")).bin)
    (tmp_path / "vllm.sif").write_bytes(b"image")
    (obstacle,) = seen("auto", str(tmp_path / "vllm.sif")).obstacles
    assert obstacle.text.endswith("is an image file, which apptainer alone runs, and apptainer is not installed")
    assert obstacle.fix.startswith("install it: https://apptainer.org")
    (obstacle,) = seen("docker", str(tmp_path / "vllm.sif")).obstacles
    assert "which docker does not run" in obstacle.text
    assert obstacle.fix.startswith("write engine: apptainer")


def test_doctor_says_what_an_engine_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That a program answers does not show that it runs an image, and a container around is no engine."""
    on_path(monkeypatch, install(tmp_path, "docker", Path("python3")).bin)
    ready = engines_readiness(gpus=False)["docker"]
    assert (ready.state, ready.detail.endswith(", answers `docker info`; no image was run")) == ("ready", True)
    (tmp_path / ".dockerenv").touch()
    (line,) = [line for line in hardware_lines(tmp_path, Boards()) if line.subject == "container"]
    assert line.detail == "this machine is one, of docker"


@pytest.mark.parametrize("name", ["docker", "podman", "apptainer"])
def test_an_image_is_asked_before_the_first_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What it lacks is named; its digest is what a resumed study must find again."""
    place = make_venv(tmp_path / "venv", ROOT, HERE)
    stand_in = install(tmp_path, name, place / "bin" / "python")
    on_path(monkeypatch, stand_in.bin)
    image, digest = "vllm:1", DIGEST
    if name == "apptainer":
        (tmp_path / "vllm.sif").write_bytes(b"image")
        image, digest = str(tmp_path / "vllm.sif"), f"sha256:{hashlib.sha256(b'image').hexdigest()}"
    study = study_of({"tensorrt_llm_offline": {"container": image, "engine": name, "python": f"{place}/bin/python"}},
                     ["tensorrt_llm_offline"])  # fmt: skip
    found = look(study, planned(study).cells, MACHINE)
    assert [each.text for each in found.obstacles] == ["tensorrt-llm not installed"]
    assert found.facts["tensorrt_llm_offline: digest"] == digest
    record = found.runners["tensorrt_llm_offline"].record()
    assert {"kind": "container", "image": image, "engine": name, "digest": digest}.items() <= record.items()


def test_gpus_that_cannot_be_passed_through_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has them; elsewhere nothing is missing."""
    stand_in = install(tmp_path, "podman", Path("python3"))
    on_path(monkeypatch, stand_in.bin)
    monkeypatch.setattr(container_engines, "CDI_DIRECTORIES", (tmp_path / "cdi",))
    here = engines_readiness(gpus=True)
    assert (here["docker"].state, here["podman"].state) == ("missing", "limited")
    assert "no file describes them" in here["podman"].detail
    assert "nvidia-ctk cdi generate" in (here["podman"].remedy or "")
    assert engines_readiness(gpus=False)["podman"].state == "ready"
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi" / "nvidia.yaml").touch()
    assert engines_readiness(gpus=True)["podman"].state == "ready"


NO_DAEMON = "Cannot connect to the Docker daemon at unix:///x."


@pytest.mark.parametrize(
    ("printed", "complaint", "fix"),
    [
        ({"ServerVersion": ""}, NO_DAEMON, "systemctl start"),
        ({"ServerVersion": ""}, "permission denied while trying to connect", "usermod -aG docker"),
        ({"ServerErrors": ["it is ill"]}, "", "systemctl"),
        ({"host": {}, "version": {}}, "", "engine: podman"),
    ],
)
def test_a_docker_that_does_not_work_has_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Mapping[str, object], complaint: str, fix: str
) -> None:
    """As its command says it, with the fix."""
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{json.dumps(printed)}'; echo '{complaint}' >&2\n")
    (tmp_path / "docker").chmod(0o755)
    on_path(monkeypatch, tmp_path)
    ready = engines_readiness(gpus=False)["docker"]
    assert (complaint or ("ill" if "ServerErrors" in printed else "podman")) in ready.detail
    assert fix in (ready.remedy or "")
    with pytest.raises(ConfigError, match="no container engine works here") as caught:
        first_that_works()
    assert "venv: PATH" in str(caught.value)
