"""``compare``: which of two sets of results uses more, and whether that is a regression."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, INCONCLUSIVE, REGRESSION
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.streams import say_lines
from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.text.json_text import shown_json

_CODES = {None: DONE, "pass": DONE, "regression": REGRESSION, "inconclusive": INCONCLUSIVE}
_KINDS = ("model", "dataset", "prompts", "generation", "tokens", "load", "method", "verdict")


@click.command(short_help="Compare two sets of results.")
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option("--a", "more_a", multiple=True, metavar="PATH", help="A further result of A. May be repeated.")
@click.option("--b", "more_b", multiple=True, metavar="PATH", help="A further result of B. May be repeated.")
@click.option("--run", "measured", is_flag=True,
              help="A and B are configs: measure them in turns, as one study, then compare.")  # fmt: skip
@click.option("--cycles", type=click.IntRange(min=2), metavar="N",
              help="With --run: processes of each, an even number.  [default: 6]")  # fmt: skip
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path),
              help="With --run: the directory of the study.  [default: results/A-against-B]")  # fmt: skip
@click.option("--fail-above", metavar="SHARE",
              help="By how much B may be worse, such as 5% or 0.05; decides the exit code.")  # fmt: skip
@click.option("--figure", default="j_per_output_token", show_default=True,
              help="What is compared; an unknown name lists all.")  # fmt: skip
@click.option("--component", type=click.Choice([*COMPONENTS, "total"]),
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
    measured: bool,
    cycles: int | None,
    output_dir: Path | None,
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

    With --run A and B are config files. The machine measures them alternately, so that its drift favours neither, and
    keeps the study: `study resume` goes on after a crash.

    Exit codes: 0 compared, or B passes --fail-above; 4 B is a regression; 5 inconclusive; 2 they cannot be compared; 1
    some run failed.
    """
    from ai_energy_benchmarks.results.writing import write_text
    from ai_energy_benchmarks.safety.printable import one_line
    from ai_energy_benchmarks.study.comparison import words
    from ai_energy_benchmarks.study.comparison.comparing import compare as compare_runs
    from ai_energy_benchmarks.study.stored_runs import read_runs

    first, second = ((*([given] if given else []), *more) for given, more in ((a, more_a), (b, more_b)))
    if not first or not second:
        raise click.UsageError("name a result for A and one for B")
    limit = None if fail_above is None else share(fail_above)
    if measured:
        if len(first) > 1 or len(second) > 1:
            raise click.UsageError("--run takes one config for A and one for B")
        with redirect_stdout(sys.stderr):  # the comparison alone is the output
            code, first, second = run_in_turns(Path(first[0]), Path(second[0]), output_dir, cycles, allowed)
        if code != DONE:
            return code
    elif cycles is not None or output_dir is not None:
        raise click.UsageError("--cycles and --output-dir need --run")
    comparison = compare_runs(
        read_runs(first),
        read_runs(second),
        figure=figure,
        component=component,
        limit=limit,
        allow=allowed,  # type: ignore[arg-type] # among the choices
    )
    if form == "json":
        text = shown_json(words.plain(comparison))
    else:
        text = words.markdown(comparison) if form == "markdown" else "\n".join(map(one_line, words.lines(comparison)))
    if output is None:
        say_lines(text)
    else:
        write_text(output, f"{text}\n")
    return _CODES[comparison.decision]


def run_in_turns(
    first: Path, second: Path, output_dir: Path | None, cycles: int | None, allowed: tuple[str, ...]
) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Measure two configs of the same work as one study; its exit code, and the cells of both."""
    from ai_energy_benchmarks.cli.study_run import resume, run_file
    from ai_energy_benchmarks.config.user_defaults import read_user_defaults
    from ai_energy_benchmarks.results.writing import write_text
    from ai_energy_benchmarks.study.cells import CELLS, read_cells
    from ai_energy_benchmarks.study.comparison.beforehand import check_alike
    from ai_energy_benchmarks.study.comparison.together import CYCLES, study_of_two
    from ai_energy_benchmarks.study.manifest import MANIFEST_FILE

    directory = output_dir or Path("results") / f"{first.stem}-against-{second.stem}"
    text = study_of_two(first, second, directory, cycles or CYCLES)
    defaults = read_user_defaults()
    check_alike(first, second, allow=allowed, defaults=defaults)  # type: ignore[arg-type] # among the choices
    file = directory / "asked.yaml"
    if (directory / MANIFEST_FILE).exists() and file.exists() and file.read_text(encoding="utf-8") == text:
        code = resume.main([str(directory)], standalone_mode=False)  # measured before, or killed on the way
    else:
        write_text(file, text)
        code = run_file(file, {}, defaults)
    one, other = (str(directory / CELLS / cell.id) for cell in read_cells(directory))
    return code, (one,), (other,)


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
