"""Running a coroutine to its end from anywhere: a plain thread, a notebook, a service with its own loop."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress

# So seldom that a window does not feel it, so often that nobody presses Ctrl-C a second time.
_TURN_S = 0.5


class CutShortError(KeyboardInterrupt):
    """A second Ctrl-C came while the first one's clean-up waited for an engine that does not come back.

    Attributes:
        finish: waits for the clean-up again, for at most so many seconds.
    """

    def __init__(self, finish: Callable[[float], None]) -> None:
        super().__init__()
        self.finish = finish


class MonotonicClock:
    """The clock of every real run."""

    def now_s(self) -> float:
        return time.perf_counter()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_to_end(main: Coroutine[None, None, None]) -> None:
    """Run ``main`` and return when it has ended, with whatever it raised.

    No signal handler is set. After Ctrl-C the coroutine is cancelled, its clean-up runs to its end, and
    ``KeyboardInterrupt`` is raised; after a second one the rest of the clean-up is left to ``CutShortError.finish``.
    Inside a running loop, ``main`` gets a loop and a thread of its own, since
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
    task = loop.create_task(main)

    def finish(cap_s: float) -> None:
        _run_until_done(loop, task, cap_s)
        if task.done():
            _close(loop, task)

    try:
        loop.run_until_complete(task)
    except KeyboardInterrupt:
        try:
            task.cancel()  # of one that Ctrl-C has ended in its own code this changes nothing
            _run_until_done(loop, task)
        except KeyboardInterrupt:
            if not task.done():
                raise CutShortError(finish) from None
        raise
    finally:
        if task.done():
            _close(loop, task)


def _run_until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], cap_s: float = math.inf) -> None:
    """Let a task go on until it has ended in whatever way, or for so many seconds."""
    if task.done():
        return
    # Not ``asyncio.wait``: where Ctrl-C cuts it short, its coroutine stays behind and is warned about.
    over = loop.create_future()

    def end(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    task.add_done_callback(end)
    timer = loop.call_later(cap_s, end) if cap_s < math.inf else None
    try:
        loop.run_until_complete(over)
    finally:
        task.remove_done_callback(end)
        if timer is not None:
            timer.cancel()


def _close(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    """Close the loop of a task that has ended; what it raised after Ctrl-C counts as noticed."""
    _retrieve(task)
    if not loop.is_closed():
        try:
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


def _retrieve(task: asyncio.Task[None]) -> None:
    """Take the exception of a task that has ended, since asyncio logs one that is never looked at."""
    if not task.cancelled():
        task.exception()


def _run_in_thread(main: Coroutine[None, None, None]) -> None:
    loop = asyncio.new_event_loop()
    task = loop.create_task(main)
    # Not ``Thread.join``: after one that a signal has interrupted, Python 3.11 takes the thread for ended.
    over = threading.Event()
    # A daemon: an engine that does not come back must not keep the process alive.
    thread = threading.Thread(target=_until_done, args=(loop, task, over), name="benchmark", daemon=True)
    try:
        thread.start()
        _wait(over)
    except KeyboardInterrupt:
        try:
            with suppress(RuntimeError):  # the loop is closed: it had just ended
                loop.call_soon_threadsafe(task.cancel)
            _wait(over)
        except KeyboardInterrupt:
            raise CutShortError(lambda cap_s: _wait(over, cap_s)) from None
        raise
    task.result()


def _wait(over: threading.Event, cap_s: float = math.inf) -> None:
    """Wait in short turns: Python raises Ctrl-C between two of them, also where the signal woke another thread."""
    until_s = time.monotonic() + cap_s
    while not over.wait(max(0.0, min(_TURN_S, until_s - time.monotonic()))) and time.monotonic() < until_s:
        pass


def _until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], over: threading.Event) -> None:
    try:
        asyncio.set_event_loop(loop)
        _run_until_done(loop, task)
        _retrieve(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
        over.set()
