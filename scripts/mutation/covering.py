"""Which tests run which line, measured once: a mutant meets only the tests that can notice it, the fast ones first.

``measure`` runs the tests under coverage with one context for each test; ``Covering`` reads what that wrote.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[2]
PACKAGE = "ai_energy_benchmarks"
# What runs in the process of the tests: coverage sees no other.
TESTS = (
    "tests/unit",
    "tests/properties",
    "tests/nvml",
    *(
        f"tests/integration/test_{name}.py"
        for name in (
            "bad_replies",
            "codecarbon",
            "openai_server",
            "prompt_caches",
            "server_metrics",
            "server_texts",
            "server_tokens",
            "steady_server",
            "tensorrt_llm_offline",
            "token_counts",
        )
    ),
    *(
        f"tests/functional/test_{name}.py"
        for name in ("cli", "cli_compare", "cli_run", "compare_run", "import_command", "report_command")
    ),
)


class Document(TypedDict):
    """The file: tests with their seconds of processor time; of each module the tests (their numbers) of each line."""

    tests: list[tuple[str, float]]
    lines: dict[str, dict[str, list[int]]]


def measure(python: str, modules: Iterable[str], file: Path, tests: Iterable[str] = TESTS) -> None:
    """Run the tests once and write what each of them runs. Takes minutes.

    Raises:
        CalledProcessError: if pytest could not run; tests that fail are left out.
    """
    included = "".join(f"\n    */{PACKAGE}/{name}{'' if name.endswith('.py') else '/*'}" for name in modules)
    config, coverage, seconds = (
        file.with_name(f"{file.stem}-{name}") for name in ("coverage.rc", "coverage", "seconds.json")
    )
    config.write_text(f"[run]\ndata_file = {coverage}\ninclude ={included}\n", encoding="utf-8")
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{here}", "AEB_TEST_SECONDS": str(seconds)}
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "seconds"]
    traced = ["--cov", f"--cov-config={config}", "--cov-context=test", "--cov-report="]
    ran = subprocess.run([python, "-m", "pytest", *options, *traced, *tests], cwd=ROOT, env=environment, check=False)
    if ran.returncode not in (0, 1):
        raise subprocess.CalledProcessError(ran.returncode, "pytest")
    subprocess.run([python, __file__, file, coverage, seconds], env=environment, check=True)


def join(measured: Iterable[tuple[Path, Path]]) -> Document:
    """What coverage measured (its data, the seconds of the tests) in one document."""
    from coverage import CoverageData

    seconds: dict[str, float] = {}
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for data_file, seconds_file in measured:
        seconds |= json.loads(seconds_file.read_text(encoding="utf-8"))
        data = CoverageData(str(data_file))
        data.read()
        for name in data.measured_files():
            module = PACKAGE + name.rpartition(f"/{PACKAGE}")[2]
            for line, contexts in data.contexts_by_lineno(name).items():
                found[module][line] |= set(contexts) - {""}
    of_file = defaultdict(list)
    for test in seconds:
        of_file[test.partition("::")[0]].append(test)
    tests = sorted(seconds, key=lambda test: (seconds[test], test))
    numbers = {test: number for number, test in enumerate(tests)}

    def numbers_of(contexts: set[str]) -> list[int]:
        # What a fixture of a module runs is seen by every test of the file, but coverage counts it for the first.
        names = {
            test
            for context in contexts
            for test in (
                of_file[context.partition("::")[0]] if context.endswith("|setup") else [context.rpartition("|")[0]]
            )
        }
        return sorted(numbers[test] for test in names if test in numbers)

    lines = {
        module: {str(line): numbers_of(contexts) for line, contexts in sorted(of_line.items())}
        for module, of_line in sorted(found.items())
    }
    return {"tests": [(test, seconds[test]) for test in tests], "lines": lines}


def statement_lines(source: str, line: int) -> range:
    """The lines of the smallest statement around a line; of a compound statement those of its head."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.end_lineno is not None and node.lineno <= line <= node.end_lineno:
            body = getattr(node, "body", None)
            last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
            if line <= last:
                found = range(node.lineno, last + 1)
    return found


class Covering:
    """Tests that run a line, the fast ones first."""

    def __init__(self, document: Document) -> None:
        self._tests = document["tests"]
        self._lines = document["lines"]

    def all_tests(self) -> list[str]:
        """Every test that was measured."""
        return [test for test, _ in self._tests]

    def tests_of(self, module: str, source: str, line: int, budget_s: float) -> list[str]:
        """The tests of a line that together take at most so many seconds of processor time.

        What runs on import, such as a constant, is seen by all tests of the module.
        """
        of_line = self._lines.get(module, {})
        numbers = {number for row in statement_lines(source, line) for number in of_line.get(str(row), ())}
        if not numbers and not self._is_in_function(source, line):
            numbers = {number for row in of_line.values() for number in row}
        chosen = []
        for number in sorted(numbers):
            test, seconds = self._tests[number]
            budget_s -= seconds
            if budget_s < 0:
                break
            chosen.append(test)
        return chosen

    @staticmethod
    def _is_in_function(source: str, line: int) -> bool:
        return any(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body[0].lineno <= line <= (node.end_lineno or line)
            for node in ast.walk(ast.parse(source))
        )


if __name__ == "__main__":
    target, *pairs = map(Path, sys.argv[1:])
    target.write_text(json.dumps(join(zip(pairs[::2], pairs[1::2], strict=True))), encoding="utf-8")
