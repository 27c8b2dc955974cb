"""Processes of this machine, their descendants and their processor time, from ``/proc`` where there is one."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from attrs import frozen

PROC = Path("/proc")
# Device files of GPUs: NVIDIA's, AMD's, and the kernel's own for rendering and computing.
_GPU_FILES = ("/dev/nvidia", "/dev/kfd", "/dev/dri/renderD")
# The kernel gives the first PID namespace this inode (PROC_PID_INIT_INO of include/linux/proc_ns.h).
_FIRST_PID_NAMESPACE = 0xEFFFFFFC


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


def listed_as(roots: Collection[int], listed: Collection[int], proc: Path = PROC) -> frozenset[int] | None:
    """Which entries of a driver's process list are the roots or their descendants.

    Drivers count processes in one of two ways. Older ones use the numbers of the host wherever they are asked
    (github.com/NVIDIA/nvidia-docker/issues/1483). Newer ones translate them into the PID namespace of the caller and
    leave out what that cannot see (``gpuGetProcWithObject`` and ``osFindNsPid`` of NVIDIA's open kernel modules).

    Args:
        roots: process ids as this process counts them.
        listed: the numbers of the driver.

    Returns:
        Those of ``listed``; None where the numbers cannot be matched with the processes that are visible here.
    """
    seen, wanted = processes(proc), frozenset(listed)
    if not seen:
        return None
    shown = _shown_as(seen, proc)
    own = tree([shown.get(pid, pid) for pid in roots], seen)
    if counts_as_host(proc):
        return frozenset(number for number in wanted if number in own or shown.get(number) in own)
    return wanted & own if wanted <= seen.keys() else None


def counts_as_host(proc: Path = PROC) -> bool:
    """Whether ``/proc`` shows all processes of the machine, under the numbers of the host."""
    try:
        if (proc / "self" / "ns" / "pid").stat().st_ino == _FIRST_PID_NAMESPACE:
            return True
        # The host's /proc in a container: only the first namespace has the kernel's threads, of which 2 is the parent.
        return (proc / "2" / "comm").read_text().strip() == "kthreadd"
    except OSError:
        return False


def _shown_as(seen: Collection[int], proc: Path) -> Mapping[int, int]:
    """Number in this process's own PID namespace → number in ``/proc``; empty where the two are the same.

    They differ where the ``/proc`` of an outer namespace is mounted, as that of the host in a container.
    """
    own = _namespaced("self", proc)
    if len(own) < 2:
        return {}
    here = _namespace("self", proc)
    inner = {pid: _namespaced(str(pid), proc) for pid in seen if _namespace(str(pid), proc) == here}
    return {numbers[-1]: pid for pid, numbers in inner.items() if len(numbers) == len(own)}


def _namespaced(name: str, proc: Path) -> tuple[int, ...]:
    """A process's numbers in the PID namespaces from that of ``/proc`` to its own (``NSpid``, proc(5))."""
    try:
        lines = (proc / name / "status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ()
    return next((tuple(map(int, line.split()[1:])) for line in lines if line.startswith("NSpid:")), ())


def _namespace(name: str, proc: Path) -> int | None:
    try:
        return (proc / name / "ns" / "pid").stat().st_ino
    except OSError:
        return None


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
