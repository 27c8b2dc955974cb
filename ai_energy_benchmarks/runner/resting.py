"""The rests next to a trial, as long as the meters need them."""

from __future__ import annotations

from attrs import evolve

from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.power import Mark
from ai_energy_benchmarks.metrics.base import MetricsCollector


async def rest(collector: MetricsCollector, clock: Clock, start: Mark | None, begin: Mark) -> float:
    """Let the workload rest until the meters have seen enough of it.

    Args:
        start: begin of the trial that the rest follows; None for the rest before a trial.
        begin: since when the workload rests.

    Returns:
        Seconds for which it rested.
    """
    rested_s = collector.guard_s()
    await clock.sleep(rested_s)
    while rested_s > 0 and (more_s := collector.further_rest_s(start, evolve(begin, quiet_s=rested_s))) > 0:
        await clock.sleep(more_s)
        rested_s += more_s
    return rested_s
