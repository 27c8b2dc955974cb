"""Looking at a server during a window: a few readings of its queue and its cache, seconds apart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from statistics import fmean
from types import TracebackType

from attrs import define, field

from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.serving import ServerGauges, ServerLoad
from ai_energy_benchmarks.load.ending import end_tasks

Read = Callable[[], Awaitable[ServerGauges | None]]


@define
class ServerWatch:
    """``async with`` around a window: reads after half of ``every_s`` and every ``every_s`` from then on.

    Attributes:
        read: one reading; None where the server reports nothing, and then it is not read again.
        every_s: 0 does not look.
    """

    read: Read
    every_s: float
    clock: Clock
    _readings: list[tuple[float, ServerGauges]] = field(factory=list, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _leaving: bool = field(default=False, init=False)

    async def __aenter__(self) -> ServerWatch:
        if self.every_s > 0:
            self._task = asyncio.ensure_future(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._leaving = True
            await end_tasks([self._task])

    @property
    def result(self) -> ServerLoad | None:
        """All readings together; None if there are none."""
        return _together([gauges for _, gauges in self._readings])

    def within(self, start_s: float, stop_s: float) -> ServerLoad | None:
        """The readings between two times together; None if there are none."""
        return _together([gauges for at_s, gauges in self._readings if start_s <= at_s <= stop_s])

    async def _watch(self) -> None:
        await self.clock.sleep(self.every_s / 2)
        while not self._leaving and (gauges := await self.read()) is not None:
            self._readings.append((self.clock.now_s(), gauges))
            await asyncio.sleep(0)  # a simulated clock may not wait, and the window must go on
            await self.clock.sleep(self.every_s)


def _together(readings: Sequence[ServerGauges]) -> ServerLoad | None:
    if not readings:
        return None
    running, waiting, used = (
        [value for each in readings if (value := getattr(each, name)) is not None]
        for name in ("running_requests", "waiting_requests", "kv_cache_share")
    )
    return ServerLoad(
        readings=len(readings),
        running_mean=fmean(running) if running else None,
        running_most=max(running, default=None),
        waiting_mean=fmean(waiting) if waiting else None,
        waiting_most=max(waiting, default=None),
        kv_cache_mean_share=fmean(used) if used else None,
        kv_cache_most_share=max(used, default=None),
    )
