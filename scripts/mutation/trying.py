"""Runs the tests of one mutant."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from covering import ROOT, Covering

# Seconds of processor time. On the unchanged code the tests of a mutant take at most the first together; what takes the
# second does not end.
BUDGET_S = 20.0
ENDLESS_S = 60
# Of the clock, on a busy machine. Says nothing about the mutant.
PATIENCE_S = 1500.0
# So many fast tests are tried before the rest is even read.
FIRST = 25
_OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--timeout", "0"]
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


class Tests:
    """The tests of each line and how to run them: ``with`` collects them all once."""

    def __init__(self, python: str, covering: Covering) -> None:
        self._python, self._covering = python, covering

    def __enter__(self) -> Tests:
        requests, self._requests_fd = os.pipe()
        self._answers_fd, answers = os.pipe()
        files = sorted({test.partition("::")[0] for test in self._covering.all_tests()})
        self._process = subprocess.Popen(
            [self._python, "-m", "pytest", *_OPTIONS, "-s", "-p", "forks", *files],
            cwd=ROOT,
            env={**self._environment(), "AEB_REQUESTS": str(requests), "AEB_ANSWERS": str(answers)},
            stdout=subprocess.DEVNULL,
            pass_fds=(requests, answers),
        )
        os.close(requests)
        os.close(answers)
        self._requests, self._answers = os.fdopen(self._requests_fd, "w"), os.fdopen(self._answers_fd)
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        self._process.wait()
        self._answers.close()

    def outcome(self, module: str, mutated: str, line: int) -> tuple[str, str]:
        """``noticed``, ``not noticed`` or ``undecided``; and the test, or why not.

        In a fork of a process that has collected all tests, where the changed functions are put in place; what cannot
        be changed that way, such as a constant, is tried in a process that imports the changed module.
        """
        file = ROOT / module
        tests = self._covering.tests_of(module, file.read_text(encoding="utf-8"), line, BUDGET_S)
        if not tests:
            return "not noticed", "no test runs this line"
        outcome, by = self._in_a_fork(module, mutated, tests)
        while outcome == "noticed" and self._fails_anyway(module, by):
            tests.remove(by)
            outcome, by = self._in_a_fork(module, mutated, tests)
        if outcome != "undecided":
            return outcome, by
        with replaced(file, mutated):
            for batch in filter(None, (tests[:FIRST], tests[FIRST:])):
                outcome, by = self._anew(batch)
                if outcome != "not noticed":
                    return outcome, by
        return "not noticed", f"{len(tests)} tests run this line"

    def _fails_anyway(self, module: str, test: str) -> bool:
        """Whether a test fails without a change too, as those do on a busy machine that depend on the clock."""
        unchanged = (ROOT / module).read_text(encoding="utf-8")
        return "::" in test and self._in_a_fork(module, unchanged, [test])[0] == "noticed"

    def _in_a_fork(self, module: str, mutated: str, tests: list[str]) -> tuple[str, str]:
        request = {
            "module": module.removesuffix(".py").replace("/", "."),
            "file": str(ROOT / module),
            "mutated": mutated,
            "tests": tests,
            "endless_s": ENDLESS_S,
        }
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        outcome, by = json.loads(self._answers.readline())
        return outcome, by

    def _anew(self, tests: list[str]) -> tuple[str, str]:
        options = [*_OPTIONS, "-x", "-rfE", "-p", "twice", *tests]
        with subprocess.Popen(
            ["sh", "-c", f'ulimit -t {ENDLESS_S}; exec "$@"', "sh", self._python, "-m", "pytest", *options],
            cwd=ROOT,
            env=self._environment(),
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

    @staticmethod
    def _environment() -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "COLUMNS": "1000"}
