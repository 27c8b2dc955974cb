"""Runs the tests of one mutant."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from covering import ROOT, Covering

# Seconds of processor time. On the unchanged code the tests of a mutant take at most the first together; what takes the
# second does not end.
BUDGET_S = 20.0
ENDLESS_S = 120
# Of the clock, on a busy machine. Says nothing about the mutant.
PATIENCE_S = 1500.0
# So many fast tests are tried before the rest is even read.
FIRST = 25
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)


@contextmanager
def replaced(file: Path, text: str) -> Iterator[None]:
    """The file holds other text meanwhile."""
    before = file.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


@frozen
class Tests:
    """The tests of each line and how to run them."""

    python: str
    covering: Covering

    def outcome(self, module: str, mutated: str, line: int) -> tuple[str, str]:
        """``noticed``, ``not noticed`` or ``undecided``; and the test, or why not."""
        file = ROOT / module
        tests = self.covering.tests_of(module, file.read_text(encoding="utf-8"), line, BUDGET_S)
        if not tests:
            return "not noticed", "no test runs this line"
        with replaced(file, mutated):
            for batch in filter(None, (tests[:FIRST], tests[FIRST:])):
                outcome, by = self._run(batch)
                if outcome != "not noticed":
                    return outcome, by
        return "not noticed", f"{len(tests)} tests run this line"

    def _run(self, tests: list[str]) -> tuple[str, str]:
        options = [
            "-x",
            "-q",
            "-rfE",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-p",
            "no:cov",
            "-p",
            "twice",
            "--timeout",
            "0",
        ]
        with subprocess.Popen(
            ["sh", "-c", f'ulimit -t {ENDLESS_S}; exec "$@"', "sh", self.python, "-m", "pytest", *options, *tests],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "COLUMNS": "1000"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return "undecided", f"longer than {PATIENCE_S:g} s"
        if process.returncode == 0:
            return "not noticed", ""
        if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return "noticed", f"more than {ENDLESS_S} s of processor time"
        failed = _FAILED.search(output)
        if process.returncode in (1, 2, 4) and failed:
            return "noticed", failed[1]
        raise RuntimeError(f"pytest ended with {process.returncode}:\n{output[-3000:]}")
