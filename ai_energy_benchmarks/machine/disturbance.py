"""What a machine does beside its work: sleep, and time that its host gives to other guests."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ai_energy_benchmarks.domain.environment import Disturbance

_STEAL_FIELD = 8  # proc(5), /proc/stat: user nice system idle iowait irq softirq steal


def disturbance_so_far(stat: Path = Path("/proc/stat")) -> Disturbance:
    """The sums since the machine started; a difference of two tells what lay between."""
    return Disturbance(_asleep_s(), _stolen_s(stat))


def _asleep_s() -> float:
    """One clock goes on while the machine sleeps, the other does not (clock_gettime(2))."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def _stolen_s(stat: Path) -> float | None:
    try:
        lines = stat.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    fields = lines[0].split() if lines else []
    processors = sum(line.startswith("cpu") for line in lines[1:])
    if len(fields) <= _STEAL_FIELD or not processors:
        return None
    return int(fields[_STEAL_FIELD]) / os.sysconf("SC_CLK_TCK") / processors
