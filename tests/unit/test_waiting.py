"""Threads of an engine sleep while they wait, unless the user has decided otherwise or it is too late."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ai_energy_benchmarks import BenchmarkRunner
from ai_energy_benchmarks.backends.server.process import ServerProcess, free_port
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.domain.openmp import passive_waiting, spinning
from ai_energy_benchmarks.domain.progress import Silent
from ai_energy_benchmarks.environment.software import variables
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.runner.waiting import wait_passively
from tests.unit.test_runner_order import Bench

ENDPOINT = {"pytorch": None, "openai": "http://127.0.0.1:9/v1"}
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}


@pytest.mark.parametrize(
    ("environ", "added", "spins"),
    [
        ({}, PASSIVE, None),
        ({"OMP_WAIT_POLICY": ""}, PASSIVE, None),
        (PASSIVE, {}, None),
        ({"OMP_WAIT_POLICY": "passive "}, {}, None),
        ({"OMP_WAIT_POLICY": "active"}, {}, "OMP_WAIT_POLICY=active"),
        ({"KMP_BLOCKTIME": "200"}, {}, "KMP_BLOCKTIME=200"),
        ({"KMP_BLOCKTIME": "0"}, {}, None),
        ({"GOMP_SPINCOUNT": "infinity"}, {}, "GOMP_SPINCOUNT=infinity"),
    ],
)
def test_what_the_user_has_set_stays(environ: dict[str, str], added: dict[str, str], spins: str | None) -> None:
    """Passive waiting is added only where nothing decides how threads wait; a setting that lets them spin is named."""
    assert passive_waiting(environ) == added
    assert spinning(environ) == spins


def test_a_library_sets_it_while_torch_is_still_to_come() -> None:
    """Without a finding, and the report has it among the variables."""
    environ: dict[str, str] = {}
    assert list(wait_passively(environ, modules=())) == []
    assert environ == PASSIVE
    assert variables(environ) == PASSIVE


def test_a_library_leaves_a_loaded_torch_alone_and_says_so() -> None:
    """It has read its variables: INFO, which names what to set before Python starts."""
    environ: dict[str, str] = {}
    (finding,) = wait_passively(environ, modules=("torch",))
    assert environ == {}
    assert (finding.level, finding.check, finding.component) == ("INFO", "waiting threads", "cpu")
    assert "fix: set OMP_WAIT_POLICY=PASSIVE before Python starts" in finding.message
    assert list(wait_passively(dict(PASSIVE), modules=("torch",))) == []


def test_a_setting_that_spins_is_in_the_verdict() -> None:
    """The user's choice is used, and its effect named."""
    (finding,) = wait_passively({"OMP_WAIT_POLICY": "ACTIVE"}, modules=())
    assert (finding.level, finding.message[:29]) == ("INFO", "OMP_WAIT_POLICY=ACTIVE is set")


def test_the_command_line_sets_it_for_itself_and_what_it_starts() -> None:
    """Before anything else, so that every engine and every child has it."""
    script = "import os, sys; from ai_energy_benchmarks.cli.main import main\ntry: main(['schema'])\nfinally: "
    script += "sys.stderr.write(os.environ['OMP_WAIT_POLICY'])"
    for given, expected in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        environ = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        environ |= {"OMP_WAIT_POLICY": given} if given else {}
        done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
        assert done.stderr == expected


def test_a_launched_server_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where this process was left alone."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    command = [sys.executable, "-c", "import os; print(os.environ['OMP_WAIT_POLICY'])"]
    log = tmp_path / "server.log"
    server = ServerProcess(command, f"http://127.0.0.1:{free_port()}/health", log, 10.0)
    with pytest.raises(BackendError):
        server.start(Silent())
    assert log.read_text() == "PASSIVE\n"
    assert "OMP_WAIT_POLICY" not in os.environ


@pytest.mark.parametrize(("backend", "expected"), [("pytorch", "PASSIVE"), ("openai", None)])
def test_checking_a_benchmark_prepares_the_process(
    backend: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the engine is loaded into it, and only then: a server has its own environment."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "restored afterwards")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    runner = BenchmarkRunner(
        config_from_mapping({"backend": {"type": backend, "model": "x", "endpoint": ENDPOINT[backend]}})
    )
    runner.validate()
    assert os.environ.get("OMP_WAIT_POLICY") == expected


def test_a_loaded_torch_is_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner hands the finding to the verdict, and only where it made the engine itself."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    runner = BenchmarkRunner(config_from_mapping({"backend": {"type": "pytorch", "model": "x"}}))
    runner.validate()
    assert [each.check for each in runner._measuring(runner.config).findings] == ["waiting threads"]
    assert "waiting threads" not in {finding.check for finding in Bench().runner.measure().noticed}
