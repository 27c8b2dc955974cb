"""Ending a process with everything that it has started, also what has cut itself loose from it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ai_energy_benchmarks.machine.processes import PROC, processes, tree

# In the environment of every process of one cell: children of children inherit it, whatever their parent is by then.
MARK_VARIABLE = "AEB_CELL_MARK"
_KILLED_CAP_S = 5.0


def marked(mark: str, proc: Path = PROC) -> frozenset[int]:
    """The living processes of this user that have the mark in their environment (proc(5), ``/proc/pid/environ``)."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found = set()
    for pid in processes(proc):
        with suppress(OSError):
            if wanted in (proc / str(pid) / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    return frozenset(found - {os.getpid()})


def kill_tree(root: int, mark: str) -> frozenset[int]:
    """Kill a process, its descendants and all that have the mark, until none is left; those that were killed."""
    killed: set[int] = set()
    until_s = time.monotonic() + _KILLED_CAP_S
    # Again, since a process may have been started while the others were listed.
    while alive := _alive({*tree([root]), *marked(mark)}):
        for pid in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= alive
        if time.monotonic() > until_s:
            break
        time.sleep(0.01)
    return frozenset(killed)


def _alive(pids: Collection[int]) -> set[int]:
    return {pid for pid in pids if _runs(pid)}


def _runs(pid: int) -> bool:
    """Whether a process is more than an entry that its parent has not read yet (state Z or X, proc(5))."""
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return False
    return text[text.rindex(b")") + 2 : text.rindex(b")") + 3] not in (b"Z", b"X")
