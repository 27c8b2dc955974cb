"""One owner each: what reads the operating system, the driver and YAML stands in one room."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.source import MODULES, Module

# Import → the room that alone has it.
OWNERS = {"pynvml": "machine", "yaml": "text", "psutil": "machine"}
# The one module that ends whatever was started here with all that this has started.
ENDING = "machine/launched.py"


def strays(module: Module) -> list[str]:
    """Imports and paths that belong into another room; docstrings and messages may name them."""
    found = [
        f"{module.where(node)} imports {target}"
        for node, target in module.imports()
        if OWNERS.get(target.partition(".")[0], module.room) != module.room
    ]
    found += [
        f"{module.where(node)} names {node.value}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if module.room != "machine" and node.value.startswith("/proc")
    ]
    return found


def kills(module: Module) -> list[str]:
    """Where a process is killed: by ``signal.SIGKILL``, and by calls of ``kill()`` and ``terminate()``."""
    calls = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call) and not node.args]
    names = [node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute) and node.attr == "SIGKILL"]
    names += [each for each in calls if isinstance(each, ast.Attribute) and each.attr in ("kill", "terminate")]
    return [module.where(node) for node in names]


def test_processes_are_killed_in_one_place() -> None:
    """Whoever ends what was started here ends the whole tree, also what has cut itself loose."""
    assert [line for module in MODULES if str(module.path) != ENDING for line in kills(module)] == []
    assert kills(Module(Path("x.py"), "import os, signal\nos.kill(1, signal.SIGKILL)\nprocess.kill()"))


def test_the_machine_and_text_have_one_owner_each() -> None:
    """NVML and /proc are read in ``machine``, YAML in ``text``."""
    assert [line for module in MODULES for line in strays(module)] == []


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        ("metrics/zeus.py", "import pynvml", 1),
        ("formatters/family_file.py", "from yaml import safe_load", 1),
        ("backends/location.py", 'PROC = Path("/proc")', 1),
        ("machine/nvml.py", 'import pynvml\nPath("/proc")', 0),
        ("backends/location.py", 'raise OSError("there is no /proc")', 0),
    ],
)
def test_the_check_sees_a_second_owner(path: str, text: str, count: int) -> None:
    """An import and a path are seen, a sentence is not."""
    assert len(strays(Module(Path(path), text))) == count
