"""The manual: every page is in the site, every command and config in it is one that exists."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from ai_energy_benchmarks.cli.main import group
from ai_energy_benchmarks.config.loading import config_from_mapping

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = "ai-energy-benchmark"


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """The code blocks of all pages in one of the languages, each with its page."""
    for page in PAGES:
        found = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        yield from ((page.name, text) for language, text in found if language in languages)


def command_lines() -> list[tuple[str, str]]:
    """Every call of the program in a shell block."""
    lines = []
    for page, text in blocks("sh", "console", "bash"):
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;|\|", line):
                words = part.strip()
                if words.startswith((f"{PROGRAM} ", f"BENCHMARK_BACKEND=pytorch RESULTS_DIR=/results {PROGRAM} ")):
                    lines.append((page, words[words.index(PROGRAM) :]))
    return lines


def without_running(words: list[str]) -> None:
    """Parse the arguments of a call as click does, without any of its effects."""
    command: click.Command = group
    context = click.Context(group, info_name=PROGRAM)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        below = command.get_command(context, words[0])
        assert below is not None, f"no command {words[0]}"
        command, words = below, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    command.parse_args(context, words)


@pytest.mark.parametrize(("page", "line"), command_lines(), ids=lambda value: str(value)[:60])
def test_commands_of_the_manual_exist(page: str, line: str) -> None:
    """Commands, options and the values of choices are those of the program."""
    words = shlex.split(line, comments=True)[1:]
    if words in (["--version"], ["--help"]):
        return  # these end the program while it parses
    without_running([word for word in words if word not in ("…", "...")])


def test_every_page_is_in_the_site() -> None:
    """The navigation has all pages and no other."""

    def names(entries: object) -> Iterator[str]:
        if isinstance(entries, str):
            yield entries
        for entry in entries.values() if isinstance(entries, dict) else entries if isinstance(entries, list) else ():
            yield from names(entry)

    listed = list(names(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_the_page_of_commands_is_what_help_prints() -> None:
    """``scripts/commands_page.py`` would change nothing."""
    command = [sys.executable, ROOT / "scripts/commands_page.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("page", "text"), list(blocks("yaml")), ids=lambda value: str(value)[:40])
def test_configs_of_the_manual_have_known_keys(page: str, text: str) -> None:
    """A whole config loads; a part of one has keys that a config has."""
    if page.startswith("add-a-"):
        return  # names a member that the reader writes; its page has a test of its own
    document = yaml.safe_load(text)
    if not isinstance(document, dict) or "base" in document or "sweep" in document or "experiments" in document:
        return  # studies have tests of their own
    if not {"backend", "scenario", "load", "protocol", "metrics", "reporters"} & document.keys():
        return
    whole = {"backend": {"type": "openai", "model": "m", "endpoint": "http://localhost:8000/v1"}, **document}
    if whole["backend"].get("type") == "pytorch":
        whole["backend"].setdefault("model", "org/name")
    config_from_mapping(whole, source=page)


@pytest.mark.parametrize(("page", "text"), list(blocks("python")), ids=lambda value: str(value)[:40])
def test_python_of_the_manual_imports_what_exists(page: str, text: str) -> None:
    """Every block is Python, and every name that it imports from this package can be imported."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ai_energy_benchmarks"):
            module = importlib.import_module(str(node.module))
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.heavy
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """Zensical finds no broken link and no missing page."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "zensical==0.0.73", "mkdocstrings[python]"], check=True)
    done = subprocess.run(
        [tmp_path / "venv/bin/zensical", "build", "--strict", "--config-file", "mkdocs.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
