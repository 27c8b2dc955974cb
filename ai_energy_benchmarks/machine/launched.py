"""All processes of something that was started here, and their end: also those in a session or a group of their own.

They are found by a variable in their environment, which every descendant inherits; by the control group, where there is
one; by the process group of the first; and as descendants of all these.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.machine.control_group import group_members, remove_group
from ai_energy_benchmarks.machine.processes import processes, tree
from ai_energy_benchmarks.machine.programs import environment_of

MARKER = "AEB_LAUNCHED"
_LOOK_S = 0.05
# What is killed is gone at once, unless a driver holds it.
_KILL_PATIENCE_S = 10.0
# A process that was just being started is not seen yet; so often must nobody be found.
_LOOKS = 3


@frozen
class Launched:
    """What was started with a mark in its environment, under the name ``variable``.

    Attributes:
        mark: a value that no other process has there.
        first: the first process, which leads its process group; None if it never started.
        group: a control group of theirs.
        variable: another name where what is started may itself start something that it marks.
    """

    mark: str
    first: int | None = None
    group: Path | None = None
    variable: str = MARKER

    def members(self) -> frozenset[int]:
        """Those that live; without ``/proc``, none but by the control group."""
        alive = processes()
        marked = {pid for pid in alive if environment_of(pid).get(self.variable) == self.mark}
        roots = marked | group_members(self.group)
        roots |= {each.pid for each in alive.values() if self.first in (each.pid, each.session)}
        below = tree(roots, alive)
        return frozenset(pid for pid in below if pid in alive and pid != os.getpid() and not alive[pid].ended)

    def end(self, patience_s: float) -> frozenset[int]:
        """Ask all to end, wait, then kill until none is left; with no patience they are killed at once.

        Returns:
            Those that were killed.
        """
        limit_s = time.monotonic() + patience_s
        asked: set[int] = set()
        while (members := self.members()) and time.monotonic() < limit_s:
            _send(members - asked, signal.SIGTERM)
            asked |= members
            time.sleep(_LOOK_S)
        killed: set[int] = set()
        limit_s, looks = time.monotonic() + _KILL_PATIENCE_S, 0
        while looks < _LOOKS and time.monotonic() < limit_s:
            members = self.members()
            looks = 0 if members else looks + 1
            _send(members, signal.SIGKILL)
            killed |= members
            time.sleep(_LOOK_S)
        if self.first is not None:
            with suppress(OSError):
                os.killpg(self.first, signal.SIGKILL)  # where there is no /proc
        remove_group(self.group)
        return frozenset(killed)


def _send(pids: frozenset[int] | set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)
