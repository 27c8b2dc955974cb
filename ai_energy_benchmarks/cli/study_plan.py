"""``study plan``: what a study would do."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.streams import say, say_lines

if TYPE_CHECKING:
    from ai_energy_benchmarks.study.plan.study import Study

_MOST_SHOWN = 20


@click.command(short_help="Show what a study would do.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--override", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Change one key, such as design.cycles=3. May be repeated.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="Draw the orders from this (design.seed).")
@click.option("--all", "everything", is_flag=True, help=f"List all cells, not the first {_MOST_SHOWN}.")
@log_options
def plan(file: Path, overrides: tuple[str, ...], seed: int | None, everything: bool) -> None:
    """Check the study FILE without running it: its cells, which are excluded and why, their order, time and disk.

    Engines, environments and GPUs that this machine lacks are named with their fix.
    """
    from ai_energy_benchmarks.config.overrides import parse_assignments
    from ai_energy_benchmarks.config.user_defaults import read_user_defaults
    from ai_energy_benchmarks.study.plan.file import load_study

    changes = ({} if seed is None else {"design.seed": seed}) | parse_assignments(overrides)
    show(load_study(file, changes, defaults=read_user_defaults()), everything=everything)


def show(study: Study, *, everything: bool = False) -> None:
    """Print what a study would do; ``everything`` lists all cells."""
    from ai_energy_benchmarks.environment.snapshot import take_snapshot
    from ai_energy_benchmarks.study.plan.checking import planned
    from ai_energy_benchmarks.study.plan.disk import shown_bytes
    from ai_energy_benchmarks.study.plan.estimate import estimate, first_order, funnel
    from ai_energy_benchmarks.study.running.preflight import look

    expansion, design = planned(study), study.config.design
    for line in funnel(expansion, design.max_cycles):
        say(line)
    if design.until is not None:
        say(f"        at most, until every interval is within ± {design.until.relative_half_width:.1%}")
    drawn = (
        " (an example; it is drawn when the study begins)" if design.order == "shuffle" and design.seed is None else ""
    )
    say(f"Order: {design.order}; first cycle{drawn}:")
    cells = first_order(study, expansion)
    for number, cell in enumerate(cells if everything else cells[:_MOST_SHOWN], start=1):
        say(f"{number:6}  {cell.label or cell.id}")
    if len(cells) > _MOST_SHOWN and not everything:
        say(f"        and {len(cells) - _MOST_SHOWN} more; --all lists them")
    execution = study.config.execution
    if execution.executor != "local":
        together = "each cycle" if execution.placement == "cycle" else "each cell"
        say(f"Runs on: {execution.executor}, {together} on one node, one cell on a node at a time")
    takes = estimate(study, expansion)
    say(f"Time: {duration(takes.fixed_s)} of idle power and gaps, and what loading, warming up and generating at most "
        f"{takes.output_tokens:,} output tokens takes")  # fmt: skip
    say(f"Disk: about {shown_bytes(takes.disk_bytes)} in {study.directory}, which has {shown_bytes(takes.free_bytes)}")
    preflight = look(study, expansion.cells, take_snapshot())
    for warning in preflight.warnings:
        say(f"Warning: {warning}")
    if preflight.obstacles:
        say("This machine cannot run it as it is:")
    for obstacle in preflight.obstacles:
        say_lines(textwrap.indent(str(obstacle), "  "))


def duration(seconds: float) -> str:
    """A time for people."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest_s:02} s" if minutes else f"{rest_s} s"
