"""A Ray and a Slurm without processes, at the two boundaries that the executors have."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun, NodeFacts
from ai_energy_benchmarks.study.executors.orders import CellOrder, Site, end_text, read_order, write_end
from ai_energy_benchmarks.study.executors.ray_cluster import NodeProbe, TaskStopped
from ai_energy_benchmarks.study.plan.clusters import SlurmConfig

Does = Callable[[CellOrder], CellEnd]


def ends(order: CellOrder, code: int | None = 0, host: str = "n1", **facts: Any) -> CellEnd:
    """The end of an order on a node."""
    run = CellRun(order.cell, order.cycle, order.command, Path(order.directory), Path(order.log))
    return CellEnd(run, facts.pop("how", "exited"), code, 1.0, "", NodeFacts(host, ("GPU-n",), "t", 2.5, **facts))


def complete(order: CellOrder) -> CellEnd:
    """A cell that leaves a whole report."""
    document = {"schema_version": 1, "ending": "completed", "verdict": {"level": "PASS"}}
    (Path(order.directory) / "result.json").write_text(json.dumps(document))
    return ends(order)


@define
class FakeCluster:
    """Two nodes. Tasks run when they are waited for, the oldest first.

    Attributes:
        does: what becomes of an order; it may raise what a cluster's ``result`` raises.
        returns: files that nodes return.
        before: called before each wait.
        log: what was asked of it.
    """

    does: Does = complete
    nodes: Sequence[NodeProbe] = (NodeProbe("n1", True), NodeProbe("n2", True))
    returns: Mapping[str, bytes] = field(factory=dict)
    before: Callable[[], None] = lambda: None
    log: list[str] = field(factory=list)
    most_at_once: int = 0
    _tasks: dict[int, tuple[CellOrder, int]] = field(factory=dict)
    _cancelled: set[int] = field(factory=set)
    _groups: int = 0

    def connect(self) -> None:
        self.log.append("connect")

    def disconnect(self) -> None:
        self.log.append("disconnect")

    def probe(self, site: Site, token: str) -> Sequence[NodeProbe]:
        return self.nodes

    def slots(self) -> int:
        return len(self.nodes)

    def reserve(self) -> int:
        self._groups += 1
        return self._groups

    def release(self, group: int) -> None:
        self.log.append(f"release {group}")

    def submit(self, order: CellOrder, group: int, name: str) -> int:
        task = len(self._tasks)
        self._tasks[task] = order, group
        self.log.append(f"{name.split('-', maxsplit=1)[0]} {order.cycle} in {group}")
        return task

    def wait(self, tasks: Sequence[int], seconds: float) -> Sequence[int]:
        self.most_at_once = max(self.most_at_once, len(tasks))
        self.before()
        return [min(tasks)]

    def result(self, task: int) -> tuple[str, Mapping[str, bytes]]:
        if task in self._cancelled:
            raise TaskStopped
        return end_text(self.does(self._tasks[task][0])), self.returns

    def cancel(self, task: int, *, force: bool) -> None:
        self._cancelled.add(task)


@define
class FakeQueue:
    """A queue in which jobs run when their states are asked for.

    Attributes:
        does: what becomes of an order; None where its node leaves no end.
        after: state of a job whose lane has been run.
        stuck: jobs stay pending.
        before: called before jobs are submitted.
        silent: how often the queue does not answer first.
    """

    does: Callable[[CellOrder], CellEnd | None] = complete
    after: Callable[[str], str] = lambda job: "COMPLETED"
    stuck: bool = False
    before: Callable[[], None] = lambda: None
    silent: int = 0
    submitted: list[tuple[Sequence[Sequence[str]], Mapping[str, str], float]] = field(factory=list)
    cancelled: list[str] = field(factory=list)
    strays: Sequence[str] = ()
    jobs: dict[str, Sequence[str]] = field(factory=dict)
    states_of: dict[str, str] = field(factory=dict)

    def check(self) -> None:
        return

    def submit(
        self,
        site: Site,
        config: SlurmConfig,
        lanes: Sequence[Sequence[str]],
        environment: Mapping[str, str],
        limit_s: float,
    ) -> Sequence[str]:
        self.before()
        self.submitted.append((lanes, environment, limit_s))
        made = {f"{len(self.submitted)}_{number}": lane for number, lane in enumerate(lanes)}
        self.jobs.update(made)
        return list(made)

    def states(self, jobs: Sequence[str]) -> dict[str, str]:
        if self.silent:
            self.silent -= 1
            return dict.fromkeys(jobs, "")
        for job in jobs:
            if job not in self.states_of and job in self.jobs and not self.stuck:
                self._run(job)
        return {job: self.states_of.get(job, "PENDING" if job in self.jobs else "GONE") for job in jobs}

    def _run(self, job: str) -> None:
        self.states_of[job] = self.after(job)
        for text in self.jobs[job]:
            order = read_order(text)
            if (end := self.does(order)) is None:
                return
            write_end(order.end_file, evolve(end, run=end.run))

    def named(self, site: Site) -> Sequence[str]:
        return self.strays

    def cancel(self, jobs: Sequence[str]) -> None:
        self.cancelled += jobs
        self.states_of.update(dict.fromkeys(jobs, "CANCELLED"))

    def finish(self, site: Site, jobs: Sequence[str]) -> None:
        self.cancel([job for job in jobs if job not in self.states_of])
