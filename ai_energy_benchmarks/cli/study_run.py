"""Running a study from its file, and ``study resume``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import define, field

from ai_energy_benchmarks.cli.checking import before_measuring
from ai_energy_benchmarks.cli.exit_codes import DONE, INTERRUPTED, RUN_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from ai_energy_benchmarks.config.user_defaults import UserDefaults
    from ai_energy_benchmarks.study.manifest import CloseReason
    from ai_energy_benchmarks.study.running.judging import Judgement
    from ai_energy_benchmarks.study.running.opening import OpenStudy
    from ai_energy_benchmarks.study.running.schedule import Turn

_REASONS: Mapping[CloseReason, str] = {
    "completed": "",
    "interrupted": "interrupted",
    "budget": "the wall-clock budget is used up (execution.budget_s)",
    "failing": "too many cells failed one after the other (execution.breaker)",
    "disk": "there is too little room on the disk",
}


@click.command(short_help="Go on with a study.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--accept-drift", is_flag=True, help="Go on although the machine or its software has changed.")
@log_options
def resume(*, directory: Path, accept_drift: bool) -> int:
    """Go on with the study in DIRECTORY: what is complete is kept, the rest is measured.

    Exit codes: 0 every cell is complete, 1 some are not, 2 the study cannot go on as it is, 130 interrupted,
    143 ended by SIGTERM, 129 by SIGHUP.
    """
    from ai_energy_benchmarks.environment.snapshot import take_snapshot
    from ai_energy_benchmarks.study.running.opening import resume as resumed
    from ai_energy_benchmarks.study.running.preflight import look

    environment = take_snapshot()
    with before_measuring():
        opened = resumed(directory, environment, accept_drift=accept_drift, look=look)
    return _run(opened)


def run_file(file: Path, overrides: Mapping[str, object], defaults: UserDefaults | None) -> int:
    """What ``run`` does with the file of a study."""
    from ai_energy_benchmarks.environment.snapshot import take_snapshot
    from ai_energy_benchmarks.study.plan.checking import planned
    from ai_energy_benchmarks.study.plan.estimate import funnel
    from ai_energy_benchmarks.study.plan.file import load_study
    from ai_energy_benchmarks.study.running.opening import begin
    from ai_energy_benchmarks.study.running.preflight import look

    study = load_study(file, overrides, defaults=defaults)
    expansion = planned(study)
    for line in funnel(expansion, study.config.design.max_cycles):
        say(line)
    with before_measuring():
        opened = begin(study, expansion, take_snapshot(), look)
    return _run(opened)


def _run(opened: OpenStudy) -> int:
    from ai_energy_benchmarks.study.executors.choosing import distributed, executor_for
    from ai_energy_benchmarks.study.locks import locked
    from ai_energy_benchmarks.study.running.cooling import Cooling
    from ai_energy_benchmarks.study.running.gpus import temperatures_celsius
    from ai_energy_benchmarks.study.running.stopping import StopRequests
    from ai_energy_benchmarks.study.running.study_run import StudyRun

    for warning in opened.preflight.warnings:
        say(f"warning: {warning}", err=True)
    gpus = opened.preflight.gpus
    elsewhere = distributed(opened.study)
    gate = opened.study.config.design.cooling
    cooling = Cooling(gate, lambda: temperatures_celsius(gpus.locked)) if gate else None
    running = "the cells that run" if elsewhere else "the trial that runs; a cell before its first trial ends now"
    stop = StopRequests(lambda: say(f"finishing {running}; Ctrl-C again stops everything now", err=True))
    observer = Lines(begun_s=time.monotonic(), elsewhere=elsewhere)
    executor = executor_for(opened.study, opened.directory)
    # On other machines, each node locks its own GPUs.
    with nullcontext() if elsewhere else locked(gpus.locked, opened.directory), stop:
        try:
            reason = StudyRun(opened, executor, stop, gpus, observer, cooling).run()
        except BackendError as error:
            if observer.measured:
                raise
            raise ConfigError(error.message, remedy=error.remedy) from error  # what the study asks for is not there
        except KeyboardInterrupt:
            say(f"`ai-energy-benchmark study resume {opened.directory}` goes on", err=True)
            raise
    return _left(opened, observer, reason)


def _left(opened: OpenStudy, observer: Lines, reason: CloseReason) -> int:
    if reason == "completed" and not observer.failed:
        say(f"complete; `ai-energy-benchmark study report {opened.directory}` compares the cells")
        return DONE
    why = _REASONS[reason] or f"{observer.failed} runs are not complete"
    say(f"{why}; `ai-energy-benchmark study resume {opened.directory}` goes on", err=True)
    return INTERRUPTED if reason == "interrupted" else RUN_FAILED


@define
class Lines:
    """One line for each cell that begins and that ends, outside every window of the cells.

    Attributes:
        elsewhere: cells run on other machines, several at a time, so each line names its cell.
        measured: whether a cell has ended.
    """

    begun_s: float
    elsewhere: bool = False
    measured: bool = field(default=False, init=False)
    _failed: set[tuple[str, int]] = field(factory=set)

    @property
    def failed(self) -> int:
        """How many cells and cycles did not complete, also when they were tried again."""
        return len(self._failed)

    def begins(self, turn: Turn, done: int, total: int) -> None:
        say(f"{'hands over' if self.elsewhere else f'[{done + 1}/{total}]'} {_named(turn)}")

    def ended(self, turn: Turn, judgement: Judgement, wall_s: float) -> None:
        self.measured = True
        reason = f": {judgement.reason.splitlines()[0]}" if judgement.reason else ""
        (self._failed.discard if judgement.state == "completed" else self._failed.add)((turn.cell.id, turn.cycle))
        which = f"{_named(turn)}: " if self.elsewhere else "        "
        failed = f" ({', '.join(judgement.failed)})" if judgement.failed else ""
        verdict = f"{judgement.verdict}{failed} " if judgement.verdict else ""
        say(f"{which}{judgement.state} {verdict}in {wall_s:.1f} s{reason}")

    def settled(self, turn: Turn, judgement: Judgement) -> None:
        return

    def waits(self, seconds: float, why: str) -> None:
        say(f"        rests {seconds:g} s: {why}")


def _named(turn: Turn) -> str:
    return f"cycle {turn.cycle}  {turn.cell.label or turn.cell.id}"
