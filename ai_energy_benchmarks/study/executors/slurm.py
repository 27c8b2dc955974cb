"""The executor of Slurm: lanes of cells as one job array, each job with a node of its own (``--exclusive``).

``submitit`` writes and submits the jobs. How a cell ended stands in its directory, which nodes and this machine share;
the queue is looked at to find jobs that will never say so. Jobs outlive this process: ``study resume`` waits for them.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from types import TracebackType

from attrs import define, evolve, field

from ai_energy_benchmarks.domain.readiness import Readiness
from ai_energy_benchmarks.machine.packages import Package
from ai_energy_benchmarks.study.executors.base import STOPPED, CellEnd, CellJob, CellRun, Stop
from ai_energy_benchmarks.study.executors.orders import Lanes, Site, not_begun, order_of, read_end
from ai_energy_benchmarks.study.executors.readiness import slurm_readiness
from ai_energy_benchmarks.study.executors.slurm_job import NOTICE
from ai_energy_benchmarks.study.executors.slurm_queue import FOLDER, Queue, SlurmQueue
from ai_energy_benchmarks.study.executors.token import token_of
from ai_energy_benchmarks.study.plan.clusters import SlurmConfig
from ai_energy_benchmarks.study.plan.study import Study

logger = logging.getLogger(__name__)

LOOK_S = 0.5
# What a job leaves may reach this machine late: NFS keeps names for up to a minute (nfs(5), acdirmax).
_LATE_CAP_S = 65.0
_GRACE_S = 90.0
_CANCELLED, _TIME = ("CANCELLED", "REVOKED"), ("TIMEOUT", "DEADLINE")
_BY_ITSELF = ("COMPLETED", "FAILED")
_INTERRUPTED = (130, 143, 129, -15, -9, -2)
# Beyond the limits of its cells: starting the interpreter, taking the facts of the node, writing.
_MARGIN_S = 180.0


@define
class SlurmExecutor:
    """Cells as job arrays of Slurm, at most one on a node at a time.

    Attributes:
        queue: the connection; tests put another one in its place.
        late_s: how long after the end of a job its last words may come.
    """

    REQUIRES = (Package("submitit", ("submitit",), "slurm", "1.5"),)

    config: SlurmConfig
    site: Site
    queue: Queue
    timeout_s: float | None = None
    late_s: float = _LATE_CAP_S
    _token: str = ""
    _lanes: dict[str, deque[CellRun]] = field(factory=dict)
    _gone_s: dict[str, float] = field(factory=dict)

    @classmethod
    def look(cls, installed: str) -> Readiness:
        """Whether it can be used from this machine, whose packages are installed."""
        return slurm_readiness(installed)

    @classmethod
    def for_study(cls, site: Site, study: Study) -> SlurmExecutor:
        """The executor that a study names."""
        execution = study.config.execution
        return cls(execution.slurm or SlurmConfig(), site, SlurmQueue(site.directory), execution.timeout_s)

    def __enter__(self) -> SlurmExecutor:
        self.queue.check()
        self._token = token_of(self.site.directory)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lanes:
            self.queue.cancel(list(self._lanes))

    def run(self, cells: Iterator[CellRun], stop: Stop) -> Iterator[CellEnd | CellJob]:
        waiting, taken = Lanes(cells, self.site.placement), []
        while lane := waiting.next():
            taken.append(lane)
        try:
            yield from self._submitted(taken)
            yield from self._wait(stop)
        except KeyboardInterrupt:
            yield from self._cancelled()
            raise

    def adopt(self, jobs: Sequence[CellJob], stop: Stop) -> Iterator[CellEnd]:
        known = {job.job for job in jobs}
        if strays := [job for job in self.queue.named(self.site) if job not in known]:
            logger.warning("jobs of this study that its manifest does not know are cancelled: %s", ", ".join(strays))
            self.queue.cancel(strays)
        grouped: dict[str, deque[CellRun]] = defaultdict(deque)
        for job in jobs:
            grouped[job.job].append(job.run)
        self._lanes.update(grouped)
        try:
            yield from self._wait(stop)
        except KeyboardInterrupt:
            yield from self._cancelled()
            raise

    def _submitted(self, taken: Sequence[Sequence[CellRun]]) -> Iterator[CellJob]:
        """One array for all lanes whose cells have the same environment, which an array has once."""
        arrays: dict[tuple[tuple[str, str], ...], list[Sequence[CellRun]]] = defaultdict(list)
        for lane in taken:
            variables = {name: value for cell in lane for name, value in cell.environment.items()}
            arrays[tuple(sorted(variables.items()))].append(lane)
        for environment, group in arrays.items():
            orders = [[order_of(cell, self.site, self._token).text() for cell in lane] for lane in group]
            limit_s = self._time_limit_s(max(map(len, group)))
            jobs = self.queue.submit(self.site, self.config, orders, dict(environment), limit_s)
            for job, lane in zip(jobs, group, strict=True):
                self._lanes[job] = deque(lane)
            for job, lane in zip(jobs, group, strict=True):
                yield from (CellJob(cell, job) for cell in lane)

    def _time_limit_s(self, cells: int) -> float:
        if self.config.time_limit_s is not None:
            return self.config.time_limit_s
        assert self.timeout_s is not None, "a study without either is refused"
        return cells * (self.timeout_s + self.site.gap_s + _MARGIN_S)

    def _wait(self, stop: Stop) -> Iterator[CellEnd]:
        asked_s, finishing = -self.config.poll_s, False
        states: dict[str, str] = {}
        while self._lanes:
            yield from self._arrived(states)
            if stop.finish and not finishing:
                finishing = True
                self.queue.finish(self.site, list(self._lanes))
                asked_s = -self.config.poll_s
            if self._lanes and time.monotonic() - asked_s >= self.config.poll_s:
                asked_s = time.monotonic()
                states = self.queue.states(list(self._lanes))
                yield from self._gone(states, finishing=finishing)
            if self._lanes:
                time.sleep(LOOK_S)

    def _arrived(self, states: dict[str, str]) -> Iterator[CellEnd]:
        """Cells whose end stands in their directory; one that a signal ended waits for the state of its job."""
        for job, lane in list(self._lanes.items()):
            while lane and (end := read_end(lane[0])) is not None:
                if end.reason == NOTICE or (end.how in ("exited", "interrupted") and end.exit_code in _INTERRUPTED):
                    state = states.get(job)
                    if state is None or not _ended(state):
                        break
                    end = _with_state(end, state, job)
                lane.popleft()
                yield end
            if not lane:
                self._lanes.pop(job)

    def _gone(self, states: dict[str, str], *, finishing: bool) -> Iterator[CellEnd]:
        """The cells of jobs that have ended without a word for so long that none will come."""
        for job in [job for job in self._lanes if _ended(states.get(job, ""))]:
            yield from self._arrived(states)
            if job not in self._lanes:
                continue
            since_s = self._gone_s.setdefault(job, time.monotonic())
            cancelled = states[job] in _CANCELLED or (finishing and not self._lanes[job][0].log.exists())
            if time.monotonic() - since_s < self.late_s and not cancelled:
                continue
            yield from _ends_of(self._lanes.pop(job), states[job], job, finishing=finishing)

    def _cancelled(self) -> Iterator[CellEnd]:
        """Cancel all jobs; Slurm gives their processes some time to write what they have measured."""
        self.queue.cancel(list(self._lanes))
        until_s = time.monotonic() + _GRACE_S
        try:
            while self._lanes and time.monotonic() < until_s:
                states = self.queue.states(list(self._lanes))
                yield from self._arrived(states)
                for job in [job for job in self._lanes if _ended(states.get(job, ""))]:
                    yield from (CellEnd(cell, "interrupted", None, 0.0, STOPPED) for cell in self._lanes.pop(job))
                time.sleep(LOOK_S)
        except KeyboardInterrupt:
            logger.info("a third interrupt waits for nothing")
        for job in list(self._lanes):
            yield from (CellEnd(cell, "interrupted", None, 0.0, STOPPED) for cell in self._lanes.pop(job))


def _ended(state: str) -> bool:
    """Whether a job with this state runs no more (Slurm, "Job State Codes"); an unknown job is one that is gone."""
    going_on = ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED", "RESIZING", "SIGNALING",
                "STAGE_OUT", "STOPPED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")  # fmt: skip
    return bool(state) and state not in going_on


def _with_state(end: CellEnd, state: str, job: str) -> CellEnd:
    """A process that a signal ended: only the queue knows whose."""
    if state in _TIME or (end.reason == NOTICE and state in _BY_ITSELF):
        return evolve(end, how="timed out", reason=f"the time limit of job {job} (execution.slurm.time_limit_s)")
    if state in _CANCELLED or state in _BY_ITSELF:
        return end
    return evolve(end, how="lost", reason=f"job {job} ended as {state}")


def _ends_of(lane: Sequence[CellRun], state: str, job: str, *, finishing: bool) -> Iterator[CellEnd]:
    """What becomes of the cells that a job has not ended: the first may have been running."""
    for number, cell in enumerate(lane):
        begun = number == 0 and cell.log.exists()
        if state in _CANCELLED or (finishing and not begun):
            yield not_begun(cell, f"job {job} was cancelled")
        elif state in _TIME and begun:
            reason = f"the time limit of job {job} (execution.slurm.time_limit_s)"
            yield CellEnd(cell, "timed out", None, 0.0, reason)
        elif begun:
            yield CellEnd(cell, "lost", None, 0.0, f"job {job} ended as {state} and left no end of the cell")
        else:
            reason = f"job {job} ended as {state} before; see {FOLDER}/ in the study's directory"
            yield not_begun(cell, reason, lost=True)
