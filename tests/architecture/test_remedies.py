"""An error that a user can reach says what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import BenchmarkError
from tests.architecture.source import MODULES, Module

# Raised without a fix, each with the reason.
INTERNAL = {
    "backends/in_process.py: the {} backend is not loaded": "only a program that uses a backend without entering it",
    "backends/server/openai.py: the server has not been reached yet": "the same, of a server",
    "metrics/combined.py: the marks of a window must come from the collector that reads it": "only a program",
    "metrics/cpu/modelled.py: the marks of a window must come from the collector that reads it": "the same",
    "metrics/cpu/share.py: the marks of a window must come from the collector that reads it": "the same",
    "study/executors/returning.py: a node returned the file {}, which leads out of the cell's directory": "an attack",
    "testing/fakes.py: the fake meter was unplugged": "a test double",
    "study/running/preflight.py: {} problems prevent this study:": "a list, in which each problem has its own fix",
}
# What a run does, of the same form as what it refuses.
NOTE = (
    "load.salt: text puts a random first line before every prompt of a trial: {} tokens each ({}), which are among the "
    "prompt tokens"
)


def kinds() -> set[str]:
    """Names of the package's own errors, and of classes of the package that are one."""
    names = {"BenchmarkError", *(kind.__name__ for kind in BenchmarkError.__subclasses__())}
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(base, ast.Name) and base.id in names for base in node.bases
            ):
                names.add(node.name)
    return names


KINDS = kinds()


def text_of(node: ast.expr) -> str:
    """The first line of a message, with ``{}`` for what is put in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    literals = [part for part in ast.walk(node) if isinstance(part, ast.JoinedStr | ast.Constant)]
    return next((text for text in map(text_of, literals) if len(text) > 1 and text != "\n"), "")


def without_remedy(module: Module, names: set[str]) -> Iterator[str]:
    """Errors that are made without a fix: a file and the message."""
    for node in ast.walk(module.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names):
            continue
        given = [each.value for each in node.keywords if each.arg in ("remedy", None)]
        if not given or (isinstance(given[0], ast.Constant) and not given[0].value):
            yield f"{module.path.as_posix()}: {text_of(node.args[0]) if node.args else ''}"


def test_every_error_that_a_user_can_reach_has_a_fix() -> None:
    """Each place that makes one of the package's errors gives ``remedy=``, but for those with a reason above."""
    found = {line for module in MODULES for line in without_remedy(module, KINDS)}
    assert found == INTERNAL.keys()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('raise ConfigError("no")', ["cli/x.py: no"]),
        ('raise ConfigError(f"{a} is no", remedy="")', ["cli/x.py: {} is no"]),
        ('raise ConfigError("no", remedy="do it")', []),
        ("raise ValueError('no')", []),
    ],
)
def test_the_check_sees_an_error_without_a_fix(text: str, lines: list[str]) -> None:
    """An empty one is none."""
    assert list(without_remedy(Module(Path("cli/x.py"), text), KINDS)) == lines


def problems_of(module: Module) -> Iterator[str]:
    """Texts that a backend's ``problems`` may return: strings that name a key of the config."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Yield | ast.Return | ast.Tuple) or (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append"
        ):
            for child in ast.iter_child_nodes(node):
                text = text_of(child) if isinstance(child, ast.JoinedStr | ast.Constant) else ""
                if text.startswith(("backend.", "load.", "scenario.")) and ": " in text:
                    yield text


def test_every_problem_of_a_backend_has_a_fix() -> None:
    """What an engine refuses before it is loaded says after ``fix:`` what to change."""
    texts = {text for module in MODULES if module.path.parts[0] == "backends" for text in problems_of(module)}
    assert len(texts) > 15
    assert {text for text in texts if "fix: " not in text and not text.endswith("{}")} <= {NOTE}
