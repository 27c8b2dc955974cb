"""Which process of this machine serves a port, and what belongs to it, read from /proc; elsewhere nothing is known."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ai_energy_benchmarks.machine.processes import PROC, ancestors, process_numbers
from ai_energy_benchmarks.machine.programs import read_program

_LISTENING = "0A"
# They start nothing but the processes of one engine, each in a session of its own or not.
_LAUNCHERS = frozenset(("raylet", "text-generation-launcher"))


def sockets_on(net: Path, port: int | None, *, loopback: bool = False) -> frozenset[str]:
    """Inodes of the TCP sockets that listen on a port, in the network namespace of a ``/proc/…/net``.

    Args:
        port: None for any port.
        loopback: only those that answer under a loopback address.
    """
    return frozenset(inode for table in ("tcp", "tcp6") for inode in _listening(net / table, port, loopback))


def _listening(table: Path, port: int | None, loopback: bool) -> Iterator[str]:
    """Socket inodes of the rows that listen (columns as in proc(5))."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        columns = line.split()
        if len(columns) <= 9 or columns[3] != _LISTENING:
            continue
        address, _, number = columns[1].rpartition(":")
        if port in (None, int(number, 16)) and (not loopback or _answers_here(address)):
            yield columns[9]


def _answers_here(address: str) -> bool:
    """Whether a socket bound to this address (words of 32 bits in the machine's order) answers under a loopback one."""
    words = [bytes.fromhex(address[i : i + 8]) for i in range(0, len(address), 8)]
    raw = b"".join(word[::-1] for word in words) if sys.byteorder == "little" else b"".join(words)
    bound = ipaddress.ip_address(raw)
    mapped = bound.ipv4_mapped if isinstance(bound, ipaddress.IPv6Address) else None
    return (mapped or bound).is_loopback or (mapped or bound).is_unspecified


def owners(inodes: Collection[str], proc: Path = PROC, among: Collection[int] | None = None) -> tuple[int, ...]:
    """Processes that hold one of the sockets, as far as this user may see it."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    pids = process_numbers(proc) if among is None else sorted(among)
    return tuple(pid for pid in pids if wanted and _holds(proc / str(pid) / "fd", lambda link: link in wanted))


def _holds(descriptors: Path, wanted: Callable[[str], bool]) -> bool:
    try:
        return any(wanted(str(link.readlink())) for link in descriptors.iterdir())
    except OSError:  # gone meanwhile, or another user's
        return False


def with_parent(pid: int, proc: Path = PROC, client: int | None = None) -> int:
    """The process, or its parent where that belongs to the same server.

    A router or a worker is often a child of a launcher that has the other workers as children too
    (text-generation-launcher, raylet). Another parent in the same session and control group is taken for one, unless it
    starts programs of any kind, as a shell does, or has started the client too.

    Args:
        client: the process that measures; this one if not given.
    """
    process = read_program(pid, proc)
    parent = read_program(process.parent, proc) if process is not None and process.parent > 1 else None
    if process is None or parent is None or parent.starts_anything:
        return pid
    if parent.names & _LAUNCHERS:
        return parent.pid
    if parent.session != process.session or _control_group(parent.pid, proc) != _control_group(pid, proc):
        return pid
    above = {process.pid for process in ancestors(os.getpid() if client is None else client, proc)}
    return pid if parent.pid in above else parent.pid


def _control_group(pid: int, proc: Path) -> str | None:
    try:
        return (proc / str(pid) / "cgroup").read_text()
    except OSError:
        return None
