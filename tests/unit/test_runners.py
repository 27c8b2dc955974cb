"""Where cells run: virtual environments, what keeps an engine from running there, and what of it is kept."""

from __future__ import annotations

import json
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.result import SCHEMA_VERSION
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.study.manifest import read_manifest
from ai_energy_benchmarks.study.plan.checking import planned
from ai_energy_benchmarks.study.plan.file import load_study, study_from_mapping, study_to_yaml
from ai_energy_benchmarks.study.plan.study import Study
from ai_energy_benchmarks.study.runners.base import CellWork
from ai_energy_benchmarks.study.runners.handshake import MARK, reply_to
from ai_energy_benchmarks.study.runners.installing import requirement
from ai_energy_benchmarks.study.runners.venv import VenvRunner
from ai_energy_benchmarks.study.running.opening import begin, resume
from ai_energy_benchmarks.study.running.preflight import Preflight, look
from tests.unit.study_fakes import MACHINE, FakeExecutor, make_study, run

ROOT = str(Path(__file__).parents[2])
HERE = sysconfig.get_paths()["purelib"]


def make_venv(directory: Path, *paths: str) -> Path:
    """A virtual environment without pip whose interpreter finds modules in these directories too."""
    venv.create(directory, symlinks=True)
    (packages,) = directory.glob("lib/python*/site-packages")
    (packages / "paths.pth").write_text("".join(f"{path}\n" for path in paths))
    return directory


def other_package(directory: Path, handshake: str = "") -> str:
    """A copy of this package that is another version: its answer is the text, or it has none."""
    inner = directory / "ai_energy_benchmarks"
    (inner / "cli").mkdir(parents=True)
    (inner / "__init__.py").touch()
    (inner / "cli" / "__init__.py").touch()
    if handshake:
        (inner / "cli" / "handshake.py").write_text(f"print({handshake!r})\n")
    return str(directory)


def study_of(runners: Any, engines: Sequence[str] = ("vllm_offline",), **more: Any) -> Study:
    return study_from_mapping(
        {
            "base": {"backend": {"model": "m"}},
            "sweep": {"backend.type": list(engines)},
            "execution": {"runners": runners, **more},
        }
    )


def seen(study: Study, environment: Environment = MACHINE) -> Preflight:
    return look(study, planned(study).cells, environment)


def test_a_venv_that_is_missing_is_one_error_with_the_commands_that_make_it(tmp_path: Path) -> None:
    """The extra of the engine and the version of this package are in the line."""
    study = study_of({"vllm_offline": {"venv": str(tmp_path / "gone")}})
    (obstacle,) = seen(study).obstacles
    assert (obstacle.engine, obstacle.text) == ("vllm_offline", f"venv {tmp_path / 'gone'} does not exist")
    python = f"{tmp_path / 'gone'}/bin/python"
    install = requirement(["vllm_offline"])
    assert "[vllm]" in install
    assert obstacle.fix == f"python3 -m venv {tmp_path / 'gone'} && {python} -m pip install {install}"
    with pytest.raises(ConfigError, match=r"vllm_offline: venv .* does not exist"):
        begin(study, planned(study), MACHINE, look)
    (tmp_path / "gone").mkdir()
    assert seen(study).obstacles[0].text == f"venv {tmp_path / 'gone'} holds no virtual environment"


