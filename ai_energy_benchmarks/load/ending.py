"""Ending tasks for certain: a cancellation can be swallowed by what a task awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

# A request that is cancelled ends within milliseconds; an engine in process at its next token, which this may disturb
# without harm: it waits for its thread however often it is cancelled.
_AGAIN_S = 1.0


async def end_tasks(tasks: Collection[asyncio.Future[None]]) -> None:
    """Cancel tasks and wait until all have ended, cancelling those again that go on.

    Before Python 3.12 ``asyncio.wait_for`` swallows a cancellation that arrives in the same turn of the event loop as
    the result it waits for (python/cpython#86296), and a backend from elsewhere may use it. What the tasks raise stays
    with them.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # fetched, so that asyncio does not report it as overlooked
