"""Latencies pooled over the completions of several passes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from operator import sub
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.statistics import Distribution, distribution

# A hundred million gaps as Python floats would need gigabytes; above this many the frame library sorts them in place.
_MANY = 200_000


@frozen
class Latencies:
    """Distributions in seconds, as measurement.md §5 defines them; None where nothing was seen."""

    ttft_s: Distribution | None
    itl_s: Distribution | None
    tpot_s: Distribution | None
    e2e_s: Distribution | None


def pooled(completions: Iterable[Completion]) -> Latencies:
    """Pool the latencies of all completions; each gap between two token events counts once."""
    ttft_s, itl_s, tpot_s, e2e_s = (array("d") for _ in range(4))
    for each in completions:
        times_s = each.token_times_s
        itl_s.extend(map(sub, times_s[1:], times_s))
        e2e_s.append(each.e2e_s)
        if (first_s := each.ttft_s) is not None:
            ttft_s.append(first_s)
        if (per_token_s := each.tpot_s) is not None:
            tpot_s.append(per_token_s)
    return Latencies(*map(_distribution, (ttft_s, itl_s, tpot_s, e2e_s)))


def _distribution(values: array[float]) -> Distribution | None:
    if len(values) < _MANY:
        return distribution(values)
    import polars

    ordered = polars.Series(values, dtype=polars.Float64).sort()
    at = [ordered.quantile(share, interpolation="linear") or 0.0 for share in (0.50, 0.90, 0.95, 0.99)]
    return Distribution(len(values), fmean(values), *at)
