"""The client watches itself, at a cost of twenty wake-ups a second."""

from __future__ import annotations

import asyncio
import time
from array import array
from types import TracebackType

from attrs import define, field

from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.serving import ClientLoad
from ai_energy_benchmarks.domain.statistics import percentile
from ai_energy_benchmarks.load.ending import end_tasks

_EVERY_S = 0.05


@define
class SelfCheck:
    """``async with`` around a window: its CPU time, and how late its event loop wakes up."""

    concurrency: int
    clock: Clock
    _lags_s: array[float] = field(factory=lambda: array("d"), init=False)
    _start_cpu_s: float = field(default=0.0, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    result: ClientLoad | None = field(default=None, init=False)

    async def __aenter__(self) -> SelfCheck:
        self._start_cpu_s = time.process_time()
        self._task = asyncio.ensure_future(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cpu_time_s = time.process_time() - self._start_cpu_s
        if self._task is not None:
            await end_tasks([self._task])
        lag_s = percentile(sorted(self._lags_s), 0.99) if self._lags_s else None
        self.result = ClientLoad(self.concurrency, cpu_time_s, lag_s)

    async def _watch(self) -> None:
        while True:
            asleep_s = self.clock.now_s()
            await self.clock.sleep(_EVERY_S)
            self._lags_s.append(self.clock.now_s() - asleep_s - _EVERY_S)
