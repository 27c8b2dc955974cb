"""Which processes the numbers of a driver mean, where PID namespaces count them differently."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ai_energy_benchmarks.machine.processes import PROC, processes, tree

# The kernel gives the first PID namespace this inode (PROC_PID_INIT_INO of include/linux/proc_ns.h).
_FIRST_PID_NAMESPACE = 0xEFFFFFFC


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
