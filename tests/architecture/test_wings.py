"""A wing is a folder inside a room: it imports what its room shares, and no other wing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import DIRECTORY, MODULES, PACKAGE, Module

# Wings that the others of their room may import, because they import none of them.
SHARED = {"backends/model", "results/document"}
WINGS = {path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.glob("*/*/") if (path / "__init__.py").exists()}


def wing_of(module: Module) -> str | None:
    """``room/wing`` of a module that lies in one."""
    return "/".join(module.path.parts[:2]) if len(module.path.parts) > 2 else None


def crossings(module: Module) -> Iterator[str]:
    """Imports that lead from one wing into another wing of the same room."""
    wing = wing_of(module)
    for node, target in module.imports():
        parts = target.split(".")
        other = "/".join(parts[1:3])
        if wing and parts[0] == PACKAGE and parts[1:2] == [module.room] and other in WINGS - SHARED - {wing}:
            yield f"{module.where(node)}: {wing} imports {target}"


def imported_files(module: Module, names: dict[str, Module]) -> set[str]:
    """Names of the modules that a module imports, wherever the import stands."""
    found = set()
    for node, target in module.imports():
        submodules = {f"{target}.{alias.name}" for alias in getattr(node, "names", ())} & names.keys()
        found |= submodules or {target} & names.keys()  # of ``from package import module`` the module alone
    return found - {module.name}


def cycles() -> list[list[str]]:
    """Circles of modules; the ``__init__`` of a package counts as a module of its own."""
    names = {module.name: module for module in MODULES}
    arrows = {name: imported_files(module, names) for name, module in names.items()}
    state: dict[str, bool] = {}
    circles: list[list[str]] = []

    def walk(name: str, way: list[str]) -> None:
        state[name] = True
        for target in sorted(arrows[name]):
            if state.get(target):
                circles.append([*way[way.index(target) :], target])
            elif target not in state:
                walk(target, [*way, target])
        state[name] = False

    for name in names:
        if name not in state:
            walk(name, [name])
    return circles


def test_the_wings_are_those_of_the_plan() -> None:
    """Four families of backends, three meters, two ways to a report and the older names of AI Energy Score."""
    assert {
        *(f"backends/{wing}" for wing in ("pytorch", "server", "offline", "model")),
        *(f"metrics/{wing}" for wing in ("nvml", "cpu", "rapl")),
        *(f"results/{wing}" for wing in ("document", "reanalysis")),
        "config/aienergyscore",
    } == WINGS


def test_no_wing_imports_another() -> None:
    """What two wings need lies in their room, or in a wing that imports none of the others."""
    assert [line for module in MODULES for line in crossings(module)] == []


def test_no_module_imports_itself_in_a_circle() -> None:
    """The modules can be read from the bottom to the top."""
    assert cycles() == []


@pytest.mark.parametrize(
    ("path", "text", "crosses"),
    [
        ("backends/offline/engine.py", "from ai_energy_benchmarks.backends.server.process import free_port", True),
        ("backends/offline/engine.py", "from ai_energy_benchmarks.backends.model.files import resolve_model", False),
        ("backends/model/files.py", "from ai_energy_benchmarks.backends.pytorch.options import Quantization", True),
        ("metrics/cpu/watch.py", "from ai_energy_benchmarks.metrics.recording import Recorder", False),
        ("results/reanalysis/parts.py", "def late():\n    from ..document import sections", True),
    ],
)
def test_the_check_sees_an_import_between_wings(path: str, text: str, crosses: bool) -> None:
    """The room's own files and the shared wing may be imported, also by relative names."""
    assert bool(list(crossings(Module(Path(path), text)))) is crosses
