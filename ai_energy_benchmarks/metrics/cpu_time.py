"""Processor time that grows with the workload: of a tree of processes, or of the whole machine."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics import processes


class CpuTime(Protocol):
    """A source of processor time.

    Attributes:
        slack_s: how far below the truth a reading may be.
        busy: whether there is anything to read at all; if not, nobody needs to hurry.
    """

    slack_s: float
    busy: bool

    def read_s(self) -> float:
        """Seconds so far, from any origin."""
        ...


class TreeTime:
    """Time of processes and all their descendants, without that of this process itself.

    Of the living ones the kernel tells nanoseconds; what has ended and was waited for moves to the parent's sum,
    so that nothing is counted twice and nothing is lost but what nobody waited for.
    """

    def __init__(self, roots: Collection[int]) -> None:
        self._roots = tuple(roots)
        # What has ended is told in two sums, each cut to the tick below.
        self.slack_s = 2 * processes.tick_s() if processes.PROC.is_dir() else 0.0
        self.busy = False

    def read_s(self) -> float:
        seen = processes.processes()
        pids = processes.tree(self._roots, seen)
        others = (pids & seen.keys()) - {os.getpid()}
        ended_s = sum(seen[pid].ended_cpu_time_s for pid in others)
        living_s = [processes.cpu_time_s(pid) for pid in others]
        self.busy = bool(others)
        if os.getpid() in pids:
            own = os.times()
            ended_s += own.children_user + own.children_system
        return ended_s + sum(each_s for each_s in living_s if each_s is not None)


class MachineTime:
    """Busy time of all processors together.

    Attributes:
        stolen_s: time that the host had taken from them at the last reading. The kernel counts busy time by ticks,
            of which some are lost where a processor is taken away: busy time is uncertain by as much.
    """

    def __init__(self) -> None:
        self.stolen_s = 0.0
        self.slack_s = 5 * processes.tick_s()  # five sums, each cut to the tick below
        self.busy = True

    def read_s(self) -> float:
        times = processes.machine_times()
        self.stolen_s = times.stolen_s
        return times.work_s + times.interrupts_s


class CgroupTime:
    """Time of all processes of a control group and the groups in it (version 2 of the kernel's interface).

    Raises:
        CollectorError: the directory has no ``cpu.stat`` with that time.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / "cpu.stat"
        self.slack_s = 0.0  # whole microseconds
        self.busy = True

    def read_s(self) -> float:
        try:
            words = self._file.read_text(encoding="ascii").split()
            return int(words[words.index("usage_usec") + 1]) * 1e-6
        except (OSError, ValueError, IndexError) as error:
            raise CollectorError(
                f"cpu_share: cgroup {self._file.parent} tells no processor time: {error}",
                remedy="name a directory of control groups version 2 under /sys/fs/cgroup that has a cpu.stat",
            ) from error


class Growth:
    """Makes one never-falling sum of sources that follow each other.

    A reading of a tree is not atomic: a process that ends in the middle of it is missed once. So a fall is
    believed only when it is seen twice.
    """

    def __init__(self, source: CpuTime) -> None:
        self.source = source
        self._level_s = 0.0
        self._origin_s = source.read_s()
        self._fell = False

    def follow(self, source: CpuTime) -> None:
        """Go on with another source from the level reached."""
        self._level_s = self.read_s()
        self.source, self._origin_s, self._fell = source, source.read_s() - self._level_s, False

    def read_s(self) -> float:
        """The level now, from 0."""
        level_s = self.source.read_s() - self._origin_s
        if level_s >= self._level_s:
            self._level_s, self._fell = level_s, False
        elif self._fell:
            self._origin_s += level_s - self._level_s
            self._fell = False
        else:
            self._fell = True
        return self._level_s


class OwnTime:
    """Time of this process, cheap enough for a mark; stands still while the process does not count."""

    def __init__(self) -> None:
        self._origin_s = time.process_time()
        self._still_s: float | None = None

    def count(self, counts: bool) -> None:
        """Go on, or stand still, from the level reached."""
        level_s = self.read_s()
        self._still_s = None if counts else level_s
        self._origin_s = time.process_time() - level_s

    def read_s(self) -> float:
        """The level now, from 0."""
        return time.process_time() - self._origin_s if self._still_s is None else self._still_s
