"""Writes docs/commands.md from the commands themselves: python scripts/commands_page.py [--check]"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ai_energy_benchmarks.cli.main import PROGRAM, group

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
HEAD = """# Commands

What `--help` prints, for every command. `scripts/commands_page.py` writes this page.
"""


def sections(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """The help of a command and of those below it."""
    context = click.Context(command, parent=parent, info_name=name, max_content_width=100, terminal_width=100)
    context.help_option_names = ["-h", "--help"]
    path = context.command_path
    yield f"{'#' * min(3, 1 + len(path.split()))} {path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            below = command.get_command(context, child)
            if below is not None and not below.hidden:
                yield from sections(below, child, context)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *sections(group, PROGRAM)])


def main() -> int:
    """Write the page, or say with --check that it is another one; the number of an exit code."""
    if "--check" in sys.argv[1:]:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        print("ok" if same else "docs/commands.md is out of date; fix: python scripts/commands_page.py")
        return 0 if same else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
