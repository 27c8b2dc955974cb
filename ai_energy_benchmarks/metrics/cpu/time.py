"""Processor time that grows with the workload: of a tree of processes, or of the whole machine."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from ai_energy_benchmarks.errors import CollectorError, reason_of
from ai_energy_benchmarks.machine import processes
from ai_energy_benchmarks.machine.cpu_times import machine_times

# Some kernels count the work of a tick, or of a processor that was asleep, later than it was done.
_COUNTED_LATE_S = 0.1


class CpuTime(Protocol):
    """A source of processor time.

    Attributes:
        slack_s: how far below the truth a reading may be.
        busy: whether there is anything to read at all; if not, there is no need to hurry.
    """

    slack_s: float
    busy: bool

    def read_s(self) -> float:
        """Seconds so far, from any origin."""
        ...


class TreeTime:
    """Time of processes and all their descendants, without that of this process itself.

    Of the living ones the kernel reports nanoseconds; what has ended and was waited for moves to the parent's sum,
    so that nothing is counted twice and nothing is lost but what was not waited for.
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
    """Busy time of all processors together; reading it raises ``CollectorError`` where it is not shown.

    Attributes:
        stolen_s: time that the host had taken from them at the last reading. The kernel counts busy time by ticks,
            of which some are lost where a processor is taken away: busy time is uncertain by as much.
    """

    def __init__(self, proc: Path = processes.PROC) -> None:
        self._proc = proc
        self.stolen_s = 0.0
        self.slack_s = 5 * processes.tick_s()  # five sums, each cut to the tick below
        self.busy = True

    def read_s(self) -> float:
        try:
            times = machine_times(self._proc)
        except (OSError, ValueError) as error:
            raise CollectorError(
                f"{self._proc / 'stat'}, the processor time of the machine, cannot be read: {reason_of(error)}",
                remedy="let this process read that file",
            ) from error
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
                f"cpu_share: cgroup {self._file.parent} shows no processor time: {error}",
                remedy="name a directory of control groups version 2 under /sys/fs/cgroup that has a cpu.stat",
            ) from error


class Growth:
    """Makes one never-falling sum of sources that follow each other.

    A reading of a tree is not atomic: a process that ends in the middle of it is missed once. So a fall is
    believed only when it is seen twice. A rise by more than all processors can work in the time is a process that
    came with a past, or a counter that was set: it is not added.

    Args:
        processors: how many can work at once; None if nothing is known of it.

    Attributes:
        breaks_s: begin and end of the times in which processor time was lost or made up.
    """

    def __init__(self, source: CpuTime, processors: int | None = None) -> None:
        self.source = source
        self.breaks_s: list[tuple[float, float]] = []
        self._processors = math.inf if processors is None else processors
        self._level_s = 0.0
        self._last_s = time.perf_counter()
        self._origin_s = source.read_s()
        self._fell = False

    def follow(self, source: CpuTime) -> None:
        """Go on with another source from the level reached."""
        self._level_s = self.read_s()
        self.source, self._last_s = source, time.perf_counter()
        self._origin_s, self._fell = source.read_s() - self._level_s, False

    def read_s(self) -> float:
        """The level now, from 0."""
        begin_s = time.perf_counter()
        rise_s = self.source.read_s() - self._origin_s - self._level_s
        end_s = time.perf_counter()
        if rise_s > self._processors * (end_s - self._last_s + _COUNTED_LATE_S) + self.source.slack_s:
            self._break(rise_s, end_s)
        elif rise_s >= 0:
            self._level_s += rise_s
        elif isinstance(self.source, CgroupTime):  # the kernel's sum never falls: the group began again
            self._break(rise_s, end_s)
        elif not self._fell:
            self._fell = True
            return self._level_s
        else:
            self._origin_s += rise_s
        self._fell, self._last_s = False, begin_s
        return self._level_s

    def _break(self, rise_s: float, end_s: float) -> None:
        self.breaks_s.append((self._last_s, end_s))
        self._origin_s += rise_s

    def broken_within(self, start_s: float, stop_s: float) -> bool:
        """Whether processor time was lost or made up at some time that the window may hold."""
        return any(begin_s <= stop_s and end_s >= start_s for begin_s, end_s in self.breaks_s)


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
