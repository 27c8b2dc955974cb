"""Whether the cells of a study are known well enough to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from ai_energy_benchmarks.domain.statistics import t95
from ai_energy_benchmarks.results.quotable import FIGURES, block, quoted


def headline_j_per_token(document: Mapping[str, object]) -> float | None:
    """J per output token of the component that a report is about; None where it has none, or withholds it."""
    component = str(block(document, "verdict").get("headline") or "total")
    found = quoted(document, FIGURES["j_per_output_token"], component)
    return None if isinstance(found, str) else found.value


def relative_half_width(values: Sequence[float]) -> float:
    """Half-width of the 95 % interval of a mean over processes, as a share of it; infinite below two."""
    if len(values) < 2:
        return math.inf
    mean = fmean(values)
    return math.inf if mean == 0 else t95(len(values) - 1) * stdev(values) / math.sqrt(len(values)) / abs(mean)
