"""A wing is a folder inside a room: it imports what its room shares, and no wing that does not lie below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import DIRECTORY, MODULES, PACKAGE, Module
from tests.architecture.test_layers import LAYERS

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
WINGS = {path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.glob("*/*/") if (path / "__init__.py").exists()}


def wing_of(module: Module) -> str | None:
    """``room/wing`` of a module that lies in one."""
    return "/".join(module.path.parts[:2]) if len(module.path.parts) > 2 else None


def levels() -> dict[str, int]:
    """How high each wing lies in its room, as docs/architecture.md draws it; at the top where it draws nothing."""
    section = PAGE.read_text(encoding="utf-8").split("## Wings\n")[1].split("\n## ")[0]
    drawn: dict[str, int] = {}
    for room, order in re.findall(r"^ {4}(\w+): (.+)$", section, re.MULTILINE):
        for level, wings in enumerate(reversed(order.split(" > "))):
            drawn |= {f"{room}/{wing}": level for wing in wings.split(", ")}
    top = max(drawn.values()) + 1
    return dict.fromkeys(WINGS, top) | drawn


LEVELS = levels()


def crossings(module: Module) -> Iterator[str]:
    """Imports that lead from one wing into another wing of the same room, and not downwards."""
    wing = wing_of(module)
    for node, target in module.imports():
        parts = target.split(".")
        other = "/".join(parts[1:3])
        if not wing or parts[0] != PACKAGE or parts[1:2] != [module.room] or other not in WINGS - {wing}:
            continue
        if LEVELS[other] >= LEVELS[wing]:
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


def listed(heading: str) -> set[str]:
    """First cells of the table under a heading of docs/architecture.md."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([\w/]+)/` \|", section, re.MULTILINE))


def test_the_page_lists_the_rooms_that_there_are() -> None:
    """Every directory of the package stands in the table of rooms, and no other."""
    assert listed("Rooms") == {path.parent.name for path in DIRECTORY.glob("*/__init__.py")}


def test_the_page_lists_the_wings_that_there_are() -> None:
    """Every package inside a room stands in the table of wings, and no other."""
    assert listed("Wings") == WINGS


def test_the_page_has_the_order_that_is_kept() -> None:
    """The layers that the tests enforce are those that the page draws."""
    order = re.search(r"^ +(cli > .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert order
    rows = [set(re.split(r"[ ,]+", row.strip("[] "))) for row in order[1].split(" > ")]
    assert rows == LAYERS[1:]


def test_the_page_draws_wings_that_there_are() -> None:
    """The order of the wings names no wing that is gone."""
    assert set(LEVELS) == WINGS


def test_no_wing_imports_another_that_is_not_below_it() -> None:
    """What two wings need lies in their room, or in a wing below both."""
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
        ("metrics/rapl/zones.py", "def late():\n    from ..cpu import watch", True),
        ("study/running/turns.py", "from ai_energy_benchmarks.study.executors.base import Stop", False),
        ("study/executors/node.py", "from ai_energy_benchmarks.study.runners.base import Runner", True),
        ("study/plan/file.py", "from ai_energy_benchmarks.study.running.opening import begin", True),
        ("results/reanalysis/parts.py", "from ai_energy_benchmarks.results.document import sections", False),
    ],
)
def test_the_check_sees_an_import_between_wings(path: str, text: str, crosses: bool) -> None:
    """The room's own files and the wings below may be imported, also by relative names."""
    assert bool(list(crossings(Module(Path(path), text)))) is crosses
