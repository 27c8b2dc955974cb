"""The hooks that developers may install."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

CONFIG = Path(__file__).parents[2] / ".pre-commit-config.yaml"
HOOKS = [hook for repo in yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repos"] for hook in repo["hooks"]]


def test_nothing_is_fetched() -> None:
    """Every hook is a program of the environment that test.sh makes, so that it works without network."""
    repositories = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repos"]
    assert {each["repo"] for each in repositories} == {"local"}
    assert {each["language"] for each in HOOKS} == {"system"}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_a_hook_runs_what_is_there(hook: dict[str, object], root: Path) -> None:
    """A tool of the development extra, or a script of the repository."""
    program, *arguments = shlex.split(str(hook["entry"]))
    assert program == ".venv/bin/python"
    if arguments[0] == "-m":
        assert find_spec(arguments[1]) is not None
    else:
        assert (root / arguments[0]).is_file()


def test_the_hooks_do_what_the_tests_do_first(root: Path) -> None:
    """ruff, its formatter and mypy stand in test.sh too, so that a commit that passes does not fail there."""
    script = (root / "scripts" / "test.sh").read_text(encoding="utf-8")
    for hook in HOOKS:
        words = shlex.split(str(hook["entry"]))
        if words[1] == "-m":
            assert f"-m {words[2]}" in script
