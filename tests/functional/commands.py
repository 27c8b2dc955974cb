"""The command line as its users start it, in a process of its own; or in the tests' process, where that is enough."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from attrs import frozen

from ai_energy_benchmarks.cli.main import exit_code

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


def command_here(*arguments: str | Path, cwd: Path, **environment: str) -> Done:
    """Run a command line in this process, where PyTorch is imported once for many: for all but streams and signals."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        for name, value in ({"COLUMNS": "120"} | environment).items():
            patch.setenv(name, value)
        code = exit_code(list(map(str, arguments)))
    return Done(code, out.getvalue(), err.getvalue())
