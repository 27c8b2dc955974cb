"""``reanalyze``: the figures of a result directory again, under other assumptions if asked."""

from __future__ import annotations

from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, VERDICT_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.streams import say


@click.command(short_help="Recompute the figures of a result directory.")
@click.argument("result_dir", type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Choice(["both", "resident", "hot", "bare"]), default="both", show_default=True,
              help="The idle power that net energy is after.")  # fmt: skip
@click.option("--carbon-intensity", type=click.FloatRange(min=0), metavar="G",
              help="g CO2-equivalent per kWh.")  # fmt: skip
@click.option("--country", metavar="CODE", help="Three letters; the carbon intensity of its electricity.")
@click.option("--pue", type=click.FloatRange(min=1), metavar="X", help="Power usage effectiveness of the site.")
@click.option("--wall-factor", type=click.FloatRange(min=1), metavar="X",
              help="Energy at the wall over that of the measured components.")  # fmt: skip
@click.option("--from", "from_s", type=click.FloatRange(min=0), metavar="S",
              help="Count each trial from so many seconds after its start.")  # fmt: skip
@click.option("--to", "to_s", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Count each trial until so many seconds after its start.")  # fmt: skip
@click.option("--drop-trial", "dropped", type=click.IntRange(min=1), multiple=True, metavar="N",
              help="Skip a trial. May be repeated.")  # fmt: skip
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Write result.json and config.yaml into this directory.")  # fmt: skip
@click.option("--strict", is_flag=True, help=f"Exit with {VERDICT_FAILED} if the verdict is FAIL.")
@log_options
def reanalyze(
    *,
    result_dir: Path,
    baseline: str,
    carbon_intensity: float | None,
    country: str | None,
    pue: float | None,
    wall_factor: float | None,
    from_s: float | None,
    to_s: float | None,
    dropped: tuple[int, ...],
    output_dir: Path | None,
    strict: bool,
) -> int:
    """Recompute every figure of RESULT_DIR from its raw series.

    Without options the result is the recorded one, bit for bit, and the command says whether it is. RESULT_DIR
    itself is never changed; the path of its result.json names it too.
    """
    from ai_energy_benchmarks.errors import ConfigError
    from ai_energy_benchmarks.reporters.console import ConsoleReporter
    from ai_energy_benchmarks.reporters.json import JsonReporter
    from ai_energy_benchmarks.results.reading import RESULT_FILE
    from ai_energy_benchmarks.results.reanalysis.recompute import Changes, differences, reanalyse

    if result_dir.name == RESULT_FILE:
        result_dir = result_dir.parent
    if output_dir is not None and output_dir.resolve() == result_dir.resolve():
        raise ConfigError("--output-dir is the measured directory itself", remedy="choose another directory")
    changes = Changes(
        baseline=baseline,  # type: ignore[arg-type] # one of the choices
        intensity_g_per_kwh=carbon_intensity,
        pue=pue,
        country=country,
        wall_factor=wall_factor,
        from_s=from_s,
        to_s=to_s,
        dropped=frozenset(dropped),
    )
    result = reanalyse(result_dir, changes)
    ConsoleReporter().report(result)
    if output_dir is not None:
        for file in JsonReporter(output_dir / "result.json").report(result):
            say(f"  {file}")
    if changes == Changes():
        say(_compared(differences(result, result_dir)))
    return VERDICT_FAILED if strict and result.verdict.level == "FAIL" else DONE


def _compared(differing: tuple[str, ...]) -> str:
    if not differing:
        return "The result is the recorded one, bit for bit."
    figures = "1 figure" if len(differing) == 1 else f"{len(differing)} figures"
    return f"The result differs from the recorded one in {figures}: {', '.join(differing[:10])}"
