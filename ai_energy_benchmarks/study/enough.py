"""Whether the cells of a study are known well enough to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from ai_energy_benchmarks.domain.statistics import t95
from ai_energy_benchmarks.results.no_score import number


def headline_j_per_token(document: Mapping[str, object]) -> float | None:
    """J per output token of the component that a report is about; None where it has none, or withholds it.

    Under concurrency the steady state leads. The GPU comes first, then what else has a figure, as in the report.
    """
    derived = document.get("derived")
    if not isinstance(derived, Mapping):
        return None
    for component in ("gpu", "cpu", "system", "dram"):
        block = derived.get(component)
        if not isinstance(block, Mapping):
            continue
        steady = block.get("steady")
        leading = steady if isinstance(steady, Mapping) else block
        figure = leading.get("j_per_output_token")
        value = number(figure.get("value")) if isinstance(figure, Mapping) else None
        if value is not None:
            return value
    return None


def relative_half_width(values: Sequence[float]) -> float:
    """Half-width of the 95 % interval of a mean over processes, as a share of it; infinite below two."""
    if len(values) < 2:
        return math.inf
    mean = fmean(values)
    return math.inf if mean == 0 else t95(len(values) - 1) * stdev(values) / math.sqrt(len(values)) / abs(mean)
