"""The connection to a Ray cluster, as far as the executor uses it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from attrs import define, evolve, frozen

from ai_energy_benchmarks.environment.software import VARIABLES, package_version
from ai_energy_benchmarks.errors import BackendError, BenchmarkError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.study.executors.node import run_order
from ai_energy_benchmarks.study.executors.orders import CellOrder, Site, end_text, read_order
from ai_energy_benchmarks.study.executors.token import has_token
from ai_energy_benchmarks.study.plan.clusters import RayConfig

_PROBE_CAP_S = 120.0


class TaskLost(Exception):  # noqa: N818 # an end, not an error of ours
    """The task ended with its worker or its node."""


class TaskStopped(Exception):  # noqa: N818 # as above
    """The task was cancelled."""


@frozen
class NodeProbe:
    """What a node answered before the first cell.

    Attributes:
        shares: whether it sees the study's directory.
        problem: why it cannot run a cell; empty if it can.
    """

    host: str
    shares: bool
    problem: str = ""


class Cluster(Protocol):
    """What the executor needs of Ray."""

    def connect(self) -> None:
        """Connect to the cluster.

        Raises:
            BackendError: Ray is not installed, or there is no cluster.
        """

    def disconnect(self) -> None:
        """Leave it."""

    def probe(self, site: Site, token: str) -> Sequence[NodeProbe]:
        """Ask every node that has the exclusive resource."""

    def slots(self) -> int:
        """How many cells may run now, at most one on a node."""

    def reserve(self) -> Any:
        """Ask for a node; what is submitted to the group waits until there is one."""

    def release(self, group: Any) -> None:
        """Give it back."""

    def submit(self, order: CellOrder, group: Any, name: str) -> Any:
        """Hand over a cell; returns its task."""

    def wait(self, tasks: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Tasks that have ended, waiting so long for the first."""

    def result(self, task: Any) -> tuple[str, Mapping[str, bytes]]:
        """What a task that has ended returned: how the cell ended as text, and its files where it returns them.

        Raises:
            TaskLost: its worker or its node is gone.
            TaskStopped: it was cancelled.
            BackendError: it failed by itself.
        """

    def cancel(self, task: Any, *, force: bool) -> None:
        """Interrupt a task, or kill its worker."""


@define
class RayCluster:
    """A cluster that runs already; the driver is this process."""

    config: RayConfig
    _ray: Any = None
    _ours: bool = False

    def connect(self) -> None:
        try:
            import ray
        except ImportError as error:
            raise BackendError(f"executor: ray needs the package ray: {error}", remedy=install_line("ray")) from error
        self._ray = ray
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            with _same_signals():
                ray.init(
                    address=self.config.address, log_to_driver=False, logging_level="ERROR", configure_logging=False
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise BackendError(
                f"cannot connect to the Ray cluster {self.config.address!r}: {error}",
                remedy=f"start one: ray start --head --resources='{{\"{self.config.exclusive}\": 1}}'; "
                "or name it in execution.ray.address",
            ) from error
        self._ours = True

    def disconnect(self) -> None:
        if self._ours:
            with _same_signals():
                self._ray.shutdown()
        self._ours = False

    def probe(self, site: Site, token: str) -> Sequence[NodeProbe]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = self._ray.remote(probe_node)
        asked = {
            remote.options(
                num_cpus=0, max_retries=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            ).remote(str(site.directory), token, site.version): host
            for node, host in self._nodes()
        }  # fmt: skip
        self._ray.wait(list(asked), num_returns=len(asked), timeout=_PROBE_CAP_S) if asked else None
        return [self._answer(task, host) for task, host in asked.items()]

    def _answer(self, task: Any, host: str) -> NodeProbe:
        try:
            return NodeProbe(*self._ray.get(task, timeout=0))
        except self._ray.exceptions.GetTimeoutError:
            return NodeProbe(host, shares=False, problem=f"it does not answer within {_PROBE_CAP_S:g} s")
        except self._ray.exceptions.RayError as error:
            return NodeProbe(host, shares=False, problem=_last_line(error))

    def _nodes(self) -> list[tuple[str, str]]:
        """Id and name of every node that is there and has the exclusive resource."""
        return [
            (node["NodeID"], node["NodeManagerHostname"])
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get(self.config.exclusive, 0) >= 1
        ]

    def slots(self) -> int:
        return len(self._nodes())

    def reserve(self) -> Any:
        bundle = {"CPU": self.config.cpus, "GPU": self.config.gpus, self.config.exclusive: 1}
        return self._ray.util.placement_group([{name: count for name, count in bundle.items() if count}])

    def release(self, group: Any) -> None:
        with suppress(self._ray.exceptions.RayError):  # with its node
            self._ray.util.remove_placement_group(group)

    def submit(self, order: CellOrder, group: Any, name: str) -> Any:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        return (
            self._ray.remote(run_task)
            .options(
                name=name, max_retries=0, num_cpus=self.config.cpus, num_gpus=self.config.gpus,
                resources={self.config.exclusive: 1}, scheduling_strategy=PlacementGroupSchedulingStrategy(group, 0),
            )
            .remote(order.text(), dict(order.variables))
        )  # fmt: skip

    def wait(self, tasks: Sequence[Any], seconds: float) -> Sequence[Any]:
        ended: list[Any] = self._ray.wait(list(tasks), num_returns=1, timeout=seconds)[0]
        return ended

    def result(self, task: Any) -> tuple[str, Mapping[str, bytes]]:
        failures = self._ray.exceptions
        try:
            text, files = self._ray.get(task)
        except failures.TaskCancelledError as error:
            raise TaskStopped from error
        except failures.RayTaskError as error:
            raise BackendError(
                f"the task failed: {_last_line(error)}",
                remedy="install the same environment at the same path on every node; `ray logs` shows more",
            ) from error
        except failures.RayError as error:  # the worker, the node, its memory or its objects are gone
            raise TaskLost(f"{type(error).__name__}: {_first_line(error)}") from error
        return text, files

    def cancel(self, task: Any, *, force: bool) -> None:
        self._ray.cancel(task, force=force)


def run_task(text: str, variables: dict[str, str]) -> tuple[str, dict[str, bytes]]:
    """What runs in a worker of Ray: one cell, as on a machine without Ray.

    Ray limits OpenMP to as many threads as a task has processors, and lowers the priority of its workers (Ray
    documentation, "Configuring Ray"); cells are to run as they do elsewhere.
    """
    order = evolve(read_order(text), variables=variables)
    for name in {*VARIABLES} - {"CUDA_VISIBLE_DEVICES"}:
        os.environ.pop(name, None)
        if name in variables:
            os.environ[name] = variables[name]
    with suppress(PermissionError):  # then the manifest has the priority that it is
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    try:
        end, files = run_order(order, _place())
    except BenchmarkError as error:
        raise RuntimeError(str(error)) from error  # errors of ours do not survive a pickle with their fix
    return end_text(end), files


def _place() -> dict[str, str]:
    import ray

    context = ray.get_runtime_context()
    return {"ray_node": context.get_node_id(), "ray_task": str(context.get_task_id())}


def probe_node(directory: str, token: str, version: str) -> tuple[str, bool, str]:
    """What runs on every node before the first cell; the fields of a ``NodeProbe``."""
    own = package_version()
    problem = "" if own == version else f"it has ai_energy_benchmarks {own}, the study {version}"
    return socket.gethostname(), has_token(Path(directory), token), problem


@contextmanager
def _same_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself in the main thread; what it does to a study is decided elsewhere."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(ValueError, TypeError):  # not in the main thread, or not set from Python
                signal.signal(number, handler)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else ""
