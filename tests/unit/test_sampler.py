"""The thread that takes samples ends with its meter, also where a driver no longer answers."""

from __future__ import annotations

from threading import Event

from ai_energy_benchmarks.metrics.sampler import Sampler


def test_a_sample_that_does_not_come_back_does_not_keep_the_run() -> None:
    """Its thread is given up; as a daemon it does not keep the process either."""
    hangs, released = Event(), Event()

    def sample() -> None:
        hangs.set()
        released.wait(60)

    sampler = Sampler(sample, 0.001, "test", patience_s=0.01)
    assert hangs.wait(60)
    sampler.stop()
    assert not released.is_set()
    released.set()
