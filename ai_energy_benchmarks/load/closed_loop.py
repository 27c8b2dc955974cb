"""A closed loop: a fixed number of batches in flight, the next one leaving when one has finished.

Under concurrency a pass ends raggedly: its last requests run with ever fewer others next to them. Filler requests keep
the load up until the last request of the pass has ended; then they are cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import cast

from attrs import define, field

from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.load.ending import end_tasks

Generate = Callable[[Batch], Awaitable[Sequence[Outcome]]]
Take = Callable[[Sequence[Outcome]], None]


async def closed_loop(
    batches: Iterable[Batch],
    generate: Generate,
    concurrency: int,
    take: Take,
    *,
    fillers: Iterable[Batch] = (),
    take_filler: Take | None = None,
) -> bool:
    """Generate all batches, ``concurrency`` at a time, and hand over each one's outcomes as it finishes.

    What ``generate`` or ``take`` raises ends the loop: the other batches are cancelled first.

    Args:
        fillers: sent, once the last of ``batches`` has left, until all of those have ended. They are cancelled then,
            and the loop ends when their cancellation has come to its end.
        take_filler: takes the outcomes of the fillers that finished.

    Returns:
        Whether a filler had to be cancelled.
    """
    if concurrency == 1:
        for batch in batches:
            take(await generate(batch))
        return False
    loop = _Loop(iter(batches), generate, take, iter(fillers), take_filler or _ignore)
    workers = [asyncio.ensure_future(loop.work()) for _ in range(concurrency)]
    try:
        await _until(loop.ended, workers)
    finally:
        filling = [worker for worker in workers if not worker.done()]
        loop.ended.set()  # also for a worker whose cancellation is swallowed
        await end_tasks(workers)
    for worker in workers:
        if not worker.cancelled() and (error := worker.exception()) is not None:  # raised while the loop ended
            raise error
    return bool(filling)


async def _until(ended: asyncio.Event, workers: Sequence[asyncio.Future[None]]) -> None:
    """Wait for the pass to end, or for what a worker raises."""
    waiting: asyncio.Future[object] = asyncio.ensure_future(ended.wait())
    left: set[asyncio.Future[object]] = {waiting, *cast("Sequence[asyncio.Future[object]]", workers)}
    try:
        while not waiting.done() and len(left) > 1:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
    finally:
        waiting.cancel()


@define
class _Loop:
    """What the workers of one pass share."""

    batches: Iterator[Batch]
    generate: Generate
    take: Take
    fillers: Iterator[Batch]
    take_filler: Take
    ended: asyncio.Event = field(factory=asyncio.Event)
    _in_flight: int = 0
    _all_left: bool = False

    async def work(self) -> None:
        """Send batches of the pass while there are some, and fillers from then on."""
        while not self.ended.is_set() and (batch := next(self.batches, None)) is not None:
            self._in_flight += 1
            self.take(await self.generate(batch))
            self._in_flight -= 1
        self._all_left = True
        self._look()
        while not self.ended.is_set():
            filler = next(self.fillers, None)
            if filler is None:
                return
            self.take_filler(await self.generate(filler))
            # An engine that answers without ever waiting must not keep the others from their turn.
            await asyncio.sleep(0)

    def _look(self) -> None:
        if self._all_left and not self._in_flight:
            self.ended.set()


def _ignore(outcomes: Sequence[Outcome]) -> None:
    """Outcomes that are not wanted."""
