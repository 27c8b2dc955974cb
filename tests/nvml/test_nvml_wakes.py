"""When reading is moved to a child: where this process wakes late, and not where the driver answers slowly."""

from __future__ import annotations

import time

import pynvml
from attrs import define

from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard
from ai_energy_benchmarks.metrics.nvml.poller import BoardPoller, WakeUps, poll_due, shortest_tick_s
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board


@define
class Sleeper:
    """A clock whose sleeps last longer than they should."""

    late_s: float
    time_s: float = 0.0

    def clock(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds + self.late_s


class Ignore:
    """A sink that keeps nothing."""

    def reading(self, *_: object) -> None: ...

    def tick(self, *_: object) -> None: ...

    def processes(self, *_: object) -> None: ...

    def gone(self, *_: object) -> None: ...


def woken(late_s: float, times: int = 120) -> WakeUps:
    sleeper = Sleeper(late_s)
    wakes = WakeUps(sleeper.clock, sleeper.sleep)
    for _ in range(times):
        wakes.sleep_until(sleeper.time_s + 0.02)
    return wakes


def test_late_wake_ups_say_that_the_interpreter_is_busy() -> None:
    """A thread of Python holds the interpreter for 5 ms; an H200 host woke within 0.2 ms in 95 of 100 sleeps."""
    assert woken(0.0051).starved(0.1)
    assert not woken(0.0002).starved(0.1)


def test_nothing_is_judged_before_enough_is_known() -> None:
    """Neither from few sleeps nor without a tick."""
    assert not woken(0.0051, times=50).starved(0.1)
    assert not woken(0.0051).starved(None)


def test_a_short_tick_needs_punctual_readings() -> None:
    """A quarter of a tick is late enough to miss it."""
    assert woken(0.003).starved(0.01)
    assert not woken(0.003).starved(0.1)


def test_a_driver_that_answers_slowly_does_not_make_this_process_busy(simulate: Simulate) -> None:
    """Calls of 15 ms delay the readings and not the waking up."""
    simulate(Board("GPU-slow", tick_s=0.1, call_s=0.015))
    pynvml.nvmlInit()
    sleeper = Sleeper(0.0)
    wakes = WakeUps(sleeper.clock, sleeper.sleep)
    poller = BoardPoller(pynvml, NvmlBoard(pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)), 0.01, Ignore())
    give_up_s = time.perf_counter() + 20.0
    while (tick_s := shortest_tick_s([poller])) is None and time.perf_counter() < give_up_s:
        poll_due([poller], wakes)
    pynvml.nvmlShutdown()
    assert tick_s is not None
    assert not wakes.starved(tick_s)
