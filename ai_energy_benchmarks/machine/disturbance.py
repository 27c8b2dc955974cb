"""What a machine does in addition to its work: sleep, and time that its host gives to other guests."""

from __future__ import annotations

import time
from pathlib import Path

from ai_energy_benchmarks.domain.environment import Disturbance
from ai_energy_benchmarks.machine.cpu_times import machine_times, processors
from ai_energy_benchmarks.machine.processes import PROC


def disturbance_so_far(proc: Path = PROC) -> Disturbance:
    """The sums since the machine started; the difference of two is what lay between."""
    stolen_s = _stolen_s(proc)
    return Disturbance(_asleep_s(), stolen_s, stolen_so_far_s=stolen_s)


def _asleep_s() -> float | None:
    """One clock goes on while the machine sleeps, the other does not (clock_gettime(2))."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def _stolen_s(proc: Path) -> float | None:
    """The mean over all processors; None where that is not counted."""
    try:
        return machine_times(proc).stolen_s / processors(proc)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or one without these columns or processors
        return None
