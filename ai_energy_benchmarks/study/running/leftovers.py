"""What a study that was killed has left: a cell whose end no one saw."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from ai_energy_benchmarks.errors import BenchmarkError, ReporterError
from ai_energy_benchmarks.machine.launched import Launched
from ai_energy_benchmarks.results.run_directory import RUNS, left_journals
from ai_energy_benchmarks.runner.recovering import recover
from ai_energy_benchmarks.study.commands import STUDY_VARIABLE
from ai_energy_benchmarks.study.running.judging import Judgement, completed_document, verdict_of

logger = logging.getLogger(__name__)

# A cell notices that its study is gone and writes what it has; it is waited for, since two would share the machine.
_ENDING_CAP_S = 60.0
_LOOK_S = 0.25


def mark_of(study: Path) -> dict[str, str]:
    """Variables by which the processes of a study's cells are known."""
    return {STUDY_VARIABLE: str(study.resolve())}


def end_orphans(study: Path, cap_s: float = _ENDING_CAP_S) -> None:
    """Wait for what a killed study left running here, and end what still runs after ``cap_s``.

    An engine that was being loaded hears of the end when it is loaded; meanwhile no other cell may be measured.
    """
    ((variable, mark),) = mark_of(study).items()
    orphans = Launched(mark, variable=variable)
    until_s = time.monotonic() + cap_s
    while orphans.members() and time.monotonic() < until_s:
        time.sleep(_LOOK_S)
    if killed := orphans.end(patience_s=0.0) if orphans.members() else ():
        logger.warning("%s: killed %d processes of a cell that had not ended", study, len(killed))


def settle(directory: Path, cap_s: float = _ENDING_CAP_S) -> Judgement:
    """Wait until the cell of a killed study has ended, make reports from the journals it left, and judge it.

    Raises:
        ReporterError: a process still uses the directory after ``cap_s``.
    """
    until_s = time.monotonic() + cap_s
    while True:
        try:
            if (directory / RUNS).exists() and left_journals(directory):
                for run in recover(directory):
                    logger.info("%s: recovered what run %s had measured", directory, run.result.run_id)
            elif _in_use(directory):
                raise ReporterError(f"{directory} is in use", remedy="wait until that process has ended")
            break
        except ReporterError:
            if time.monotonic() > until_s:
                raise
            time.sleep(_LOOK_S)
        except BenchmarkError as error:  # a journal that is damaged, or does not hold even the start of a run
            logger.warning("%s: a journal is left as it is: %s", directory, error)
            break
    document = completed_document(directory)
    if document is not None:
        return Judgement("completed", verdict_of(document), "it completed after its study had been killed")
    return Judgement("interrupted", reason="the study was killed while it ran")


def _in_use(directory: Path) -> bool:
    from ai_energy_benchmarks.results.run_directory import held

    if not (directory / RUNS).exists():
        return False
    try:
        with held(directory, "resume"):
            return False
    except ReporterError:
        return True
