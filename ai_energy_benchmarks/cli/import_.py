"""``import``: other people's numbers, judged before they are shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, VERDICT_FAILED
from ai_energy_benchmarks.cli.streams import say, say_lines

if TYPE_CHECKING:
    from ai_energy_benchmarks.domain.bounds import Bounds
    from ai_energy_benchmarks.results.foreign.imported import Imported


@click.command("import", short_help="Read and judge power logs and reports of other tools.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--from",
    "start",
    metavar="TIME",
    help="Start of the window of a power log: Unix seconds, or a date and time.",
)
@click.option("--to", "stop", metavar="TIME", help="Its end.")
@click.option(
    "--timezone",
    metavar="ZONE",
    help="Of times without a zone in the log (nvidia-smi writes local time), --from and --to: Europe/Berlin, UTC or "
    "+01:00. Needed where only some of them have none.",
)
@click.option("--requests", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="aiperf's profile_export.jsonl: the window and the tokens of a power log.")  # fmt: skip
@click.option(
    "--gpu",
    "gpus",
    multiple=True,
    metavar="NAME",
    help="A GPU of the log that counts, by index or uuid; may be repeated.  [default: all that worked]",
)
@click.option("--output-tokens", type=click.IntRange(min=1), help="That the energy of the window is of.")
@click.option("--strict", is_flag=True, help=f"Exit with {VERDICT_FAILED} if anything is FAIL.")
def import_results(
    *,
    file: Path,
    start: str | None,
    stop: str | None,
    timezone: str | None,
    requests: Path | None,
    gpus: tuple[str, ...],
    output_tokens: int | None,
    strict: bool,
) -> int:
    """Read FILE of another tool, judge it, and show what it holds.

    \b
    Known are power logs of nvidia-smi, amd-smi, rocm-smi and dcgmi dmon (with a window), reports of
    optimum-benchmark, rows of ML.ENERGY, and CSV files of version 0.0.x of this package.

    What is wrong comes first; no bad measure enters a mean.
    """
    from ai_energy_benchmarks.errors import ConfigError
    from ai_energy_benchmarks.results.foreign.clocks import zone_named
    from ai_energy_benchmarks.results.foreign.reading import read_foreign

    if (start is None) != (stop is None):
        raise ConfigError("--from and --to come together", remedy="give both")
    window = (start, stop) if start is not None and stop is not None else None
    zone = zone_named(timezone) if timezone is not None else None
    imported = read_foreign(file, window=window, zone=zone, requests=requests, gpus=gpus, output_tokens=output_tokens)
    _show(imported)
    return VERDICT_FAILED if strict and imported.level == "FAIL" else DONE


def _half_width(bounds: Bounds) -> float:
    """Of the wider side: the lower bound of a mean of few measures is cut off at 0."""
    return max(bounds.half_width, bounds.high - bounds.best)


def _show(imported: Imported) -> None:
    from ai_energy_benchmarks.domain.digits import figure
    from ai_energy_benchmarks.reporters.figures import with_half_width
    from ai_energy_benchmarks.reporters.tables import Table, markdown
    from ai_energy_benchmarks.results.foreign.windows import joules_per_token

    say(f"{imported.source}: {imported.level}")
    for finding in imported.findings:
        say(f"{finding.level} {finding.check}: {finding.message}")
    rows = []
    for item in imported.figures:
        energy, per_token = item.energy_j, joules_per_token(item)
        rows.append(
            (
                item.name,
                with_half_width(energy.best, _half_width(energy)) if energy else f"withheld: {item.withheld}",
                with_half_width(per_token.best, _half_width(per_token)) if per_token else "–",
                figure(energy.best / item.duration_s) if energy and item.duration_s else "–",
                "yes" if item.counted else "–",
            )
        )
    heads = ("figure", "energy (J)", "J per output token", "mean power (W)", "counted")
    say("")
    say_lines(markdown(Table(heads, tuple(rows), "", frozenset({1, 2, 3}))).rstrip())
