"""What no module of the package contains."""

from __future__ import annotations

import ast

from tests.architecture.source import MODULES, Module

LONGEST_MODULE_LINES = 300
# ``runner/bar_progress.py`` draws where the caller asked for bars.
PRINTING = ("cli", "reporters/console.py", "runner/bar_progress.py")
# The report document is plain data by contract: where it is built, read and returned. config/aienergyscore/classes.py
# takes what AI Energy Score's scripts hold.
UNTYPED = (
    "config/aienergyscore/classes.py",
    "results/document/report.py",
    "results/document/efficiency.py",
    "results/document/sections.py",
    "results/document/work_figures.py",
    "results/reading.py",
    "results/reanalysis/stored.py",
    "results/journal_reading.py",
    "runner/benchmark.py",
    "study/view.py",
)
BROAD = {"Exception", "BaseException"}
# Reporters are anyone's code, and whatever one of them raises must not cost the files of the others.
MAY_CATCH_ALL = ("runner/reporting.py",)


def lies_in(module: Module, places: tuple[str, ...]) -> bool:
    return module.path.as_posix().startswith(places)


def names(node: ast.expr | None) -> set[str]:
    """The bare names in an ``except`` clause or an argument."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} if node else set()


def test_every_module_has_a_docstring() -> None:
    """The first line of each file says what it is for."""
    assert [str(module.path) for module in MODULES if not ast.get_docstring(module.tree)] == []


def test_modules_are_short() -> None:
    """No module has more than 300 lines."""
    assert {str(m.path): n for m in MODULES if (n := m.text.count("\n")) > LONGEST_MODULE_LINES} == {}


def test_annotations_are_never_evaluated_on_import() -> None:
    """Every module that defines anything starts with ``from __future__ import annotations``; importing stays cheap."""
    late = "from __future__ import annotations"
    coded = [m for m in MODULES if any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in m.tree.body)]
    assert [str(m.path) for m in coded if late not in m.text] == []


def test_only_the_command_line_and_the_console_reporter_print() -> None:
    """A library does not write to its user's terminal."""
    found = []
    for module in MODULES:
        if lies_in(module, PRINTING):
            continue
        for node in ast.walk(module.tree):
            prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            streams = isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}
            if prints or streams:
                found.append(module.where(node))
    assert found == []


def test_only_the_command_line_sets_exit_codes() -> None:
    """A library does not end its user's process."""
    leaving = {"sys.exit", "os._exit", "SystemExit", "exit", "quit"}
    found = [
        module.where(node)
        for module in MODULES
        if not lies_in(module, ("cli",))
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in leaving
    ]
    assert found == []


def test_no_module_catches_what_it_cannot_name() -> None:
    """No ``except`` or ``suppress`` of every exception, unless all it does is tidy up and raise it again."""
    found: list[str] = []
    for module in (each for each in MODULES if not lies_in(each, MAY_CATCH_ALL)):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler):
                passed_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                broad = not passed_on and (node.type is None or names(node.type) & BROAD)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
                broad = set().union(*map(names, node.args)) & BROAD
            else:
                continue
            if broad:
                found.append(module.where(node))
    assert found == []


def test_nothing_waits_with_what_swallows_a_cancellation() -> None:
    """``asyncio.wait_for`` loses one that arrives with the result before Python 3.12, and a run then never ends."""
    found = [
        module.where(node)
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "wait_for"
    ]
    assert found == []


def test_no_untyped_mapping_travels_between_rooms() -> None:
    """A mapping from names to anything appears only where plain data is the contract."""
    mappings = {"dict", "Dict", "Mapping", "MutableMapping"}
    found = []
    for module in MODULES:
        if lies_in(module, UNTYPED):
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
                continue
            if ast.unparse(node.value).split(".")[-1] in mappings and ast.unparse(node.slice.elts[-1]) == "Any":
                found.append(f"{module.where(node)}: {ast.unparse(node)}")
    assert found == []
