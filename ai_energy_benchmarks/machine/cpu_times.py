"""What all processors of the machine have done since it started, from ``/proc/stat``."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.machine.processes import PROC, tick_s


@frozen
class MachineTimes:
    """Sums over all processors since the machine started; idle and waiting time is in none of them.

    Attributes:
        work_s: of processes and the kernel's threads; guests are part of it (proc(5), ``/proc/stat``).
        interrupts_s: of interrupts, whoever they are for.
        stolen_s: what the host of a virtual machine gave to others.
    """

    work_s: float
    interrupts_s: float
    stolen_s: float


def machine_times(proc: Path = PROC) -> MachineTimes:
    """How long all processors together have been busy.

    Raises:
        OSError: there is no ``/proc/stat``.
    """
    with open(proc / "stat", "rb") as file:
        user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, file.readline().split()[1:9])
    return MachineTimes(*(ticks * tick_s() for ticks in (user + nice + system, irq + softirq, stolen)))


def processors(proc: Path = PROC) -> int:
    """How many processors ``/proc/stat`` counts.

    Raises:
        OSError: there is no such file.
    """
    with open(proc / "stat", "rb") as file:
        return sum(line.startswith(b"cpu") for line in file) - 1  # the first line is their sum
