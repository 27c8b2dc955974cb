"""The built wheel beside what AI Energy Score's image has, driven as its scripts do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_the_wheel_does_the_images_work(root: Path, tmp_path: Path) -> None:
    """Base dependencies only; transformers in process, and a real vLLM where there is one, reasoning on and off."""
    done = subprocess.run(
        [root / "scripts" / "aienergyscore_contract.sh"],
        cwd="/",
        env=os.environ | {"AEB_VENV": str(tmp_path / "venv"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    trials = [line.split(":")[0] for line in done.stdout.splitlines() if line.startswith("ok  ")]
    engines = ["ok  pytorch", "ok  vllm"] if os.environ.get("VLLM_PYTHON") else ["ok  pytorch"]
    assert trials[:2] == ["ok  error texts", "ok  registry"]
    assert trials[2:-1] == engines
