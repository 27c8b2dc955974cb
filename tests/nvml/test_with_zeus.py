"""The tests of Zeus as a meter, in an environment of its own: a dependency of it makes CodeCarbon see boards of AMD."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_zeus_is_read_as_its_tests_say(root: Path, tmp_path: Path) -> None:
    """None of them is skipped where Zeus is installed."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    packages = ["-e", f"{root}[zeus]", "pytest", "pytest-timeout", "hypothesis", "scipy"]
    install = [python, "-m", "pip", "install", "-q", "-c", root / "constraints.txt", *packages]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"pip cannot install Zeus: {installed.stderr.strip()[-200:]}")
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "tests/nvml/test_zeus_collector.py"]
    done = subprocess.run(
        [*command, "tests/nvml/test_meter_settings.py"],
        cwd=root, capture_output=True, text=True, check=False, env=os.environ | {"PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
