"""The command line as its users start it: another process, with its exit code and streams."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from attrs import frozen

PROGRAM = (sys.executable, "-m", "ai_energy_benchmarks")


@frozen
class Done:
    """What a finished command left behind."""

    code: int
    out: str
    err: str


def command(*arguments: str | Path, cwd: Path, timeout_s: float = 120, **environment: str) -> Done:
    """Run a command line to its end; ``environment`` is laid over that of the tests."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "120"} | environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
