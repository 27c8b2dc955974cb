"""``list``: every member by name, what it is, and whether it works on this machine."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.states import Shown, print_states

if TYPE_CHECKING:
    from ai_energy_benchmarks.domain.environment import Environment
    from ai_energy_benchmarks.registry import Kind


@click.command("list", short_help="List backends, meters, datasets, reporters, executors.")
def list_members() -> None:
    """List backends, collectors (meters), datasets, reporters and executors, and whether each works here."""
    from rich.console import Console

    from ai_energy_benchmarks import registry
    from ai_energy_benchmarks.environment.snapshot import take_snapshot

    environment = take_snapshot()
    console = Console(highlight=False, markup=False)
    for kind in registry.BUILTIN:
        print_states(console, kind, (_shown(kind, name, environment) for name in registry.names(kind)))


def _shown(kind: Kind, name: str, environment: Environment) -> Shown:
    """First line of the member's docstring, and what keeps it from working."""
    from ai_energy_benchmarks import registry
    from ai_energy_benchmarks.config.members import member_class
    from ai_energy_benchmarks.text.problems import InvalidError

    found = registry.readiness(kind, name, environment)
    try:
        description = (inspect.getdoc(member_class(kind, name)) or "").partition("\n")[0].replace("``", "")
    except InvalidError as error:
        return Shown(name, "missing", (str(error),))
    sentences = [description] if found.state == "ready" else [description, found.detail]
    if found.remedy and found.state != "ready":
        sentences.append(f"fix: {found.remedy}")
    return Shown(name, found.state, sentences)
