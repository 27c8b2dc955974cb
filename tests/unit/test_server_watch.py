"""Readings of a server during a window: each figure alone, and none where it reports none."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.server_figures import server_figures
from ai_energy_benchmarks.domain.serving import ServerCounters, ServerGauges, ServerLoad
from ai_energy_benchmarks.load.server_watch import ServerWatch
from ai_energy_benchmarks.testing import VirtualClock
from tests.factories import reading, trial

FIGURES = {
    "running_requests": ("running_mean", "running_most"),
    "waiting_requests": ("waiting_mean", "waiting_most"),
    "kv_cache_share": ("kv_cache_mean_share", "kv_cache_most_share"),
}


def watched(*gauges: ServerGauges | None) -> ServerLoad | None:
    """What a watch makes of readings that come one after the other."""

    async def window() -> ServerLoad | None:
        clock, left, done = VirtualClock(), list(gauges), asyncio.Event()

        async def read() -> ServerGauges | None:
            gauge = left.pop(0) if left else None
            if not left:
                done.set()
            return gauge

        async with ServerWatch(read, 1.0, clock) as watch:
            await done.wait()
            await asyncio.sleep(0)
        return watch.result

    return asyncio.run(window())


@pytest.mark.parametrize("only", FIGURES)
def test_a_server_that_reports_one_gauge_has_that_figure_and_no_other(only: str) -> None:
    """Its KV cache alone, for instance: mean and maximum of it, and the queue is unknown."""
    load = watched(ServerGauges(**{only: 0.25}), ServerGauges(**{only: 0.75}), None)
    mean, most = FIGURES[only]
    assert load == evolve(
        ServerLoad(2, None, None, None, None, None, None), **{mean: pytest.approx(0.5), most: pytest.approx(0.75)}
    )
    seen = server_figures([evolve(trial(1, reading()), server_load=load), trial(2, reading())])
    assert seen is not None
    known = {name for names in FIGURES.values() for name in names if getattr(seen, name) is not None}
    assert known == {mean, most}
    assert (seen.readings, seen.prefix_cache_hit_share, seen.preemptions) == (2, None, None)


def test_a_server_that_reports_nothing_has_no_figures() -> None:
    """Neither a reading nor a counter."""
    assert watched(None) is None
    assert server_figures([trial(1, reading())]) is None


def test_means_are_over_trials_and_maxima_over_readings() -> None:
    """Preemptions add up; a trial whose server did not report a figure says nothing about it."""
    loads = [ServerLoad(3, 4.0, 6.0, None, None, 0.2, 0.3), ServerLoad(2, 2.0, 8.0, 1.0, 5.0, 0.4, 0.9)]
    trials = [evolve(trial(n, reading()), server_load=load) for n, load in enumerate(loads, start=1)]
    trials = [evolve(trials[0], server=ServerCounters(preemptions=2)), evolve(trials[1], server=ServerCounters())]
    seen = server_figures(trials)
    assert seen is not None
    assert (seen.readings, seen.running_mean, seen.running_most) == (5, 3.0, 8.0)
    assert (seen.waiting_mean, seen.waiting_most) == (1.0, 5.0)
    assert (seen.kv_cache_mean_share, seen.kv_cache_most_share) == (pytest.approx(0.3), 0.9)
    assert (seen.preemptions, seen.prefix_cache_hit_share) == (2, None)


def test_hits_are_a_share_of_what_was_looked_up() -> None:
    """Of 100 tokens looked up 40 were found; where lookups are not counted, 10 of the 50 of the prompts."""
    base = trial(1, reading())
    counted = evolve(base, server=ServerCounters(prefix_cache_hit_tokens=40, prefix_cache_queries_tokens=100))
    uncounted = evolve(base, server=ServerCounters(prefix_cache_hit_tokens=10))
    silent = evolve(base, server=ServerCounters(preemptions=1))

    def share(*trials: object) -> float | None:
        figures = server_figures(trials)  # type: ignore[arg-type] # trials
        assert figures is not None
        return figures.prefix_cache_hit_share

    assert share(counted) == pytest.approx(0.4)
    assert share(uncounted) == pytest.approx(0.2)
    assert share(counted, uncounted) == pytest.approx(50 / 150)
    assert share(evolve(base, server=ServerCounters(prefix_cache_hit_tokens=0, prefix_cache_queries_tokens=0))) == 0.0
    assert share(silent) is None
    # Its counters hold fillers too, which are in no answer; a trial whose counter is not on the page found nothing.
    assert share(evolve(base, server=ServerCounters(prompt_tokens=80, prefix_cache_hit_tokens=10))) == 0.125
    assert share(counted, silent) == share(silent, counted) == pytest.approx(40 / 150)