@pytest.mark.parametrize(
    ("handshake", "text"),
    [
        (None, "ai_energy_benchmarks is not installed there"),
        ("", "ai_energy_benchmarks there is too old to be asked what it is"),
        (
            MARK + json.dumps({"schema_version": 99, "package_version": "9.0", "python": "3.11", "libraries": {},
                               "obstacles": {}}),
            f"ai_energy_benchmarks 9.0 there writes reports of schema version 99, this one of {SCHEMA_VERSION}",
        ),
        ("nonsense", "does not answer: exit code 0"),
    ],
)  # fmt: skip
def test_a_venv_without_this_version_of_the_package_is_one_error_for_each_engine(
    tmp_path: Path, handshake: str | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first cell, with the pip line that mends it; PYTHONPATH does not lend it the one of the study."""
    monkeypatch.setenv("PYTHONPATH", ROOT)
    paths = [] if handshake is None else [other_package(tmp_path / "other", handshake)]
    place = str(make_venv(tmp_path / "venv", *paths))
    found = seen(study_of({"vllm_offline": {"venv": place}, "pytorch": {"venv": place}}, ["vllm_offline", "pytorch"]))
    assert [each.engine for each in found.obstacles] == ["vllm_offline", "pytorch"]
    for obstacle in found.obstacles:
        assert text in obstacle.text
        if handshake != "nonsense":
            assert obstacle.fix == f"{place}/bin/python -m pip install {requirement(['vllm_offline', 'pytorch'])}"


def test_an_engine_that_a_venv_lacks_is_named_with_the_pip_of_the_venv(tmp_path: Path) -> None:
    """The environment itself is fine: its versions are facts that a resumed study must find again."""
    place = make_venv(tmp_path / "venv", ROOT, HERE)
    found = seen(study_of({"tensorrt_llm_offline": {"venv": str(place)}}, ["tensorrt_llm_offline"]))
    (obstacle,) = found.obstacles
    assert str(obstacle) == (
        f"tensorrt_llm_offline in venv {place}: tensorrt-llm not installed\n"
        f"  fix: {place}/bin/python -m {install_line('tensorrt')}"
    )
    assert found.facts["tensorrt_llm_offline: venv"] == str(place)
    assert found.facts["tensorrt_llm_offline: python"] == "{}.{}.{}".format(*sys.version_info)
    assert "tensorrt_llm_offline: library polars" in found.facts


def test_a_plan_names_engines_and_gpus_that_are_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fix for each; running it is refused before anything is written."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "s.yaml"
    file.write_text(
        "base: {backend: {type: tensorrt_llm_offline, model: m}}\nsweep: {scenario.seed: [1, 2]}\n"
        "execution: {gpus: [7]}\n"
    )
    assert exit_code(["study", "plan", str(file)]) == 0
    out = capsys.readouterr().out
    assert "2 cells" in out
    said = out.split("This machine cannot run it as it is:\n")[1].splitlines()
    assert said[0] == "  execution.gpus names 7; the driver shows none"
    assert said[2].startswith("  tensorrt_llm_offline: tensorrt-llm not installed")
    assert said[3].startswith("    fix: pip install ")
    assert exit_code(["run", str(file)]) == 2
    assert "2 problems prevent this study" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_the_config_of_a_cell_is_checked_by_the_version_that_will_run_it() -> None:
    """A key that another version does not know is in the answer, and the other engines are answered all the same."""
    good = "backend: {type: openai, model: m, endpoint: 'http://127.0.0.1:1/v1'}\n"
    reply = reply_to({"openai": [good], "vllm": [good + "newer_key: 1\n"]})
    assert reply.obstacles["openai"] == ()
    assert "newer_key" in reply.obstacles["vllm"][0].text
    assert reply.schema_version == SCHEMA_VERSION


def test_paths_of_runners_are_whole_in_the_file_of_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the study can be resumed from anywhere; a link stays a link, since a venv's interpreter is one."""
    monkeypatch.chdir(tmp_path)
    study = study_of({"vllm_offline": {"venv": "envs/vllm"}, "pytorch": "process"})
    (tmp_path / "study.yaml").write_text(study_to_yaml(study.config, 1))
    assert load_study(tmp_path / "study.yaml").config.execution.runners == study.config.execution.runners
    assert f"venv: {tmp_path}/envs/vllm" in (tmp_path / "study.yaml").read_text()


def test_a_runner_of_an_unknown_engine_or_kind_is_a_problem_of_the_file() -> None:
    """With the nearest name."""
    with pytest.raises(
        ConfigError, match=r"execution\.runners\.vlm_offline: is no engine; did you mean 'vllm_offline'"
    ):
        study_of({"vlm_offline": "process"})
    with pytest.raises(ConfigError, match=r"execution\.runners\.pytorch"):
        study_of({"pytorch": {"vnev": "x"}}, ["pytorch"])


def test_a_cell_in_a_venv_inherits_nothing_that_leads_to_other_modules(tmp_path: Path) -> None:
    """Its interpreter and its programs come first, and secrets are in its environment, not in its command line."""
    runner = VenvRunner(tmp_path / "v")
    launch = runner.command(CellWork(tmp_path / "cell.yaml", tmp_path, {"AEB_SECRET_KEY": "hush"}, ("GPU-1",)))
    assert launch.command[0] == f"{tmp_path}/v/bin/python"
    assert launch.command[-1] == str(tmp_path / "cell.yaml")
    assert not any("hush" in word or ROOT in word for word in launch.command)
    assert {"PYTHONPATH", "PYTHONHOME"} <= set(launch.unset)
    assert launch.environment["PATH"].startswith(f"{tmp_path}/v/bin:")
    assert launch.environment["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert launch.environment["AEB_SECRET_KEY"] == "hush"
    assert launch.shared_command[0] == launch.command[0]


def test_the_manifest_has_the_runner_of_each_cell(tmp_path: Path) -> None:
    """Of the venv its directory."""
    study = make_study(tmp_path, 1, execution={"runners": {"pytorch": {"venv": "/opt/v"}}}, design={"cycles": 1})
    opened = begin(study, planned(study), MACHINE)
    executor = FakeExecutor()
    run(opened, executor)
    (attempt,) = read_manifest(opened.directory).attempts
    assert attempt.runner == {"kind": "venv", "venv": "/opt/v"}
    assert executor.runs[0].command[0] == "/opt/v/bin/python"
    inherited = executor.runs[0].variables({"PYTHONPATH": "/x", "HOME": "/h"})
    assert "PYTHONPATH" not in inherited
    assert inherited["HOME"] == "/h"


def test_a_study_is_not_resumed_with_other_libraries_in_its_venv(tmp_path: Path) -> None:
    """The engine and the library are named, with both versions."""
    study = make_study(tmp_path, 1)

    def found(version: str) -> Any:
        return lambda *_: Preflight(facts={"vllm_offline: library vllm": version})

    opened = begin(study, planned(study), MACHINE, found("0.11"))
    run(opened, FakeExecutor())
    with pytest.raises(ConfigError, match=r"vllm_offline: library vllm: was 0\.11, is 0\.12"):
        resume(opened.directory, MACHINE, look=found("0.12"))
    resume(opened.directory, MACHINE, look=found("0.11"))


def test_another_version_of_this_package_is_a_warning(tmp_path: Path) -> None:
    """It writes the same reports, and may still measure otherwise."""
    text = MARK + json.dumps({"schema_version": SCHEMA_VERSION, "package_version": "0.0.9", "python": "3.11",
                              "libraries": {}, "obstacles": {}})  # fmt: skip
    place = make_venv(tmp_path / "venv", other_package(tmp_path / "other", text))
    found = seen(study_of({"vllm_offline": {"venv": str(place)}}))
    assert found.obstacles == ()
    assert found.warnings == ("vllm_offline is measured by ai_energy_benchmarks 0.0.9, the study is run by 0.1.0",)


def test_what_the_machine_that_starts_a_study_lacks_is_a_warning_where_nodes_run_it(tmp_path: Path) -> None:
    """They have engines, GPUs and venvs of their own, and nothing is locked here."""
    runners = {"vllm_offline": {"venv": str(tmp_path / "gone")}}
    found = seen(study_of(runners, ["tensorrt_llm_offline", "vllm_offline"], executor="ray"))
    assert {obstacle.engine for obstacle in found.obstacles} <= {"executor: ray"}  # where Ray is not installed
    assert f"on this machine, vllm_offline: venv {tmp_path / 'gone'} does not exist" in found.warnings
    assert found.gpus.locked == ()
    assert found.runners["vllm_offline"].record() == {"kind": "venv", "venv": str(tmp_path / "gone")}


@pytest.mark.parametrize("executor", ["ray", "slurm"])
def test_a_scheduler_that_is_not_there_is_named_with_its_fix(
    executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing package or command keeps a study from beginning; a Ray cluster may still be found by connecting."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "")
    found = seen(study_of({}, ["pytorch"], executor=executor, timeout_s=9))
    (obstacle,) = [each for each in found.obstacles if each.engine == f"executor: {executor}"] or [None]
    if obstacle is not None:
        assert obstacle.fix
        with pytest.raises(ConfigError, match=f"executor: {executor}"):
            found.refuse()
    assert executor == "ray" or obstacle is not None
    assert obstacle is not None or any("; fix: ray start" in warning for warning in found.warnings)
