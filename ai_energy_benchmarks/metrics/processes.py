"""Processes of this machine, their descendants and their processor time, from ``/proc`` where there is one."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from attrs import frozen

PROC = Path("/proc")


@frozen
class Process:
    """One living process.

    Attributes:
        ended_cpu_time_s: processor time of all its descendants that have ended and were waited for, in steps of
            the kernel's clock tick.
    """

    pid: int
    parent: int
    ended_cpu_time_s: float


def tick_s() -> float:
    """The step in which ``/proc`` tells processor time, usually 10 ms."""
    return 1 / os.sysconf("SC_CLK_TCK")


def processes(proc: Path = PROC) -> Mapping[int, Process]:
    """Every process that can be seen; empty where there is no ``/proc``."""
    if not proc.is_dir():
        return {}
    numbers = (entry.name for entry in os.scandir(proc) if entry.name.isdecimal())
    return {each.pid: each for each in _read(proc, numbers)}


def _read(proc: Path, numbers: Iterator[str]) -> Iterator[Process]:
    step_s = tick_s()
    for number in numbers:
        try:
            with open(f"{proc}/{number}/stat", "rb") as file:
                text = file.read()
        except OSError:
            continue  # it has ended meanwhile
        # The name, in brackets, may hold spaces and brackets too. proc(5): field 4 is the parent, 16 and 17 the times.
        fields = text[text.rindex(b")") + 2 :].split()
        yield Process(int(number), int(fields[1]), (int(fields[13]) + int(fields[14])) * step_s)


def cpu_time_s(pid: int) -> float | None:
    """User and system time of all threads of a living process, in nanosecond steps; None if there is none.

    Linux gives every process a clock of its own, numbered ``~pid << 3 | 2`` (clock_getcpuclockid(3)).
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return None


def name_of(pid: int, proc: Path = PROC) -> str:
    """The name of a process for people; ``unknown`` if there is none to be seen."""
    try:
        return (proc / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "unknown"


def tree(roots: Collection[int], seen: Mapping[int, Process] | None = None) -> frozenset[int]:
    """The roots with all their living descendants; the roots alone where ``/proc`` tells nothing."""
    children: dict[int, list[int]] = {}
    for each in (processes() if seen is None else seen).values():
        children.setdefault(each.parent, []).append(each.pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, ())
    return frozenset(found)


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
