"""``submit`` and ``verify``: a result that others can check, and the check."""

from __future__ import annotations

from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, INCONCLUSIVE, VERDICT_FAILED
from ai_energy_benchmarks.cli.streams import say


@click.command(short_help="Copy a result with hashes, for others to verify.")
@click.argument("result_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
def submit(result_dir: Path, target: Path) -> int:
    """Copy the completed result RESULT_DIR to the new directory TARGET, with the hashes of its files.

    Every figure is recomputed first, so that what is submitted can be verified.
    """
    from ai_energy_benchmarks.errors import ConfigError
    from ai_energy_benchmarks.results.submission import submit as submission

    if target.exists() and any(target.iterdir()):
        raise ConfigError(f"{target} is not empty", remedy="name a new directory")
    for file in submission(result_dir, target):
        say(f"  {file}")
    return DONE


@click.command(short_help="Check a submitted result, byte by byte and figure by figure.")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
def verify(directory: Path) -> int:
    """Check DIRECTORY, which submit wrote: the hash of every file, then every figure from the raw series.

    \b
    Exit codes: 0 everything holds, 3 a file or a figure does not, 5 another version is needed for the figures.
    """
    from importlib.metadata import version

    from ai_energy_benchmarks.results.submission import verify as verification

    found = verification(directory, version("ai_energy_benchmarks"))
    for sentence in found.changed:
        say(f"  {sentence}")
    if found.changed:
        say("The files are not those that were submitted.")
        return VERDICT_FAILED
    if found.not_recomputed:
        say(f"Every byte is as submitted. The figures were not recomputed: {found.not_recomputed}")
        return INCONCLUSIVE
    if found.figures:
        say(f"Every byte is as submitted, but recomputing gives other figures for: {', '.join(found.figures[:10])}")
        return VERDICT_FAILED
    say("Every byte is as submitted, and every figure follows from the raw series.")
    return DONE
