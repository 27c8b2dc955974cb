"""Running a coroutine to its end from anywhere: a plain thread, a notebook, a service with its own loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine


class MonotonicClock:
    """The clock of every real run."""

    def now_s(self) -> float:
        return time.perf_counter()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_to_end(main: Coroutine[None, None, None]) -> None:
    """Run ``main`` and return when it has ended, with whatever it raised.

    No signal handler is set. After Ctrl-C the coroutine is cancelled, its clean-up runs to its end, and
    ``KeyboardInterrupt`` is raised. Inside a running loop, ``main`` gets a loop and a thread of its own, since
    loops do not nest; the caller's loop waits meanwhile.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run_here(main)
    else:
        _run_in_thread(main)


def _run_here(main: Coroutine[None, None, None]) -> None:
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(main)
        try:
            loop.run_until_complete(task)
        except KeyboardInterrupt:
            if not task.done():
                task.cancel()
                loop.run_until_complete(asyncio.wait([task]))
            raise
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _run_in_thread(main: Coroutine[None, None, None]) -> None:
    loop = asyncio.new_event_loop()
    task = loop.create_task(main)
    thread = threading.Thread(target=_until_done, args=(loop, task), name="benchmark")
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise
    finally:
        loop.close()
    task.result()


def _until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    asyncio.set_event_loop(loop)
    loop.run_until_complete(asyncio.wait([task]))
