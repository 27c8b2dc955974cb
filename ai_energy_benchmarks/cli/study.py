"""``study``: plan, begin, go on with and report studies."""

from __future__ import annotations

from collections.abc import Mapping

import click

from ai_energy_benchmarks.cli.lazy import LazyGroup

COMMANDS: Mapping[str, str] = {
    "plan": "ai_energy_benchmarks.cli.study_plan:plan",
    "init": "ai_energy_benchmarks.cli.study_init:init",
    "resume": "ai_energy_benchmarks.cli.study_run:resume",
    "report": "ai_energy_benchmarks.cli.study_report:report",
}


class StudyCommands(LazyGroup):
    """The commands of ``study``."""

    TARGETS = COMMANDS


@click.group(cls=StudyCommands, short_help="Measure many configurations, in an order that can be trusted.")
def study() -> None:
    """Measure many configurations several times each. ``ai-energy-benchmark run FILE`` runs a study file."""
