"""A clock on which tasks overlap, for hours of load in seconds."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from itertools import count

from attrs import define, field


@define
class VirtualClock:
    """A clock on which tasks overlap: it moves to the next waker whenever every task waits.

    An hour of load from a hundred clients passes in seconds. Only sleeping on this clock takes time; code that waits
    for anything else, such as a socket or ``asyncio.sleep``, waits in real time, while this clock stands still.

    Attributes:
        time_s: what the clock shows.
    """

    time_s: float = 0.0
    _sleepers: list[tuple[float, int, asyncio.Future[None]]] = field(factory=list)
    _number: Iterator[int] = field(factory=count)
    _turning: asyncio.AbstractEventLoop | None = None

    def now_s(self) -> float:
        """Seconds that the clock shows."""
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has moved on by so many seconds."""
        loop = asyncio.get_running_loop()
        sleeper = loop.create_future()
        heapq.heappush(self._sleepers, (self.time_s + max(0.0, seconds), next(self._number), sleeper))
        if self._turning is not loop:
            self._turning = loop
            loop.call_soon(self._turn, loop)
        await sleeper

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the next sleeper, unless a task can still go on or all is over; asyncio shows that only in private."""
        if loop._ready or loop._stopping:  # type: ignore[attr-defined] # of BaseEventLoop
            loop.call_soon(self._turn, loop)
            return
        while self._sleepers:
            at_s, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done() and sleeper.get_loop() is loop:  # else cancelled in its sleep, or its loop has ended
                self.time_s = max(self.time_s, at_s)
                sleeper.set_result(None)
                loop.call_soon(self._turn, loop)
                return
        self._turning = None
