"""A control group in which all that a process starts stays, whatever it does (cgroups(7), version 2)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ai_energy_benchmarks.machine.processes import PROC
from ai_energy_benchmarks.safety.files import files_below

_MOUNT = Path("/sys/fs/cgroup")


def make_group(name: str, mount: Path = _MOUNT, proc: Path = PROC) -> Path | None:
    """A new group below that of this process; None where none may be made."""
    if not (mount / "cgroup.controllers").exists():
        mount = mount / "unified"  # next to groups of version 1
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
        own = next(line.removeprefix("0::") for line in lines if line.startswith("0::"))
        group = mount / own.lstrip("/") / name
        if not (group.parent / "cgroup.procs").exists():
            return None
        group.mkdir()
    except (OSError, StopIteration):
        return None
    if os.access(group / "cgroup.procs", os.W_OK):
        return group
    remove_group(group)
    return None


def joining(group: Path | None, command: tuple[str, ...]) -> tuple[str, ...]:
    """The command in the group from its first instruction on: a shell joins and becomes the command."""
    if group is None:
        return command
    return ("/bin/sh", "-c", 'echo $$ >"$0" 2>/dev/null; exec "$@"', str(group / "cgroup.procs"), *command)


def group_members(group: Path | None) -> frozenset[int]:
    """Processes in the group and in those below it."""
    found: set[int] = set()
    for file in () if group is None else files_below(group, "cgroup.procs"):
        with suppress(OSError, ValueError):
            found.update(map(int, file.read_text().split()))
    return frozenset(found)


def remove_group(group: Path | None) -> None:
    """Remove an empty group and those below it."""
    if group is None:
        return
    for folder, _, _ in os.walk(group, topdown=False):  # itself last; the kernel's files go with their group
        with suppress(OSError):
            os.rmdir(folder)
