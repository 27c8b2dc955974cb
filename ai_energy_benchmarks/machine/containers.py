"""The processes behind a port forwarder of containers: those that listen in the container's network namespace."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

from ai_energy_benchmarks.machine.listeners import owners, sockets_on
from ai_energy_benchmarks.machine.processes import process_numbers, processes, tree
from ai_energy_benchmarks.machine.programs import Program, argument


def behind(forwarder: Program, proc: Path) -> tuple[int, ...]:
    """The processes that listen at the other end, or all of its container where that is not shown; empty if unknown."""
    address, port = argument(forwarder, "container-ip"), argument(forwarder, "container-port")
    if address is not None:
        inside = [pid for pid in process_numbers(proc) if _has_address(proc / str(pid) / "net", address)]
    else:
        inside = _in_namespace(_namespace_of(forwarder, proc), proc)
    wanted = int(port) if port is not None and port.isdecimal() else None
    return _listeners(inside, wanted, proc) if inside else ()


def _listeners(inside: Collection[int], port: int | None, proc: Path) -> tuple[int, ...]:
    net = proc / str(min(inside)) / "net"
    inodes = sockets_on(net, port)
    if not inodes:
        return ()
    # Another user's sockets are not shown; which processes share the container's network is.
    return owners(inodes, proc, inside) or tuple(sorted(inside))


def _has_address(net: Path, address: str) -> bool:
    """Whether a network namespace has this address: ``fib_trie`` lists those of its own as ``host LOCAL``."""
    try:
        wanted = ipaddress.ip_address(address)
        if wanted.version == 6:
            rows = (net / "if_inet6").read_text().split()
            return wanted.packed.hex() in rows
        lines = (net / "fib_trie").read_text().splitlines()
    except (OSError, ValueError):
        return False
    return any(line.split()[-1:] == [str(wanted)] and "host LOCAL" in below for line, below in pairwise(lines))


def _namespace_of(forwarder: Program, proc: Path) -> int | None:
    """Inode of the network namespace that a rootless forwarder serves: of its arguments, or of a child of its own."""
    for word in (argument(forwarder, "netns"), *reversed(forwarder.command[1:])):
        if word is not None and word.isdecimal() and (inode := _inode(proc / word / "ns" / "net")) is not None:
            return inode
        if word is not None and word.startswith("/") and (inode := _inode(Path(word))) is not None:
            return inode
    own = _inode(proc / str(forwarder.pid) / "ns" / "net")
    below = (_inode(proc / str(pid) / "ns" / "net") for pid in sorted(tree([forwarder.pid], processes(proc))))
    return next((inode for inode in below if inode not in (None, own)), None)


def _in_namespace(inode: int | None, proc: Path) -> list[int]:
    pids = process_numbers(proc) if inode is not None else ()
    return [pid for pid in pids if _inode(proc / str(pid) / "ns" / "net") == inode]


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
