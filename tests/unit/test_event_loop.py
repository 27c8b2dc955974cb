"""Interrupting a benchmark that was started inside a running event loop, as a cell of a notebook is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.runner.event_loop import CutShortError, run_to_end
from tests.unit.test_runner_order import Bench

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not interrupt a wait")


def in_a_loop(work: object) -> None:
    """Call it as a notebook's kernel calls a cell: in a running loop that leaves Ctrl-C to Python."""

    async def cell() -> None:
        work()  # type: ignore[operator] # a call without arguments

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(cell())
    finally:
        loop.close()


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_in_its_first_batch() -> Bench:
    """A benchmark whose process gets one SIGINT while it generates."""
    bench, sent = Bench(), threading.Event()

    def once(batch: Batch) -> None:
        if not sent.is_set():
            sent.set()
            interrupt()
            time.sleep(0.3)  # until the main thread has taken it

    bench.backend.before_batch = once
    return bench


@needs_signals
def test_an_interrupted_cell_is_a_keyboard_interrupt() -> None:
    """The ending is ``interrupted``, the trial under way is kept, and the benchmark's thread has ended."""
    bench = interrupted_in_its_first_batch()
    with pytest.raises(KeyboardInterrupt) as caught:
        in_a_loop(bench.runner.measure)
    assert not isinstance(caught.value, CutShortError)
    assert bench.runner.result is not None
    assert bench.runner.result.ending == "interrupted"
    assert [each for each in bench.runner.result.verdict.findings if "RuntimeError" in each.message] == []
    assert [each.name for each in threading.enumerate() if each.name == "benchmark"] == []
    assert "backend leaves" in bench.journal.lines


@needs_signals
def test_the_next_cell_runs() -> None:
    """Nothing of the interrupted run stands in the way of another."""
    first, second = interrupted_in_its_first_batch(), Bench()
    with pytest.raises(KeyboardInterrupt):
        in_a_loop(first.runner.run)
    in_a_loop(second.runner.run)
    assert second.runner.result is not None
    assert second.runner.result.ending == "completed"


@needs_signals
def test_a_second_interrupt_leaves_the_clean_up_to_its_caller() -> None:
    """The engine does not come back; the wait for it ends, and can be taken up again for a while."""
    may_end = threading.Event()

    async def stubborn() -> None:
        try:
            threading.Timer(0.1, interrupt).start()
            await asyncio.sleep(60)
        finally:
            threading.Timer(0.1, interrupt).start()
            await asyncio.get_running_loop().run_in_executor(None, may_end.wait)

    with pytest.raises(CutShortError) as caught:
        in_a_loop(lambda: run_to_end(stubborn()))
    caught.value.finish(0.01)
    assert [each for each in threading.enumerate() if each.name == "benchmark"]
    may_end.set()
    caught.value.finish(10)
    for thread in threading.enumerate():
        if thread.name == "benchmark":
            thread.join(10)
            assert not thread.is_alive()
