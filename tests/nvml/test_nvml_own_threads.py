"""Several GPUs whose driver answers slowly are read at the same time, and quick ones by one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from ai_energy_benchmarks.domain.power import Series
from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector
from ai_energy_benchmarks.metrics.nvml.own_threads import OwnThreads
from ai_energy_benchmarks.metrics.nvml.poller import WakeUps
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board

SLOW_CALL_S = 0.003
GPUS = 8


class Poller:
    """Takes note of the threads that read it, and never really calls a driver."""

    def __init__(self, call_s: float) -> None:
        self.call_s = call_s
        self.due_s = 0.0
        self.readers: set[str] = set()

    def poll(self) -> None:
        self.readers.add(threading.current_thread().name)
        self.due_s = time.perf_counter() + 0.001


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "nvml-gpu"]


@pytest.mark.parametrize(("call_s", "threads"), [(0.0, 0), (0.0003, 0), (SLOW_CALL_S, GPUS - 1)])
def test_gpus_that_take_too_long_together_get_threads_of_their_own(call_s: float, threads: int) -> None:
    """Eight calls of 0.3 ms fit between two readings around a tick, eight of 3 ms do not."""
    pollers = [Poller(call_s) for _ in range(GPUS)]
    with OwnThreads(list(pollers)) as reading:  # type: ignore[arg-type] # only what is asked for here
        for _ in range(3):
            reading.poll(WakeUps())
        assert len(own_threads()) == threads
        give_up_s = time.perf_counter() + 10.0
        while threads and not all("nvml-gpu" in poller.readers for poller in pollers[1:]):
            assert time.perf_counter() < give_up_s
            reading.poll(WakeUps())
    assert own_threads() == []
    assert all(poller.readers for poller in pollers)


def test_one_slow_gpu_needs_no_further_thread() -> None:
    """It has the one that there is."""
    with OwnThreads([Poller(0.1)]) as reading:  # type: ignore[list-item] # only what is asked for here
        reading.poll(WakeUps())
        assert own_threads() == []


def test_gpus_are_read_on_after_their_threads_ended() -> None:
    """As when a child process took over and ended: every GPU has a reader again."""
    pollers = [Poller(SLOW_CALL_S) for _ in range(GPUS)]
    with OwnThreads(list(pollers)) as reading:  # type: ignore[arg-type] # only what is asked for here
        reading.poll(WakeUps())
        reading.end()
        assert own_threads() == []
        for poller in pollers:
            poller.readers.clear()
            poller.due_s = 0.0
        reading.poll(WakeUps())
        assert all(poller.readers for poller in pollers)
        assert len(own_threads()) == GPUS - 1


def counters(boards: Sequence[Board], simulate: Simulate, seconds: float) -> list[Series]:
    """What one collector reads of these boards' counters, after it knows their ticks."""
    simulate(*boards)
    with NvmlCollector() as collector:
        time.sleep(seconds)
        found = [series for series in collector.samples().series if series.quantity == "energy_j"]
    assert own_threads() == []
    return found


def test_slow_drivers_of_eight_gpus_are_asked_at_the_same_time(simulate: Simulate) -> None:
    """Calls of 3 ms to counters with a tick of 20 ms take longer in all than there was time, and no GPU is left behind.

    One after the other a round would take 24 ms: more than the tick, which then could not even be found.
    """
    boards = [Board(f"GPU-{number}", tick_s=0.02, call_s=SLOW_CALL_S) for number in range(GPUS)]
    found = counters(boards, simulate, 1.5)
    assert len(found) == GPUS
    elapsed_s = max(each.after_s[-1] for each in found) - min(each.before_s[0] for each in found)
    calls_s = sum(
        after_s - before_s for each in found for before_s, after_s in zip(each.before_s, each.after_s, strict=True)
    )
    assert calls_s > elapsed_s
    changes = [sum(left != right for left, right in zip(each.values, each.values[1:], strict=False)) for each in found]
    assert min(changes) > 0.5 * max(changes)
