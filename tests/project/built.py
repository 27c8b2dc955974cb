"""The wheel of the working tree, for tests of what is published."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def tracked(root: Path) -> list[Path]:
    """The files of the repository, new ones included, ignored ones not; relative to ``root``."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [Path(line) for line in listing.stdout.splitlines() if (root / line).is_file()]


def build_wheel(root: Path, copy: Path) -> Path:
    """The wheel that build_wheel.sh makes from a copy of the repository, called from another directory."""
    for path in tracked(root):
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, copy / path)
    path_with_tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": path_with_tools,
        "SOURCE_DATE_EPOCH": "1700000000",
        "AEB_REPOSITORY_URL": "https://example.org/repository",
    }
    done = subprocess.run(
        [copy / "build_wheel.sh"], cwd="/", env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    return Path(line)
