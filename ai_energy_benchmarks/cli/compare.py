"""``compare``: which of two sets of results uses more, and whether that is a regression."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, INCONCLUSIVE, REGRESSION
from ai_energy_benchmarks.cli.logs import log_options

_CODES = {None: DONE, "pass": DONE, "regression": REGRESSION, "inconclusive": INCONCLUSIVE}
_KINDS = ("model", "dataset", "prompts", "generation", "tokens", "load", "method", "verdict")


@click.command(short_help="Compare two sets of results.")
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option("--a", "more_a", multiple=True, metavar="PATH", help="A further result of A. May be repeated.")
@click.option("--b", "more_b", multiple=True, metavar="PATH", help="A further result of B. May be repeated.")
@click.option("--fail-above", metavar="SHARE",
              help="By how much B may be worse, such as 5% or 0.05; decides the exit code.")  # fmt: skip
@click.option("--figure", default="j_per_output_token", show_default=True,
              help="What is compared; an unknown name lists all.")  # fmt: skip
@click.option("--component", type=click.Choice(["gpu", "cpu", "dram", "total"]),
              help="Whose energy.  [default: the one that the verdicts are about]")  # fmt: skip
@click.option("--allow", "allowed", multiple=True, type=click.Choice(_KINDS),
              help="Compare although this is not the same on both sides. May be repeated.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True,
              help="For people, for a pull request, or for programs.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead.")
@log_options
def compare(
    *,
    a: str | None,
    b: str | None,
    more_a: tuple[str, ...],
    more_b: tuple[str, ...],
    fail_above: str | None,
    figure: str,
    component: str | None,
    allowed: tuple[str, ...],
    form: str,
    output: Path | None,
) -> int:
    """Compare B with A. Each is a result directory, a result.json, a directory of result directories (several cycles
    of the same), or a cell of a study (STUDY:CELL).

    Results of different work are refused, with each difference by name; so are withheld figures and FAIL verdicts.

    Exit codes: 0 compared, or B passes --fail-above; 4 B is a regression; 5 inconclusive; 2 they cannot be compared.
    """
    from ai_energy_benchmarks.results.writing import write_text
    from ai_energy_benchmarks.study.comparison import words
    from ai_energy_benchmarks.study.comparison.comparing import compare as compare_runs
    from ai_energy_benchmarks.study.stored_runs import read_runs

    first, second = ((*([given] if given else []), *more) for given, more in ((a, more_a), (b, more_b)))
    if not first or not second:
        raise click.UsageError("name a result for A and one for B")
    limit = None if fail_above is None else share(fail_above)
    comparison = compare_runs(
        read_runs(first),
        read_runs(second),
        figure=figure,
        component=component,
        limit=limit,
        allow=allowed,  # type: ignore[arg-type] # among the choices
    )
    if form == "json":
        text = json.dumps(words.plain(comparison), ensure_ascii=False, indent=2)
    else:
        text = words.markdown(comparison) if form == "markdown" else "\n".join(words.lines(comparison))
    if output is None:
        click.echo(text)
    else:
        write_text(output, f"{text}\n")
    return _CODES[comparison.decision]


def share(text: str) -> float:
    """``5%`` or ``0.05`` as 0.05; a bare 5 could be either and is refused."""
    number, percent = (text[:-1], 0.01) if text.endswith("%") else (text, 1.0)
    try:
        value = float(number) * percent
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise click.BadParameter(f"{text!r} is not a share; write 5% or 0.05", param_hint="--fail-above")
    return value
