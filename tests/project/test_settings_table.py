"""docs/settings.md: current, and honest about its tests."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script(root: Path) -> ModuleType:
    """scripts/settings_table.py as a module."""
    spec = importlib.util.spec_from_file_location("settings_table", root / "scripts" / "settings_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(root: Path, script: ModuleType) -> None:
    """Every key has its line, and no line is of a key that is gone; scripts/settings_table.py writes it anew."""
    assert (root / "docs" / "settings.md").read_text(encoding="utf-8") == script.page(script.facts())


def test_every_named_test_exists(root: Path, script: ModuleType) -> None:
    """A line without its test proves nothing."""
    named = {fact.test for fact in script.facts().values()}
    missing = []
    for each in sorted(named):
        file, *_, function = each.split("::")
        path = root / "tests" / file
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
        if function not in {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }:
            missing.append(each)
    assert missing == []


def test_a_key_without_a_line_is_named(script: ModuleType) -> None:
    """A new key cannot be forgotten."""
    known = dict(script.facts())
    del known["protocol.trials"]
    with pytest.raises(SystemExit, match=r"no line for \['protocol.trials'\]"):
        script.page(known)


def test_an_option_of_a_member_needs_no_line(script: ModuleType) -> None:
    """A new member is one file and one line in the registry: its docstring and its own tests fill the table."""
    known = {key: fact for key, fact in script.facts().items() if not key.startswith("rapl: ")}
    assert f"| rapl | `{script.tests_of('collectors', 'rapl')}` |" in script.page(known)


def test_a_key_without_a_meaning_is_named(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The meaning is the docstring's, which ``schema`` prints too."""
    mute = script.Key("protocol.trials", "", "whole number", "`5`")
    monkeypatch.setattr(script, "sections", lambda _: [("The config", "", (mute,))])
    with pytest.raises(SystemExit, match=r"no docstring says what these mean: \['protocol.trials'\]"):
        script.page({"protocol.trials": script.Fact("all", "a test")})
