"""The manual: every page is in the site, every command and config in it is one that exists."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import click
import pytest
import yaml

from ai_energy_benchmarks.cli.main import group
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.formatters.registry import FormatterRegistry
from ai_energy_benchmarks.study.plan.file import study_from_mapping
from tests.project.manual_pages import PAGES, PROGRAM, ROOT, SHELL, Block, Command, blocks, commands, inline_calls
from tests.project.manual_table import TABLE, exception


def without_running(words: list[str]) -> None:
    """Parse the arguments of a call as click does, without any of its effects; a command may be named alone."""
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
    with suppress(click.MissingParameter) if not words else nullcontext():
        command.parse_args(context, words)


CALLS = (
    *((command.page, command.text) for command in commands() if command.is_ours),
    *inline_calls(*PAGES, ROOT / "SKILL.md", ROOT / "PUBLISHING.md", ROOT / "CONTRIBUTING.md"),
)


@pytest.mark.parametrize(("page", "call"), CALLS, ids=lambda value: str(value)[:60])
def test_commands_of_the_manual_exist(page: str, call: str) -> None:
    """Commands, options and the values of choices are those of the program, in a sentence too."""
    words = Command(page, call).words[1:]
    if words in (["--version"], ["--help"]):
        return  # these end the program while it parses
    without_running([word for word in words if word not in ("…", "...")])


def test_lines_of_other_programs_call_this_one_as_it_is() -> None:
    """Those that hand the program to another one name subcommands that exist."""
    others = [command.text for command in commands() if PROGRAM in command.words and not command.is_ours]
    assert all(re.search(rf"{PROGRAM} energy_star doctor", text) for text in others), others


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


CONFIGS = [block for block in blocks("yaml") if exception(block.page, block.text) is None]


@pytest.mark.parametrize("block", CONFIGS, ids=lambda block: f"{block.page} {block.text[:30]}")
def test_configs_of_the_manual_have_known_keys(block: Block) -> None:
    """A whole config or study loads; so does a part of one over the keys that a config needs."""
    document = yaml.safe_load(block.text)
    if {"base", "sweep", "experiments", "execution", "design"} & document.keys():
        base = {"backend": {"type": "pytorch", "model": "org/name"}}
        assert study_from_mapping({"base": base, "sweep": {"scenario.seed": [1, 2]}, **document}).config
        return
    backend = {"type": "openai", "model": "m", "endpoint": "http://localhost:8000/v1"}
    config_from_mapping({"backend": backend, **document}, source=block.page)


def test_the_families_of_the_manual_are_known(tmp_path: Path) -> None:
    """The file of families on the page of reasoning is read, and its model found."""
    [text] = [block.text for block in blocks("yaml") if block.text.startswith("families:")]
    (tmp_path / "families.yaml").write_text(text, encoding="utf-8")
    formatter = FormatterRegistry(tmp_path / "families.yaml").get_formatter("us/our-model-7b")
    assert formatter is not None


@pytest.mark.parametrize("block", list(blocks("python", "py")), ids=lambda block: f"{block.page} {block.text[:30]}")
def test_python_of_the_manual_imports_what_exists(block: Block) -> None:
    """Every block is Python, and every name that it imports from this package can be imported."""
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ai_energy_benchmarks"):
            module = importlib.import_module(str(node.module))
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_all_of_the_manual_is_run_or_listed() -> None:
    """A command is run or has a row with the reason why not; a block is a config, Python, shell, or has such a row."""
    silent = [
        f"{command.page}: {command.text}"
        for command in commands()
        if not command.is_ours and exception(command.page, command.text) is None
    ]
    silent += [
        f"{block.page}: {block.text[:40]}"
        for block in blocks()
        if block.language not in (*SHELL, "yaml", "python") and exception(block.page, block.text) is None
    ]
    assert silent == []


def test_the_table_of_exceptions_is_true() -> None:
    """Every row fits something that the manual has, and the test that it names is there."""
    shown = [(block.page, block.text) for block in blocks() if block.language not in SHELL]
    shown += [(command.page, command.text) for command in commands()]
    assert [row for row in TABLE if not any(row.fits(*item) for item in shown)] == []
    for row in (row for row in TABLE if row.test):
        file, _, name = row.test.partition("::")
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), row


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
    assert "griffe: " not in done.stdout + done.stderr


def test_figures_of_the_comparison_are_those_of_the_scripts() -> None:
    """Every percentage of docs/comparison.md stands in the tables that scripts/perf writes into docs/validation.md."""
    page, tables = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("comparison.md", "validation.md"))
    shown = [figure for figure in re.findall(r"\d[\d.,]* %", page) if figure != "95 %"]
    assert len(shown) >= 7
    assert [figure for figure in shown if f"| {figure} |" not in tables] == []


def test_every_source_of_the_comparison_is_used() -> None:
    """Numbers in brackets and the list of sources are the same, and each source has a commit or a version."""
    page, _, sources = (ROOT / "docs/comparison.md").read_text(encoding="utf-8").partition("## Sources")
    listed = re.findall(r"^(\d)\. (.*(?:\n   .*)*)", sources, re.MULTILINE)
    assert {number for number, _ in listed} == set(re.findall(r"\[(\d)\]", page))
    assert all(re.search(r"at commit [0-9a-f]{7}|version \d", text) for _, text in listed)
