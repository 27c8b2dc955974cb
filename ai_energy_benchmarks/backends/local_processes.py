"""Which process of this machine serves a port, read from /proc; elsewhere nothing is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"


def listening_on(port: int, proc: Path = Path("/proc")) -> tuple[int, ...]:
    """Processes with a listening TCP socket on ``port``; empty if none is visible to this user."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening_inodes(proc / "net" / table, port)}
    return tuple(sorted(_owners(proc, inodes))) if inodes else ()


def _listening_inodes(table: Path, port: int) -> Iterator[str]:
    """Socket inodes of the rows that listen on the port (columns as in proc(5))."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        columns = line.split()
        if len(columns) > 9 and columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
            yield columns[9]


def _owners(proc: Path, inodes: set[str]) -> Iterator[int]:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in proc.iterdir():
        if folder.name.isdigit() and _holds(folder / "fd", wanted):
            yield int(folder.name)


def _holds(descriptors: Path, wanted: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in wanted for link in descriptors.iterdir())
    except OSError:  # gone meanwhile, or another user's
        return False
