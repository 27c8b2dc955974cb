"""A few kills at random instants; ``scripts/chaos.sh --heavy`` makes hundreds of each kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


def chaos(root: Path, *arguments: str) -> None:
    script = root / "scripts" / "chaos" / "kills.py"
    done = subprocess.run(
        [sys.executable, str(script), *arguments], cwd=root, capture_output=True, text=True, check=False, timeout=3600
    )
    assert (done.returncode, "WRONG" in done.stdout) == (0, False), done.stdout + done.stderr


def test_a_kill_at_a_random_instant_breaks_no_promise(root: Path) -> None:
    """No process is left, one trial is lost at most, every file is whole, and the next run works."""
    chaos(root, "--kills", "2", "--signals", "KILL,TERM", "--phases", "trial", "server")


@pytest.mark.heavy
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("kind", ["server", "launched", "batch", "pytorch"])
def test_many_kills_break_no_promise(root: Path, kind: str) -> None:
    """Each kind of run, with each signal, in each phase."""
    chaos(root, "--kills", "30", kind)
