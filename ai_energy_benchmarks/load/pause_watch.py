"""Noticing that this process stood still in a window: stopped, frozen with its container, or starved of a processor.

The meters count on meanwhile, so the energy per token of such a window is too high, and no request need be late by a
noticeable share.
"""

from __future__ import annotations

import asyncio
import sys
import time
from types import TracebackType

from attrs import define, field

if sys.platform == "linux":
    import resource

# Few wake-ups: a pause matters from a second on, and an engine in process shares the processor.
_EVERY_S = 0.25
# A thread that waits for the interpreter wakes up once in each switch interval, or a little less often on a machine
# that has much to do; before it was stopped it may have waited through all of ``_EVERY_S``, a fifth of the least pause.
_WAITING_SHARE = 0.25


@define
class PauseWatch:
    """``async with`` around a window: the longest time in which its event loop did not wake up though it could have.

    An event loop that is kept busy is no pause, so the processor time of its thread is taken off. Nor is one that waits
    for the interpreter, which an engine in the same process may hold: such a thread wakes up every few milliseconds to
    look (``sys.setswitchinterval``), which a stopped one does not.

    Attributes:
        shares_interpreter: whether an engine works in this process.
        longest_s: the longest pause so far.
    """

    shares_interpreter: bool
    longest_s: float = field(default=0.0, init=False)
    _since: tuple[float, float, int] = field(default=(0.0, 0.0, 0), init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    async def __aenter__(self) -> PauseWatch:
        self._since = _now()
        self._task = asyncio.ensure_future(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._look()
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            self._look()

    def _look(self) -> None:
        before, now = self._since, _now()
        self._since = now
        late_s, worked_s, waits = now[0] - before[0] - _EVERY_S, now[1] - before[1], now[2] - before[2]
        waited_s = waits * sys.getswitchinterval() if self.shares_interpreter else 0.0
        if waited_s < _WAITING_SHARE * late_s:
            self.longest_s = max(self.longest_s, late_s - worked_s)


def _now() -> tuple[float, float, int]:
    """The time, how much of it this thread has worked, and how often it has waited."""
    waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw if sys.platform == "linux" else 0
    return time.monotonic(), time.thread_time(), waits
