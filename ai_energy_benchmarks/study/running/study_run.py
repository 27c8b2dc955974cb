"""Running a study: turn by turn, with everything that happens in the manifest before and after it happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from attrs import define, field, frozen

from ai_energy_benchmarks.study.executors.base import CellEnd, CellJob, CellRun, Distributed, Executor, Stop
from ai_energy_benchmarks.study.manifest import SCHEMA_VERSION, Attempt, CloseReason
from ai_energy_benchmarks.study.manifest_writer import ManifestWriter
from ai_energy_benchmarks.study.plan.blocks import shared_block
from ai_energy_benchmarks.study.plan.disk import room_left
from ai_energy_benchmarks.study.runners.base import CellWork
from ai_energy_benchmarks.study.running.attempts import Attempts
from ai_energy_benchmarks.study.running.breaker import Breaker
from ai_energy_benchmarks.study.running.cooling import Cooling
from ai_energy_benchmarks.study.running.gpus import StudyGpus
from ai_energy_benchmarks.study.running.leftovers import end_orphans, mark_of, settle
from ai_energy_benchmarks.study.running.observer import Observer, Unobserved
from ai_energy_benchmarks.study.running.opening import OpenStudy
from ai_energy_benchmarks.study.running.places import log_of
from ai_energy_benchmarks.study.running.schedule import Schedule, Turn
from ai_energy_benchmarks.study.running.stopping import StopRequests


@define
class StudyRun:
    """One process's part of a study.

    Attributes:
        gpus: those that cells may use.
        cooling: the thermal gate between cells.
    """

    opened: OpenStudy
    executor: Executor
    stop: StopRequests
    gpus: StudyGpus = field(factory=StudyGpus)
    observer: Observer = field(factory=Unobserved)
    cooling: Cooling | None = None
    _manifest: ManifestWriter = field(init=False)
    _attempts: Attempts = field(init=False)
    _turns: dict[tuple[str, int], tuple[Turn, int]] = field(factory=dict)
    _done: int = 0
    _wall_s: float = 0.0
    _closing: CloseReason = "completed"
    _begun_s: float = field(factory=time.monotonic)
    _breaker: Breaker = field(init=False)
    _rested: bool = False

    def __attrs_post_init__(self) -> None:
        self._manifest = ManifestWriter(self.opened.directory)
        self._attempts = Attempts(self._manifest, self.opened.directory)
        self._breaker = Breaker(self.opened.study.config.execution.breaker)

    def run(self) -> CloseReason:
        """Run what is not complete; returns why it left off.

        Raises:
            ReporterError: the manifest or a cell's config cannot be written, or the study is running already.
            KeyboardInterrupt: the user's second one; the manifest is closed first.
        """
        with self._manifest, self.executor:
            self._open()
            try:
                self._run()
            except KeyboardInterrupt:
                self._manifest.add("closed", reason="interrupted")
                raise
            self._manifest.add("closed", reason=self._closing)
        return self._closing

    def _open(self) -> None:
        opened = self.opened
        self._manifest.add("opened", schema_version=SCHEMA_VERSION, study_sha256=opened.sha256, seed=opened.seed,
                           environment=opened.environment)  # fmt: skip
        if opened.manifest is None:
            return
        latest = opened.manifest.latest
        self._attempts.latest, self._attempts.nodes = latest, dict(opened.manifest.nodes)
        self._adopt([attempt for attempt in latest.values() if attempt.state is None and attempt.job])
        if not isinstance(self.executor, Distributed):
            end_orphans(opened.directory)
        for attempt in list(latest.values()):
            if attempt.state is None:
                self._attempts.ended(attempt, settle(opened.directory / attempt.directory), None)
        completed = [each for each in latest.values() if each.state == "completed"]
        self._done, self._wall_s = len(completed), sum(each.wall_s or 0.0 for each in completed)

    def _run(self) -> None:
        schedule = Schedule(self.opened)
        while self._closing == "completed" and (turns := schedule.next_turns()):
            for order in schedule.new_orders:
                self._manifest.add("cycle", cycle=order.cycle, seed=order.seed, order=list(order.cells))
            schedule.new_orders.clear()
            self._execute(turns)
            for _ in range(self.opened.study.config.execution.retries):
                lost = list(filter(self._attempts.lost, turns))
                if lost and self._closing == "completed":
                    self._execute(lost)
        if self.stop.finish and self._closing == "completed" and schedule.next_turns():
            self._closing = "interrupted"

    def _execute(self, turns: Sequence[Turn]) -> None:
        stop: Stop = _Ending(self) if isinstance(self.executor, Distributed) else self.stop
        for event in self.executor.run(self._due(turns), stop):
            if isinstance(event, CellJob):
                turn, number = self._turns[event.run.cell, event.run.cycle]
                self._manifest.add("submitted", cell=turn.cell.id, cycle=turn.cycle, attempt=number, job=event.job)
            else:
                self._note(event)

    def _adopt(self, unfinished: Sequence[Attempt]) -> None:
        """Wait for what a process that was killed had handed over to a scheduler."""
        if not isinstance(self.executor, Distributed):
            return
        cells, jobs = {cell.id: cell for cell in self.opened.cells}, []
        for attempt in unfinished:
            turn = Turn(cells[attempt.cell], attempt.cycle, attempt.position)
            self._turns[attempt.cell, attempt.cycle] = turn, attempt.number
            directory = self.opened.directory / attempt.directory
            run = CellRun(attempt.cell, attempt.cycle, (), directory, log_of(directory, attempt.number))
            jobs.append(CellJob(run, attempt.job))
        for end in self.executor.adopt(jobs, self.stop):
            self._note(end)

    def _due(self, turns: Sequence[Turn]) -> Iterator[CellRun]:
        """The cells that are to run, each with its rest before it; ends early if the study has to."""
        for turn in turns:
            settled = self.opened.places.settled(turn.cell, turn.cycle, self._attempts.last(turn))
            if settled is not None:
                self.observer.settled(turn, settled)
                continue
            if (reason := self._why_not(turn)) is not None:
                self._closing = reason
                return
            gap_s, gate = self._rest()
            if self.stop.finish:
                self._closing = "interrupted"
                return
            yield self._started(turn, gap_s, gate)

    def _why_not(self, turn: Turn) -> CloseReason | None:
        """Why the study has to leave off before a cell."""
        execution = self.opened.study.config.execution
        if self._breaker.open and isinstance(self.executor, Distributed):
            return "failing"  # a rest here would rest no node
        if self._breaker.open and not self.stop.finish:
            failures, cooldown_s = self._breaker.failures, execution.breaker.cooldown_s
            if not self._breaker.trip():
                return "failing"
            self._manifest.add("breaker", failures=failures, cooldown_s=cooldown_s)
            many = f"{failures} cells have failed one after the other"
            self.observer.waits(cooldown_s, many if failures > 1 else "another cell has failed")
            self.stop.wait(cooldown_s)
        if self.stop.finish:
            return "interrupted"
        if self._over_budget():
            return "budget"
        return None if room_left(self.opened.directory, self.opened.study, turn.cell) else "disk"

    def _over_budget(self) -> bool:
        budget_s = self.opened.study.config.execution.budget_s
        usual_s = self._wall_s / self._done if self._done else 0.0
        return budget_s is not None and time.monotonic() - self._begun_s + usual_s > budget_s

    def ends_early(self) -> bool:
        """Whether an executor of several nodes is to hand over no further cell; the reason is kept."""
        if self._closing == "completed" and self._over_budget():
            self._closing = "budget"
        if self._closing == "completed" and self._breaker.open:
            self._closing = "failing"
        return self.stop.finish or self._closing != "completed"

    def _rest(self) -> tuple[float, str]:
        """The gap and the thermal gate between two cells: how long the machine rested, and what the gate did.

        Where several nodes run cells, each rests by itself.
        """
        if isinstance(self.executor, Distributed):
            return 0.0, ""
        if self.cooling is not None and not self._rested:
            self.cooling.remember()
        if not self._rested:
            self._rested = True
            return 0.0, ""
        begun_s, gap_s = time.monotonic(), self.opened.study.config.design.gap_s
        if gap_s:
            self.observer.waits(gap_s, "design.gap_s")
            self.stop.wait(gap_s)
        gate = self.cooling.wait(self.stop) if self.cooling is not None else ""
        return time.monotonic() - begun_s, gate

    def _started(self, turn: Turn, gap_s: float, gate: str) -> CellRun:
        opened = self.opened
        self.observer.begins(turn, self._done, len(opened.cells) * opened.study.config.design.max_cycles)
        before = self._attempts.last(turn)
        number = before.number + 1 if before else 1
        prepared = opened.places.prepare(turn.cell, turn.cycle, before)
        self._turns[turn.cell.id, turn.cycle] = turn, number
        runner = opened.runner(turn.cell)
        self._attempts.started(
            turn, number, prepared.directory, gap_s=round(gap_s, 3), gate=gate, gpus=list(self.gpus.locked),
            runner=runner.record(),
        )  # fmt: skip
        execution = opened.study.config.execution
        work = CellWork(prepared.config, prepared.directory, prepared.variables, self.gpus.visible)
        launch = runner.command(work)
        mark = {} if isinstance(self.executor, Distributed) else mark_of(opened.directory)  # nodes have their own
        return CellRun(
            cell=turn.cell.id,
            cycle=turn.cycle,
            command=launch.command,
            directory=prepared.directory,
            log=prepared.log,
            environment={**launch.environment, **mark},
            gpus=self.gpus.visible,
            timeout_s=execution.timeout_s,
            silence_s=execution.silence_s,
            block=shared_block(opened.study, turn.cell) if launch.shared_command else "",
            unset=launch.unset,
            shared_command=launch.shared_command,
            detached=launch.detached,
        )

    def _note(self, end: CellEnd) -> None:
        turn, number = self._turns[end.run.cell, end.run.cycle]
        judgement = self._attempts.judged(turn, number, end)
        if judgement.state == "completed":
            self._done, self._wall_s = self._done + 1, self._wall_s + end.wall_s
        if judgement.state == "interrupted":
            self._closing = "interrupted" if self.stop.finish else self._closing
        elif judgement.state != "lost":  # which says something of its node, and nothing of the cell
            self._breaker.note(failed=judgement.state != "completed")
        self.observer.ended(turn, judgement, end.wall_s)


@frozen
class _Ending:
    """What an executor of several nodes asks instead of the user alone: limits end a study while cells run."""

    study: StudyRun

    @property
    def finish(self) -> bool:
        return self.study.ends_early()
