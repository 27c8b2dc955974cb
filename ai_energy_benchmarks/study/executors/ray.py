"""The executor of a Ray cluster: every cell is a task; Ray decides which node is free.

What runs one after the other on a node (a *lane*: the cells of a cycle, or one cell) holds a placement group with the
exclusive resource of its node, so that nothing else of ours runs there meanwhile (Ray documentation, "Placement
Groups"). Tasks are never run again by Ray itself (``max_retries=0``): it would write into the directory of the first
attempt. They end with the driver.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from attrs import define, field

from ai_energy_benchmarks.domain.readiness import Readiness
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.machine.packages import Package
from ai_energy_benchmarks.study.executors.base import STOPPED, CellEnd, CellRun, Stop
from ai_energy_benchmarks.study.executors.orders import Lanes, Site, end_of, not_begun, order_of
from ai_energy_benchmarks.study.executors.ray_cluster import Cluster, RayCluster, TaskLost, TaskStopped
from ai_energy_benchmarks.study.executors.readiness import ray_readiness
from ai_energy_benchmarks.study.executors.returning import put_files
from ai_energy_benchmarks.study.executors.token import token_of
from ai_energy_benchmarks.study.plan.clusters import RayConfig
from ai_energy_benchmarks.study.plan.study import Study

logger = logging.getLogger(__name__)

LOOK_S = 0.5
_GRACE_S = 60.0
_NO_NODE_CAP_S = 300.0
_EARLY = "the study ended early"


@define
class Lane:
    """Cells that one node runs one after the other.

    Attributes:
        group: the reservation of the node.
        task: of the first of ``cells``.
    """

    cells: deque[CellRun]
    group: Any
    task: Any = None
    begun_s: float = 0.0


@define
class RayExecutor:
    """Cells as tasks of a Ray cluster, at most one on a node at a time.

    Attributes:
        cluster: the connection; tests put another one in its place.
    """

    REQUIRES = (Package("ray", ("ray",), "ray", "2.40"),)

    config: RayConfig
    site: Site
    cluster: Cluster
    _token: str = ""
    _running: dict[Any, Lane] = field(factory=dict)

    @classmethod
    def look(cls, installed: str) -> Readiness:
        """Whether it can be used from this machine, whose packages are installed."""
        return ray_readiness(installed)

    @classmethod
    def for_study(cls, site: Site, study: Study) -> RayExecutor:
        """The executor that a study names."""
        config = study.config.execution.ray or RayConfig()
        return cls(config, site, RayCluster(config))

    def __enter__(self) -> RayExecutor:
        self._token = token_of(self.site.directory)
        self.cluster.connect()
        try:
            self._probe()
        except BaseException:
            self.cluster.disconnect()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task, lane in self._running.items():
            self.cluster.cancel(task, force=True)
            self.cluster.release(lane.group)
        self._running.clear()
        self.cluster.disconnect()

    def adopt(self, jobs: Sequence[object], stop: Stop) -> Iterator[CellEnd]:
        """Nothing: Ray ends the tasks of a driver with it."""
        return iter(())

    def _probe(self) -> None:
        """Ask every node with the exclusive resource whether it can run a cell, before the first one."""
        nodes = self.cluster.probe(self.site, self._token)
        if not nodes:
            resource = self.config.exclusive
            raise BackendError(
                f"no node of the Ray cluster has the resource {resource!r}, of which every cell takes one",
                remedy=f"""on every node: ray start … --resources='{{"{resource}": 1}}'""",
            )
        for node in nodes:
            if node.problem:
                raise BackendError(
                    f"node {node.host} cannot run a cell: {node.problem}",
                    remedy="install the same environment at the same path on every node, or leave the resource off it",
                )
            shares = "sees the study's directory" if node.shares else "returns its results through Ray"
            logger.info("node %s %s", node.host, shares)

    def run(self, cells: Iterator[CellRun], stop: Stop) -> Iterator[CellEnd]:
        waiting = Lanes(cells, self.site.placement)
        alive_s = time.monotonic()
        try:
            while True:
                while len(self._running) < self.cluster.slots() and not stop.finish:
                    if not (lane := waiting.next()):
                        break
                    self._begin(lane)
                if not self._running:
                    break
                for task in self.cluster.wait(list(self._running), LOOK_S):
                    yield from self._ended(task, stop)
                alive_s = time.monotonic() if self.cluster.slots() else alive_s
                if time.monotonic() - alive_s > _NO_NODE_CAP_S:
                    yield from self._all_lost()
        except KeyboardInterrupt:
            yield from self._cancelled()
            yield from (not_begun(cell, STOPPED) for cell in waiting.ahead)
            raise
        yield from (not_begun(cell, _EARLY) for cell in waiting.ahead)

    def _begin(self, cells: Sequence[CellRun]) -> None:
        self._next(Lane(deque(cells), self.cluster.reserve()))

    def _next(self, lane: Lane) -> None:
        """Hand over the next cell of a lane."""
        cell = lane.cells[0]
        order = order_of(cell, self.site, self._token)
        lane.begun_s = time.monotonic()
        lane.task = self.cluster.submit(order, lane.group, f"{cell.cell} {cell.cycle}")
        self._running[lane.task] = lane

    def _ended(self, task: Any, stop: Stop) -> Iterator[CellEnd]:
        lane = self._running.pop(task)
        cell = lane.cells.popleft()
        end = self._end_of(cell, task, lane)
        lost = end.how == "lost" and end.node is None
        yield end
        if lane.cells and not lost and not stop.finish:
            self._next(lane)
            return
        self.cluster.release(lane.group)
        reason = "its node was lost" if lost else _EARLY
        yield from (not_begun(left, reason, lost=lost) for left in lane.cells)

    def _end_of(self, cell: CellRun, task: Any, lane: Lane) -> CellEnd:
        wall_s = time.monotonic() - lane.begun_s
        try:
            text, files = self.cluster.result(task)
        except TaskLost as lost:
            return CellEnd(cell, "lost", None, wall_s, str(lost))
        except TaskStopped:
            return CellEnd(cell, "interrupted", None, wall_s, STOPPED)
        except BackendError as error:  # the node cannot run it
            cell.log.write_text(f"error: {error}\n", encoding="utf-8")
            return CellEnd(cell, "exited", None, wall_s, str(error))
        put_files(cell.directory, files)
        return end_of(cell, text)

    def _cancelled(self) -> Iterator[CellEnd]:
        """Stop what runs; a cell has some time to write what it has measured."""
        for task in self._running:
            self.cluster.cancel(task, force=False)
        until_s = time.monotonic() + _GRACE_S
        try:
            while self._running and time.monotonic() < until_s:
                for task in self.cluster.wait(list(self._running), LOOK_S):
                    lane = self._running.pop(task)
                    yield self._end_of(lane.cells.popleft(), task, lane)
                    yield from (not_begun(cell, STOPPED) for cell in lane.cells)
                    self.cluster.release(lane.group)
        except KeyboardInterrupt:
            logger.info("a third interrupt waits for nothing")
        for lane in self._running.values():
            yield from (CellEnd(cell, "interrupted", None, 0.0, STOPPED) for cell in lane.cells)

    def _all_lost(self) -> Iterator[CellEnd]:
        for task, lane in list(self._running.items()):
            del self._running[task]
            self.cluster.cancel(task, force=True)
            self.cluster.release(lane.group)
            reason = f"no node had the resource {self.config.exclusive!r} for {_NO_NODE_CAP_S:g} s"
            yield from (not_begun(cell, reason, lost=True) for cell in lane.cells)
