"""A study over PyTorch here and vLLM in a venv of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from tests.real_vllm import INTERPRETER
from tests.tiny_model import save_tiny_model
from tests.unit.test_runners import ROOT, make_venv

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
