"""Work whose steps beat with a power sensor that looks only a part of the time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ai_energy_benchmarks.analysis.integration import workload_boards
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding

# The chips GA100 and GH100 look 25 ms of every 100 ms (Yang, Adamek and Armour, SC24, arXiv:2312.02741); by the names
# of the GPUs that have them.
PERIOD_S = 0.100
_LOOKS_A_QUARTER = re.compile(r"\b(A100|A30|A800|H100|H200|H800|H20|GH200)\b")
# A look of 25 ms averages over the steps that are shorter than a fifth of the period.
_MOST_STEPS, _WITHIN = 5, 0.10


def beat_findings(summary: Summary, trials: Sequence[Trial]) -> Iterator[Finding]:
    """INFO where the time of a step is about the period of the sensor over a small number, so that it may see one phase
    of each step again and again.
    """
    gaps = summary.itl_s or summary.inter_chunk_s
    names = sorted({each.label for each in workload_boards(trials) if _LOOKS_A_QUARTER.search(each.label)})
    if gaps is None or not names or (steps := beating_steps(gaps.p50)) is None:
        return
    share = "that period" if steps == 1 else f"1/{steps} of that period"
    message = (
        f"{', '.join(names)}: its power sensor samples 25 ms of every 100 ms, and a step of {1e3 * gaps.p50:.3g} ms is "
        f"about {share}: it may see the same part of each step, which no interval here includes"
    )
    yield Finding("INFO", "sensor beat", message, "gpu")


def beating_steps(step_s: float) -> int | None:
    """How many steps make one period of the sensor, to within 10 %; None if none or many do."""
    return next((k for k in range(1, _MOST_STEPS + 1) if abs(step_s - PERIOD_S / k) <= _WITHIN * PERIOD_S / k), None)
