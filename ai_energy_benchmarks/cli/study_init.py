"""``study init``: a commented study to begin with."""

from __future__ import annotations

import re
from pathlib import Path

import click

from ai_energy_benchmarks.cli.options import name_for
from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.errors import ConfigError

_FILE = "study.yaml"


@click.command(short_help="Write a commented study file.")
@click.argument("file", default=_FILE, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--example", default="starter", show_default=True, help="Which one; an unknown name lists all.")
@click.option("--recipe", help="A study that answers one question; an unknown name lists all.")
@click.option("--model", help="With --recipe: the model.  [default: a small one]")
@click.option("--backend", help="With --recipe: the engine.  [default: pytorch]")
@click.option("--endpoint", metavar="URL", help="With --recipe: the address of a server that runs already.")
@click.option("--ttft-s", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="With --recipe cheapest-under-slo: longest time to the first token.")  # fmt: skip
@click.option("--tpot-s", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="With --recipe cheapest-under-slo: longest time per later output token.")  # fmt: skip
@click.option("--print", "shown", is_flag=True, help="Print the study instead of writing FILE.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(
    *,
    file: Path,
    example: str,
    recipe: str | None,
    model: str | None,
    backend: str | None,
    endpoint: str | None,
    ttft_s: float | None,
    tpot_s: float | None,
    shown: bool,
    force: bool,
) -> None:
    """Write a commented study to FILE (study.yaml), to be edited, planned and run. It is called after FILE.

    Recipes: cheapest-under-slo, power-cap, batch-curve, quantization, engines.
    """
    from ai_energy_benchmarks.results.writing import write_text
    from ai_energy_benchmarks.study.examples import example_text
    from ai_energy_benchmarks.study.recipes import Subject, recipe_text

    subject = {"model": model, "backend": backend, "endpoint": endpoint, "ttft_s": ttft_s, "tpot_s": tpot_s}
    given = {key: value for key, value in subject.items() if value is not None}
    if given and recipe is None:
        raise click.UsageError(f"--{next(iter(given)).replace('_', '-')} needs --recipe; an example is edited instead")
    text = example_text(example)
    if recipe is not None:
        text = recipe_text(recipe, Subject(**given), file.name)  # type: ignore[arg-type] # as the options have them
    if shown:
        click.echo(text, nl=False)
        return
    if file.exists() and not force:
        raise ConfigError(f"{file} is there already", remedy="name another file, or write over it with --force")
    if file.name != _FILE:
        text = _called_after(file, text)
    write_text(file, text.replace("FILE", file.name))
    say(f"{file} is written. What it would do: ai-energy-benchmark study plan {file}")


def _called_after(file: Path, text: str) -> str:
    """The study under the name of its file, where its results are then looked for."""
    found = re.search(r"^name: (.+)$", text, re.MULTILINE)
    assert found is not None, "every example has a name"
    name = name_for(file, found[1])
    return text.replace(found[0], f"name: {name}", 1).replace(f"results/{found[1]}", f"results/{name}")
