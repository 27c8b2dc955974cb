"""``list``: every member by name, what it is, and whether it works on this machine."""

from __future__ import annotations

import importlib.util
import inspect
from typing import TYPE_CHECKING, cast

import attrs
import click

if TYPE_CHECKING:
    from rich.table import Table

    from ai_energy_benchmarks.backends.base import Backend
    from ai_energy_benchmarks.domain.environment import Environment
    from ai_energy_benchmarks.metrics.base import MetricsCollector
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
    from ai_energy_benchmarks.config.members import member_class
    from ai_energy_benchmarks.text.problems import InvalidError

    try:
        member = member_class(kind, name)
    except InvalidError as error:
        return "", str(error)
    description = (inspect.getdoc(member) or "").partition("\n")[0].replace("``", "")
    options = getattr(member, "Options", None)
    if options is not None and (needed := required(options)):
        return description, f"it needs options: {', '.join(needed)}"
    if kind == "backends":
        return description, _backend_obstacle(cast("type[Backend]", member))
    if kind == "collectors":
        return description, _collector_obstacle(cast("type[MetricsCollector]", member), environment)
    package, install = getattr(member, "NEEDS", ("", ""))
    missing = bool(package) and importlib.util.find_spec(package) is None
    return description, f"it needs {package}: {install}" if missing else ""


def required(options: type) -> tuple[str, ...]:
    """Options of a member that have no default."""
    return tuple(each.name for each in attrs.fields(options) if each.default is attrs.NOTHING)


def _backend_obstacle(member: type[Backend]) -> str:
    from ai_energy_benchmarks.backends.base import BackendSettings, Demand
    from ai_energy_benchmarks.domain.prompts import Generation

    settings = BackendSettings("", "auto", (0,), None, "text-generation", member.Options())
    return "; ".join(member.from_settings(settings).problems(Demand(Generation(), 1, 1)))


def _collector_obstacle(member: type[MetricsCollector], environment: Environment) -> str:
    from ai_energy_benchmarks.errors import CollectorError
    from ai_energy_benchmarks.metrics.base import CollectorSettings

    try:
        with member.from_settings(CollectorSettings(member.Options(), environment)):
            return ""
    except CollectorError as error:
        return error.message if error.remedy is None else f"{error.message}; {error.remedy}"
