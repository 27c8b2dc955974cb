"""``study``: plan, begin, go on with and report studies."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

COMMANDS: Mapping[str, str] = {
    "plan": "ai_energy_benchmarks.cli.study_plan:plan",
    "init": "ai_energy_benchmarks.cli.study_init:init",
    "resume": "ai_energy_benchmarks.cli.study_run:resume",
    "report": "ai_energy_benchmarks.cli.study_report:report",
}


class LazyStudyGroup(click.Group):
    """Imports a subcommand's module when the command is looked at."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyStudyGroup, short_help="Measure many configurations, in an order that can be trusted.")
def study() -> None:
    """Measure many configurations several times each. ``ai-energy-benchmark run FILE`` runs a study file."""
