"""Running a coroutine to its end from anywhere: a plain thread, a notebook, a service with its own loop."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar, copy_context

# So seldom that a window does not feel it, so often that Ctrl-C is not pressed a second time.
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
    """Run ``main`` in a loop and a thread of its own, and return when it has ended, with whatever it raised.

    Python raises Ctrl-C in the main thread, wherever that is. In an event loop this would be anywhere: in a callback of
    a library that takes every exception for its own, or between taking a task from a queue and running it, and what is
    lost there is lost for good. The main thread therefore only waits. The same serves a notebook, whose loop is
    running already, since loops do not nest.

    No signal handler is set. After Ctrl-C the coroutine is cancelled, its clean-up runs to its end, and
    ``KeyboardInterrupt`` is raised; after a second one the rest of the clean-up is left to ``CutShortError.finish``.
    """
    work = _Work(main)
    work.thread.start()
    try:
        work.begin()
        work.wait()
    except BaseException:  # raised again: whatever a handler of a signal raises
        try:
            work.cancel()
            work.wait()
        except KeyboardInterrupt:
            if not work.ended:
                raise CutShortError(work.wait) from None
        raise
    work.result()


async def let_interrupts_in() -> None:
    """Between two batches: an engine that never waits for anything would keep a cancellation out until its last one."""
    work = _WORK.get()
    if work is not None and work.interrupted:
        await asyncio.sleep(0)


class _Work:
    """A coroutine in a thread of its own.

    Its methods are for the waiting thread, in which a signal may raise between any two steps. So what the threads tell
    each other is in plain attributes, and locks only wake: after an interrupted ``Thread.join`` Python 3.11 takes the
    thread for ended, and an interrupted ``Event`` can keep its lock.
    """

    def __init__(self, main: Coroutine[None, None, None]) -> None:
        self.ended = self.interrupted = False
        self._loop = asyncio.new_event_loop()
        context = copy_context()
        context.run(_WORK.set, self)
        self._task = context.run(self._loop.create_task, main)
        self._error: BaseException | None = None
        self._begun, self._woken = threading.Lock(), threading.Lock()
        self._begun.acquire()
        self._woken.acquire()
        # A daemon: an engine that does not come back must not keep the process alive.
        self.thread = threading.Thread(target=self._run, name="benchmark", daemon=True)

    def begin(self) -> None:
        """Let the thread run, which may be called again where the first call was interrupted."""
        if self._begun.locked():
            self._begun.release()

    def cancel(self) -> None:
        self.interrupted = True
        self.begin()
        with suppress(RuntimeError):  # the loop is closed: it had just ended
            self._loop.call_soon_threadsafe(self._task.cancel)

    def wait(self, cap_s: float = math.inf) -> None:
        """Wait in short turns: Python raises Ctrl-C between two of them, also where the signal woke another thread."""
        until_s = time.monotonic() + cap_s
        while not self.ended and (left_s := until_s - time.monotonic()) > 0:
            self._woken.acquire(timeout=min(_TURN_S, left_s))

    def result(self) -> None:
        """Raise what the coroutine, or a task next to it, has raised."""
        if self._error is not None:
            raise self._error
        self._task.result()

    def _run(self) -> None:
        self._begun.acquire()
        try:
            asyncio.set_event_loop(self._loop)
            self._until_done()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
            self.ended = True
            self._woken.release()

    def _until_done(self) -> None:
        over = self._loop.create_future()
        self._task.add_done_callback(lambda _: over.set_result(None))
        while not self._task.done():
            try:
                self._loop.run_until_complete(over)
            except (KeyboardInterrupt, SystemExit) as error:  # asyncio raises these out of the loop
                if not self._task.done():  # it is of a task next to it, and ends this one
                    self._error = error
                    self._task.cancel()
        if not self._task.cancelled():
            self._task.exception()  # fetched, since asyncio logs one that is never looked at


_WORK: ContextVar[_Work | None] = ContextVar("the work that a coroutine is part of", default=None)
