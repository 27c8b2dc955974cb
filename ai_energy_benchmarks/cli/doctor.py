"""``doctor``: what this machine can measure and run, and a fix for each gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.states import Shown, print_states
from ai_energy_benchmarks.cli.streams import say_lines
from ai_energy_benchmarks.text.json_text import shown_json

if TYPE_CHECKING:
    from ai_energy_benchmarks.environment.lines import Line


@click.command(short_help="Show what this machine can measure and run.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def doctor(as_json: bool) -> None:
    """Look at hardware, meters and engines, and show how to close each gap."""
    import attrs

    from ai_energy_benchmarks.environment.doctor import examine

    report = attrs.asdict(examine(), recurse=False)
    if as_json:
        plain = {part: [attrs.asdict(line) for line in lines] for part, lines in report.items()}
        say_lines(shown_json(plain))
        return
    from rich.console import Console

    console = Console(highlight=False)
    for part, lines in report.items():
        print_states(console, part.replace("_", " "), map(_shown, lines))


def _shown(line: Line) -> Shown:
    return Shown(line.subject, line.state, (line.detail, *((f"fix: {line.fix}",) if line.fix else ())))
