"""Interrupting a benchmark once and twice, also one that was started inside a running event loop as in a notebook."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.runner.event_loop import CutShortError, run_to_end
from ai_energy_benchmarks.testing import Journal
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


def in_its_own_code() -> None:
    """A signal that comes while the task runs, such as in a backend's ``gc.collect``."""
    interrupt()


def in_the_loop() -> None:
    """A signal that comes between two steps of the task."""
    asyncio.get_running_loop().call_soon(in_its_own_code)


def in_a_request() -> None:
    """A signal that comes while a task runs that this one waits for."""

    async def request() -> None:
        in_its_own_code()

    asyncio.get_running_loop().create_task(request()).add_done_callback(lambda task: task.exception())


def in_a_callback() -> None:
    """A signal that comes in a callback of a library that takes every exception for its caller's mistake.

    httptools does so: there, a ``KeyboardInterrupt`` would end as a failed request of a run that goes on.
    """
    with suppress(BaseException):
        interrupt()
        time.sleep(0.01)


def never() -> None:
    """No second signal."""


@needs_signals
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("first", [in_its_own_code, in_the_loop, in_a_request, in_a_callback])
@pytest.mark.parametrize("second", [never, in_its_own_code, in_the_loop, in_a_request, in_a_callback])
def test_two_interrupts_leave_nothing_to_complain_about(
    first: Callable[[], None],
    second: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wherever they come, all that is raised is ``KeyboardInterrupt``, and asyncio neither warns nor logs."""
    ended = []

    async def interrupted() -> None:
        try:
            first()
            await asyncio.sleep(60)
        finally:
            try:
                second()
                await asyncio.sleep(0.01)
            finally:
                ended.append("clean-up")

    with pytest.raises(KeyboardInterrupt) as caught:
        run_to_end(interrupted())
    if isinstance(caught.value, CutShortError):
        assert ended == []
        caught.value.finish(10)
    assert ended == ["clean-up"]
    del caught
    gc.collect()
    assert (caplog.record_tuples, capsys.readouterr().err) == ([], "")


@needs_signals
@pytest.mark.filterwarnings("error")
def test_an_error_in_the_clean_up_after_an_interrupt_is_not_logged_by_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    """The interrupt is what is raised."""

    async def interrupted() -> None:
        try:
            in_the_loop()
            await asyncio.sleep(60)
        finally:
            raise OSError("the engine broke")

    with pytest.raises(KeyboardInterrupt):
        run_to_end(interrupted())
    gc.collect()
    assert caplog.record_tuples == []


@needs_signals
def test_an_engine_that_never_waits_is_interrupted_after_its_batch() -> None:
    """Nothing in such a run gives the event loop a turn, and there would be nine more batches."""
    bench, batches = Bench(), []

    def first(batch: Batch) -> None:
        batches.append(batch)
        if len(batches) == 1:
            interrupt()
            time.sleep(0.3)  # until the main thread has taken it

    bench.backend.before_batch = first
    with pytest.raises(KeyboardInterrupt):
        bench.runner.measure()
    assert len(batches) == 1


class InterruptedNotes(Journal):
    """A journal whose process gets a SIGINT while the backend is left."""

    def note(self, line: str) -> None:
        super().note(line)
        if line == "backend leaves":
            interrupt()


@needs_signals
@pytest.mark.filterwarnings("error")
def test_a_second_interrupt_while_the_backend_is_left_costs_no_report(caplog: pytest.LogCaptureFixture) -> None:
    """The report is written, and the clean-up goes on to its end."""
    bench = Bench()
    bench.backend.journal = InterruptedNotes(bench.journal.lines)
    bench.backend.before_batch = lambda _: interrupt()
    with pytest.raises(KeyboardInterrupt) as caught:
        bench.runner.run()
    del caught
    gc.collect()
    assert sorted(bench.journal.lines[-3:]) == ["backend leaves", "collector leaves", "report"]
    assert [each for each in caplog.record_tuples if each[0] == "asyncio"] == []
