"""docs/aienergyscore-image.md: its patches apply to files of AI Energy Score's shape, and do what they are for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEFORE = Path(__file__).parent / "aienergyscore"
PAGE = (ROOT / "docs/aienergyscore-image.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^## ([\w.]+)\n.*?^```diff\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    """The small copy of AI Energy Score's files after all patches of the page."""
    copy = tmp_path / "AIEnergyScore"
    shutil.copytree(BEFORE, copy)
    for name, block in BLOCKS:
        patch = tmp_path / f"{name}.patch"
        patch.write_text(block, encoding="utf-8")
        subprocess.run(["git", "apply", "--unsafe-paths", patch], cwd=copy, check=True)
    return copy


def test_there_is_a_patch_for_every_file() -> None:
    """Three Dockerfiles, the requirements and the build script."""
    assert {name for name, _ in BLOCKS} == {path.name for path in BEFORE.iterdir()}


def test_the_older_version_is_installed_nowhere_any_more(patched: Path) -> None:
    """The pin on 0.0.x is gone, and each Dockerfile installs one named version with its extra."""
    assert "ai_energy_benchmarks" not in (patched / "requirements.txt").read_text(encoding="utf-8")
    for name in ("Dockerfile", "Dockerfile.ppe", "Dockerfile.main"):
        text = (patched / name).read_text(encoding="utf-8")
        assert "ARG AI_ENERGY_BENCHMARKS_VERSION\n" in text
        assert "[pytorch]" in text
        assert "-r /requirements.txt" in text


def test_only_the_package_comes_from_the_trial_index(patched: Path) -> None:
    """A dependency of the same name on TestPyPI is never installed."""
    text = (patched / "Dockerfile.ppe").read_text(encoding="utf-8")
    assert "pip install --no-deps --index-url https://test.pypi.org/simple/" in text
    assert "extra-index-url" not in text
    assert "test.pypi.org" not in (patched / "Dockerfile.main").read_text(encoding="utf-8")


def test_the_build_script_builds_the_wheel_that_the_image_copies(patched: Path, tmp_path: Path) -> None:
    """Run with a stand-in for docker, it passes the version of the clone next to it."""
    clone = tmp_path / "ai_energy_benchmarks"
    clone.mkdir()
    (clone / "VERSION.txt").write_text("1.2.3\n", encoding="utf-8")
    for path, body in ((clone / "build_wheel.sh", "echo wheel"), (tmp_path / "docker", 'echo docker "$@"')):
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
    done = subprocess.run(
        [patched / "build.sh"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "wheel",
        "docker build -f AIEnergyScore/Dockerfile --build-arg AI_ENERGY_BENCHMARKS_VERSION=1.2.3 -t energy_star .",
    ]


def test_the_patches_can_be_taken_back(patched: Path, tmp_path: Path) -> None:
    """Rolling back restores every byte."""
    for name, _ in BLOCKS:
        subprocess.run(["git", "apply", "-R", "--unsafe-paths", tmp_path / f"{name}.patch"], cwd=patched, check=True)
    for path in BEFORE.iterdir():
        assert (patched / path.name).read_bytes() == path.read_bytes()


def test_the_requirements_are_those_that_the_package_supports(patched: Path) -> None:
    """The range of transformers is that of the extra."""
    extra = re.search(r'"(transformers>=[^"]*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert extra
    assert extra[1] in (patched / "requirements.txt").read_text(encoding="utf-8").splitlines()
