"""GPUs whose driver answers so slowly that one thread cannot read them all in time are read by a thread each.

A call of the energy counter takes some 50 µs on most GPUs and 3 ms and more on others: eight of those in a row take
longer than the tick of their counters. The driver's calls let other threads of the interpreter run.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Thread
from types import TracebackType

from attrs import define, field

from ai_energy_benchmarks.metrics.nvml.poller import BoardPoller, WakeUps, poll_due

# A round over all GPUs may take so long: about as long as the gap between two readings around a tick.
_LONGEST_ROUND_S = 0.003


def round_s(pollers: Sequence[BoardPoller]) -> float:
    """How long one reading of each takes, one after the other."""
    return sum(poller.call_s for poller in pollers)


@define
class OwnThreads:
    """``with`` around the reading of GPUs: those that take too long together get threads of their own."""

    pollers: list[BoardPoller]
    _over: Event = field(factory=Event, init=False)
    _threads: list[tuple[Thread, BoardPoller]] = field(factory=list, init=False)

    def __enter__(self) -> OwnThreads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def poll(self, wakes: WakeUps) -> None:
        """Read those that are due and have no thread, then sleep until the next one is."""
        poll_due(self.pollers, wakes)
        if len(self.pollers) > 1 and round_s(self.pollers) > _LONGEST_ROUND_S:
            slow, self.pollers = self.pollers[1:], self.pollers[:1]
            for poller in slow:
                thread = Thread(target=self._keep_reading, args=[poller, self._over], name="nvml-gpu", daemon=True)
                self._threads.append((thread, poller))
                thread.start()

    def end(self) -> None:
        """End the threads, and wait for the calls that they are in; whoever polls then reads their GPUs again."""
        self._over.set()
        for thread, _ in self._threads:
            thread.join()
        self.pollers = [*self.pollers, *(poller for _, poller in self._threads)]
        self._threads, self._over = [], Event()

    def _keep_reading(self, poller: BoardPoller, over: Event) -> None:
        wakes = WakeUps()
        while not over.is_set():
            poll_due([poller], wakes)
