"""``study init``: a commented study to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.errors import ConfigError

_FILE = "study.yaml"


@click.command(short_help="Write a commented study file.")
@click.argument("file", default=_FILE, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--example", default="starter", show_default=True, help="Which one; an unknown name lists all.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(file: Path, example: str, force: bool) -> None:
    """Write a commented study to FILE (study.yaml), to be edited, planned and run."""
    from ai_energy_benchmarks.results.writing import write_text
    from ai_energy_benchmarks.study.examples import example_text

    text = example_text(example)
    if file.exists() and not force:
        raise ConfigError(f"{file} is there already", remedy="name another file, or write over it with --force")
    write_text(file, text.replace("FILE", file.name))
    say(f"{file} is written. What it would do: ai-energy-benchmark study plan {file}")
