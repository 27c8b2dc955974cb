"""``doctor``: what this machine can measure and run, and a cure for each gap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from ai_energy_benchmarks.environment.lines import Line

_STYLES = {"ready": "green", "limited": "yellow", "missing": "red"}


@click.command(short_help="Say what this machine can measure and run.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def doctor(as_json: bool) -> None:
    """Look at hardware, meters and engines, and say how to close each gap."""
    import attrs

    from ai_energy_benchmarks.environment.doctor import examine

    report = attrs.asdict(examine(), recurse=False)
    if as_json:
        plain = {part: [attrs.asdict(line) for line in lines] for part, lines in report.items()}
        click.echo(json.dumps(plain, indent=2))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for part, lines in report.items():
        if lines:
            console.print(Text(part, style="bold"))
            console.print(_table(lines))


def _table(lines: tuple[Line, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for line in lines:
        detail = Text(line.detail)
        if line.cure:
            detail.append(f"\nfix: {line.cure}")
        table.add_row(f"  {line.subject}", Text(line.state, style=_STYLES[line.state]), detail)
    return table
