"""A closed loop: a fixed number of batches on their way, the next one leaving when one has finished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.prompts import Batch

Generate = Callable[[Batch], Awaitable[Sequence[Outcome]]]
Take = Callable[[Sequence[Outcome]], None]


async def closed_loop(batches: Iterable[Batch], generate: Generate, concurrency: int, take: Take) -> None:
    """Generate all batches, ``concurrency`` at a time, and hand over each one's outcomes as it finishes.

    What ``generate`` or ``take`` raises ends the loop: the other batches are cancelled first.
    """
    waiting = iter(batches)
    if concurrency == 1:
        await _worker(waiting, generate, take)
        return
    workers = [asyncio.ensure_future(_worker(waiting, generate, take)) for _ in range(concurrency)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _worker(waiting: Iterator[Batch], generate: Generate, take: Take) -> None:
    for batch in waiting:
        take(await generate(batch))
