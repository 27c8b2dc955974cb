"""What a server said of itself, over all trials that count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.analysis.prompt_caches import counted_share
from ai_energy_benchmarks.domain.result import Trial


@frozen
class ServerFigures:
    """Queue and cache as the server reported them; None where it did not.

    Attributes:
        readings: how often it was asked within windows, all trials together.
        running_mean, running_most: requests in work at a reading.
        waiting_mean, waiting_most: requests in its queue at a reading.
        kv_cache_mean_share, kv_cache_most_share: part of the cache for keys and values that was in use.
        prefix_cache_hit_share: part of the tokens it looked up that were found in the prefix cache.
        preemptions: requests preempted and recomputed, all trials together.
    """

    readings: int
    running_mean: float | None
    running_most: float | None
    waiting_mean: float | None
    waiting_most: float | None
    kv_cache_mean_share: float | None
    kv_cache_most_share: float | None
    prefix_cache_hit_share: float | None
    preemptions: int | None


def server_figures(trials: Sequence[Trial]) -> ServerFigures | None:
    """Put the trials together; None if no server reported anything."""
    loads = [trial.server_load for trial in trials if trial.server_load is not None]
    counters = [trial.server for trial in trials if trial.server is not None]
    if not loads and not counters:
        return None
    preemptions = [counter.preemptions for counter in counters if counter.preemptions is not None]
    return ServerFigures(
        readings=sum(load.readings for load in loads),
        running_mean=_mean(load.running_mean for load in loads),
        running_most=_most(load.running_most for load in loads),
        waiting_mean=_mean(load.waiting_mean for load in loads),
        waiting_most=_most(load.waiting_most for load in loads),
        kv_cache_mean_share=_mean(load.kv_cache_mean_share for load in loads),
        kv_cache_most_share=_most(load.kv_cache_most_share for load in loads),
        prefix_cache_hit_share=counted_share(trials),
        preemptions=sum(preemptions) if preemptions else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
