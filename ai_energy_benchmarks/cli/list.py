"""``list``: every member by name, what it is, and whether it works on this machine."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from ai_energy_benchmarks.domain.environment import Environment
    from ai_energy_benchmarks.registry import Kind


@click.command("list", short_help="List backends, meters, data sets, reporters.")
def list_members() -> None:
    """List backends, collectors, data sets and reporters, and whether each is usable here."""
    from rich.console import Console
    from rich.text import Text

    from ai_energy_benchmarks import registry
    from ai_energy_benchmarks.environment.snapshot import take_snapshot

    environment = take_snapshot()
    console = Console(highlight=False, markup=False)
    for kind in registry.BUILTIN:
        console.print(Text(kind, style="bold"))
        console.print(_table(kind, environment))


def _table(kind: Kind, environment: Environment) -> Table:
    from rich.table import Table

    from ai_energy_benchmarks import registry

    table = Table.grid(padding=(0, 2))
    for name in registry.names(kind):
        description, obstacle = _described(kind, name, environment)
        usable = f"not usable here: {obstacle}" if obstacle else "usable here"
        table.add_row(f"  {name}", description, usable)
    return table


def _described(kind: Kind, name: str, environment: Environment) -> tuple[str, str]:
    """First line of the member's docstring, and what keeps it from working; empty if nothing does."""
    from ai_energy_benchmarks import registry
    from ai_energy_benchmarks.config.members import member_class
    from ai_energy_benchmarks.text.problems import InvalidError

    try:
        member = member_class(kind, name)
    except InvalidError as error:
        return "", str(error)
    description = (inspect.getdoc(member) or "").partition("\n")[0].replace("``", "")
    found = registry.readiness(kind, name, environment)
    usable = found.state != "missing" and not registry.required_options(member)
    return description, "" if usable else "; ".join(filter(None, (found.detail, found.remedy)))
