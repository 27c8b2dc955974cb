"""``study report``: what a study answers."""

from __future__ import annotations

from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, RUN_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.streams import say_lines
from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.text.json_text import shown_json


@click.command(short_help="Show which cell is the cheapest, and by how much.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--figure", default="j_per_output_token", show_default=True,
              help="What is compared; an unknown name lists all.")  # fmt: skip
@click.option("--component", type=click.Choice([*COMPONENTS, "total"]),
              help="Whose energy.  [default: the one that the verdicts are about]")  # fmt: skip
@click.option("--control", metavar="CELL", help="Compare every cell with this one (Dunnett), by label or id.")
@click.option("--pareto", default="output_tokens_per_s", show_default=True,
              help="The latency or throughput of the Pareto front.")  # fmt: skip
@click.option("--with-failed", is_flag=True, help="Rank cells with a verdict of FAIL too.")
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True,
              help="For people, for a page, or for programs.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead.")
@log_options
def report(
    *,
    directory: Path,
    figure: str,
    component: str | None,
    control: str | None,
    pareto: str,
    with_failed: bool,
    form: str,
    output: Path | None,
) -> int:
    """Report the study in DIRECTORY, complete or not: each cell with its interval over processes, the cheapest with
    those that cannot be excluded (Hsu), all pairs (Tukey), what each axis does, and the Pareto front.

    Exit codes: 0 some cell is ranked, 1 none is, 2 the study cannot be read.
    """
    from ai_energy_benchmarks.results.writing import write_text
    from ai_energy_benchmarks.safety.printable import one_line
    from ai_energy_benchmarks.study.answers import words
    from ai_energy_benchmarks.study.answers.answering import answer

    answers = answer(
        directory, figure=figure, component=component, control=control, front=pareto, with_failed=with_failed
    )
    if form == "json":
        text = shown_json(words.plain(answers))
    else:
        text = words.markdown(answers) if form == "markdown" else "\n".join(map(one_line, words.lines(answers)))
    if output is None:
        say_lines(text)
    else:
        write_text(output, f"{text}\n")
    return DONE if answers.ranked else RUN_FAILED
