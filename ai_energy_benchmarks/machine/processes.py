"""Processes of this machine, their descendants and their processor time, from ``/proc`` where there is one.

psutil is not used: it has processor time in ticks of 10 ms only, and neither the numbers of other PID namespaces nor
the listening sockets of other network namespaces, so that most of what is read here would stay.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from attrs import frozen

PROC = Path("/proc")
# Device files of GPUs: NVIDIA's, AMD's, and the kernel's own for rendering and computing.
_GPU_FILES = ("/dev/nvidia", "/dev/kfd", "/dev/dri/renderD")


@frozen
class Process:
    """One living process, as its ``stat`` shows it (proc(5)).

    Attributes:
        session: number of its session's first process.
        name: ``comm``, at most 15 characters.
        state: one letter: ``R`` runs, ``S`` sleeps, ``Z`` has ended and waits to be noticed by its parent …
        ended_cpu_time_s: processor time of all its descendants that have ended and were waited for, in steps of
            the kernel's clock tick.
    """

    pid: int
    parent: int
    session: int
    name: str
    state: str
    ended_cpu_time_s: float

    @property
    def ended(self) -> bool:
        """Whether it only waits to be noticed by its parent."""
        return self.state in ("Z", "X")


@cache
def tick_s() -> float:
    """The step in which ``/proc`` counts processor time, usually 10 ms."""
    return 1 / os.sysconf("SC_CLK_TCK")


def process_numbers(proc: Path = PROC) -> tuple[int, ...]:
    """All processes that are shown; none where there is no ``/proc``."""
    try:
        return tuple(sorted(int(name) for name in os.listdir(proc) if name.isdecimal()))
    except OSError:
        return ()


def read_process(pid: int, proc: Path = PROC) -> Process | None:
    """A process; None if it has ended or is not shown."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name, in brackets, may hold spaces and brackets too.
    start, stop = text.find(b"(") + 1, text.rfind(b")")
    # proc(5): field 4 is the parent, 6 the session, 16 and 17 the times of children; the first after the name is 3.
    fields = text[stop + 2 :].split()
    if not start or len(fields) < 15:  # some sandboxes show a file without content
        return None
    ended_ticks = int(fields[13]) + int(fields[14])
    name = text[start:stop].decode(errors="replace")
    return Process(pid, int(fields[1]), int(fields[3]), name, fields[0].decode(), ended_ticks * tick_s())


def open_files(proc: Path = PROC) -> int:
    """How many files this process has open; 0 where that is not shown."""
    for directory in (proc / "self" / "fd", Path("/dev/fd")):
        try:
            return len(os.listdir(directory))
        except OSError:
            continue
    return 0


def processes(proc: Path = PROC) -> Mapping[int, Process]:
    """Every process that can be seen; empty where there is no ``/proc``."""
    readings = (read_process(pid, proc) for pid in process_numbers(proc))
    return {process.pid: process for process in readings if process is not None}


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
    """The roots with all their living descendants; the roots alone where ``/proc`` shows nothing."""
    return frozenset(_with_descendants(roots, processes() if seen is None else seen))


def _with_descendants(roots: Collection[int], seen: Mapping[int, Process]) -> list[int]:
    """The roots, each before what descends from it."""
    children: dict[int, list[int]] = {}
    for process in seen.values():
        children.setdefault(process.parent, []).append(process.pid)
    ordered: dict[int, None] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in ordered:
            ordered[pid] = None
            waiting += children.get(pid, ())
    return list(ordered)


def ancestors(pid: int, proc: Path = PROC) -> tuple[Process, ...]:
    """The process and those above it, up to the first that is not shown."""
    line: dict[int, Process] = {}
    process = read_process(pid, proc)
    while process is not None and process.pid not in line:
        line[process.pid] = process
        process = read_process(process.parent, proc) if process.parent > 0 else None
    return tuple(line.values())


def ordered_tree(roots: Collection[int], proc: Path = PROC) -> tuple[Process, ...]:
    """The roots that are shown with all that descend from them, each before its descendants."""
    seen = processes(proc)
    return tuple(seen[pid] for pid in _with_descendants(roots, seen) if pid in seen)


def hold_gpu(pids: Collection[int], proc: Path = PROC) -> bool | None:
    """Whether one of the processes has the device file of a GPU open; None if that of none of them is shown."""
    shown = False
    for pid in pids:
        try:
            if any(str(link.readlink()).startswith(_GPU_FILES) for link in (proc / str(pid) / "fd").iterdir()):
                return True
            shown = True
        except OSError:  # ended, or another user's
            continue
    return False if shown else None
