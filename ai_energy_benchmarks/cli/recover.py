"""``recover``: the report of a run that was killed, from what it had on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, RUN_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.run import name_files
from ai_energy_benchmarks.cli.streams import say


@click.command(short_help="Make the report of a run that was killed.")
@click.argument("output_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--remove-spill", is_flag=True, help="Remove rows of requests that killed runs left (requests.spill.…).")
@log_options
def recover(*, output_dir: Path, remove_spill: bool) -> int:
    """Make the reports of runs into OUTPUT_DIR that were killed, from the trials that they had completed.

    Each report goes to runs/<run id>/ of OUTPUT_DIR and is marked as interrupted; a run that had measured everything
    is written as if it had not been killed.

    A file that is damaged is named with what to do, once all other runs are recovered; what is on the disk stays.

    Exit codes: 0 done, 1 a report could not be written or a run is using the directory, 2 there is nothing to recover
    or a journal cannot be read.
    """
    from ai_energy_benchmarks.results.run_directory import left_journals, left_spills
    from ai_energy_benchmarks.runner.recovering import recover as recovered_runs

    failed = False
    if not remove_spill or left_journals(output_dir):
        for run in recovered_runs(output_dir):
            done = sum(trial.complete for trial in run.result.trials)
            say(f"{run.result.run_id}: {run.result.ending}, {done} complete trials")
            name_files(run.reported.files)
            for failure in run.reported.failures:
                say(f"error: {failure}", err=True)
                failed = True
    for spill in left_spills(output_dir):
        if remove_spill:
            shutil.rmtree(spill)
        say(f"{'removed' if remove_spill else 'left by a killed run; --remove-spill removes it'}: {spill}")
    return RUN_FAILED if failed else DONE
