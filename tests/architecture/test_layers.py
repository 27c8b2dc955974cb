"""Rooms import downwards only. There are no exceptions: a type that needs one is in the wrong room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.source import MODULES, PACKAGE, Module

# From top to bottom. Rooms of one row never import one another.
LAYERS: list[set[str]] = [
    {"__main__", "__init__"},
    {"cli"},
    {"study"},
    {"testing"},
    {"runner"},
    {"reporters"},
    {"results"},
    {"config", "datasets", "formatters", "backends", "load", "metrics", "environment", "analysis"},
    {"registry"},
    {"machine", "text"},
    {"domain"},
    {"errors"},
    {"safety"},
]
HEIGHT = {room: -depth for depth, rooms in enumerate(LAYERS) for room in rooms}


def violations(module: Module) -> list[str]:
    """Imports of ``module`` that do not lead downwards."""
    found = []
    for node, target in module.imports():
        if target != PACKAGE and not target.startswith(f"{PACKAGE}."):
            continue
        room = target.split(".")[1] if "." in target else "__init__"
        if room not in HEIGHT:
            found.append(f"{module.where(node)} imports the package itself or an unknown room ({target})")
        elif room != module.room and HEIGHT[room] >= HEIGHT[module.room]:
            found.append(f"{module.where(node)}: {module.room} imports {target}")
    return found


def test_every_module_stands_in_a_known_room() -> None:
    """A new room needs a row in the table above."""
    assert {module.room for module in MODULES} <= set(HEIGHT)


def test_rooms_import_downwards_only() -> None:
    """No module imports a room above its own or beside it, not even in a function or for a type."""
    assert [line for module in MODULES if module.room in HEIGHT for line in violations(module)] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("domain/power.py", "import ai_energy_benchmarks.runner"),
        ("domain/power.py", "from ai_energy_benchmarks import runner"),
        ("domain/power.py", "from ..registry import load"),
        ("backends/pytorch/backend.py", "from ai_energy_benchmarks.metrics.base import MetricsCollector"),
        ("backends/pytorch/backend.py", "def late():\n    from ai_energy_benchmarks.config import model"),
        ("config/loading.py", "if TYPE_CHECKING:\n    from .. import cli"),
        ("errors.py", "from ai_energy_benchmarks.domain.power import Mark"),
        ("cli/main.py", "from ai_energy_benchmarks import BenchmarkRunner"),
    ],
)
def test_the_check_sees_an_import_that_leads_up_or_sideways(path: str, text: str) -> None:
    """Absolute, relative, late and typing-only imports are all seen."""
    assert len(violations(Module(Path(path), text))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("backends/pytorch/backend.py", "from ai_energy_benchmarks.domain.prompts import Batch"),
        ("backends/pytorch/backend.py", "from .base import Backend"),
        ("cli/main.py", "from ai_energy_benchmarks.runner import BenchmarkRunner"),
        ("domain/power.py", "import ai_energy_benchmarks_other, errors"),
    ],
)
def test_the_check_lets_imports_that_lead_down_pass(path: str, text: str) -> None:
    """The same room, lower rooms and other distributions may be imported."""
    assert violations(Module(Path(path), text)) == []
