"""What is watched apart from the energy of a trial: the client, what the server says, and other work here."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import AsyncExitStack
from types import TracebackType

from attrs import define, evolve, field

from ai_energy_benchmarks.backends.base import Backend, ShowsLoad
from ai_energy_benchmarks.config.model import LoadConfig
from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.environment import Disturbance
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters, ServerLoad
from ai_energy_benchmarks.load.pause_watch import PauseWatch
from ai_energy_benchmarks.load.self_check import SelfCheck
from ai_energy_benchmarks.load.server_watch import ServerWatch
from ai_energy_benchmarks.machine.cpu_times import machine_times
from ai_energy_benchmarks.machine.disturbance import disturbance_so_far
from ai_energy_benchmarks.machine.processes import PROC
from ai_energy_benchmarks.metrics.cpu.time import TreeTime


@define
class TrialWatch:
    """``async with`` around the window; made before it, since making it reads the server's counters.

    An engine in process has no client and no counters, so only pauses are watched there.
    """

    backend: Backend
    load: LoadConfig
    clock: Clock
    _before: ServerCounters | None = field(init=False)
    _pauses: PauseWatch = field(init=False)
    _client: SelfCheck | None = field(init=False, default=None)
    _server: ServerWatch | None = field(init=False, default=None)
    _stack: AsyncExitStack = field(init=False, factory=AsyncExitStack)

    def __attrs_post_init__(self) -> None:
        self._before = self.backend.counters()
        self._pauses = PauseWatch(shares_interpreter=not self.backend.needs_endpoint)
        if not self.backend.needs_endpoint:
            return
        self._client = SelfCheck(self.load.concurrency, self.clock)
        # One request at a time leaves no queue to see, and is where a question next to it would be felt most.
        if isinstance(self.backend, ShowsLoad) and self.load.concurrency > 1:
            self._server = ServerWatch(self.backend.gauges, self.load.watch_server_s, self.clock)

    async def __aenter__(self) -> TrialWatch:
        for each in (self._pauses, self._client, self._server):
            if each is not None:
                await self._stack.enter_async_context(each)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def paused_s(self) -> float:
        """The longest time in which this process stood still."""
        return self._pauses.longest_s

    @property
    def client(self) -> ClientLoad | None:
        """How the client fared."""
        return self._client.result if self._client else None

    @property
    def server_load(self) -> ServerLoad | None:
        """How the server stood within the window."""
        return self._server.result if self._server else None

    def server_load_within(self, start_s: float, stop_s: float) -> ServerLoad | None:
        """The same between two times."""
        return self._server.within(start_s, stop_s) if self._server else None

    def growth(self) -> ServerCounters | None:
        """What the server's counters grew by; asks the server, so only after the window."""
        now = self.backend.counters()
        return now.since(self._before) if now is not None and self._before is not None else None


class OtherWork:
    """What runs on this machine alongside the workload and this process.

    Args:
        process_ids: the workload's first processes; empty if they are unknown, and then nothing can be distinguished.
    """

    def __init__(self, process_ids: Collection[int]) -> None:
        told = bool(process_ids) and PROC.is_dir()
        self._own = TreeTime({os.getpid(), *process_ids}) if told else None
        self._own_s = 0.0

    @property
    def known(self) -> bool:
        """Whether other work can be distinguished from the workload's at all."""
        return self._own is not None

    def disturbance(self) -> Disturbance:
        """The sums since the machine started; a difference of two tells what lay between."""
        so_far = disturbance_so_far()
        if self._own is None:
            return so_far
        before_s, self._own_s = self._own_s, self._own.read_s() + time.process_time()
        own_s = self._own_s
        if own_s < before_s:  # a process has died with its time unread, which would count as that of others
            return so_far
        processors = os.cpu_count() or 1
        return evolve(so_far, others_s=(machine_times().work_s - own_s) / processors, workload_s=own_s / processors)
