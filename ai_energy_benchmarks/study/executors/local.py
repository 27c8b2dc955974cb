"""The executor of one machine: every cell is a child process, one after the other."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from attrs import define, field

from ai_energy_benchmarks.machine.processes import cpu_time_s, tree
from ai_energy_benchmarks.study.executors.base import STOPPED, CellEnd, CellRun, How, Stop
from ai_energy_benchmarks.study.executors.ending import MARK_VARIABLE, kill_tree, marked

# What a child reads as "finish the trial and stop"; the end of its standard input means "stop now".
FINISH = b"finish\n"
# How often a limit or a wish of the user is looked for; the end of a child is noticed at once.
_LOOK_S = 0.5
# A process that uses less than this share of a processor, prints nothing and writes nothing does nothing.
_BUSY_SHARE = 0.01
_INTERRUPTED_S = 30.0


@define
class LocalExecutor:
    """Runs cells as child processes, each in a session of its own, so that Ctrl-C reaches it through the study only.

    Attributes:
        grace_s: how long a child that was asked to stop may take to write what it has, before it is killed.
    """

    grace_s: float = _INTERRUPTED_S

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def run(self, cells: Iterator[CellRun], stop: Stop) -> Iterator[CellEnd]:
        for cell in cells:
            child = Child(cell, self.grace_s)
            yield child.run(stop)
            if child.interrupt is not None:
                raise child.interrupt


@define
class Child:
    """One child process from its start to its end.

    Attributes:
        interrupt: what cut the wait short; the child was ended then.
    """

    cell: CellRun
    grace_s: float
    interrupt: KeyboardInterrupt | None = None
    _mark: str = field(factory=lambda: secrets.token_hex(16))
    _asked: bool = False

    def run(self, stop: Stop) -> CellEnd:
        """Start it, wait for it, and end it with all that it started."""
        begun_s = time.monotonic()
        self.cell.log.parent.mkdir(parents=True, exist_ok=True)
        how: How = "exited"
        reason = ""
        with self.cell.log.open("ab", buffering=0) as log:
            process = self._start(log)
            try:
                how, reason = self._wait(process, stop, begun_s)
            except KeyboardInterrupt as interrupt:
                self.interrupt, how, reason = interrupt, "interrupted", STOPPED
            finally:
                left = self._end(process)
        if how == "exited" and left:
            reason = f"{left} processes that it had started were still running and were killed"
        if how == "exited" and self._asked and process.returncode:
            how, reason = "interrupted", "the study was asked to stop after the trial"
        return CellEnd(self.cell, how, process.returncode, time.monotonic() - begun_s, reason)

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.cell.command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **self.cell.environment, MARK_VARIABLE: self._mark},
        )

    def _wait(self, process: subprocess.Popen[bytes], stop: Stop, begun_s: float) -> tuple[How, str]:
        silence = Silence(self.cell, process.pid)
        limit_s, silence_s = self.cell.timeout_s, self.cell.silence_s
        with _Exit(process) as exit_of:
            while not exit_of.within(_LOOK_S):
                if stop.finish and not self._asked:
                    self._asked = True
                    self._ask(process)
                if limit_s is not None and time.monotonic() - begun_s > limit_s:
                    return "timed out", f"it took longer than execution.timeout_s ({limit_s:g} s)"
                if silence_s is not None and silence.lasts(silence_s):
                    return "silent", f"it did nothing for execution.silence_s ({silence_s:g} s)"
        return "exited", ""

    def _ask(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(FINISH)
            process.stdin.flush()
        except OSError:  # it has just ended
            return

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        """Close its standard input, which means "stop now", wait a while, then kill; how many were left over."""
        assert process.stdin is not None
        with suppress(OSError):  # it has just ended, with what was written to it unread
            process.stdin.close()
        try:
            process.wait(self.grace_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a further Ctrl-C waits for nothing
            kill_tree(process.pid, self._mark)
            process.wait()
        return len(kill_tree(process.pid, self._mark)) if marked(self._mark) else 0


@define
class Silence:
    """Since when a child has printed nothing, written nothing and used no processor time to speak of."""

    cell: CellRun
    pid: int
    _since_s: float = field(factory=time.monotonic)
    _looked_s: float = 0.0
    _traces: tuple[float, int] = (0.0, 0)
    _used_s: float = 0.0

    def lasts(self, limit_s: float) -> bool:
        """Whether it has lasted for so long; looks at most twenty times in that time."""
        now_s = time.monotonic()
        if now_s - self._looked_s < limit_s / 20:
            return False
        self._looked_s = now_s
        traces = _traces(self.cell.log, self.cell.directory)
        if traces != self._traces:
            self._begin_again(now_s, traces)
            return False
        quiet_s = now_s - self._since_s
        if quiet_s < limit_s:
            return False
        if _processor_time_s(self.pid) - self._used_s >= _BUSY_SHARE * quiet_s:
            self._begin_again(now_s, traces)
            return False
        return True

    def _begin_again(self, now_s: float, traces: tuple[float, int]) -> None:
        self._since_s, self._traces, self._used_s = now_s, traces, _processor_time_s(self.pid)


def _traces(log: Path, directory: Path) -> tuple[float, int]:
    """When a file of the cell was last written, and how large all are."""
    newest_s, size_bytes = 0.0, 0
    for path in (log, *directory.rglob("*")):
        try:
            facts = path.stat()
        except OSError:  # removed meanwhile
            continue
        newest_s, size_bytes = max(newest_s, facts.st_mtime), size_bytes + facts.st_size
    return newest_s, size_bytes


def _processor_time_s(pid: int) -> float:
    return sum(cpu_time_s(each) or 0.0 for each in tree([pid]))


@define
class _Exit:
    """``with`` around waiting for a child: wakes when it ends, and otherwise as rarely as it is asked to."""

    process: subprocess.Popen[bytes]
    _descriptor: int | None = None

    def __enter__(self) -> _Exit:
        try:
            self._descriptor = os.pidfd_open(self.process.pid)
        except (AttributeError, OSError):  # no Linux, or an old one
            self._descriptor = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def within(self, seconds: float) -> bool:
        """Whether the child ends in so many seconds."""
        if self._descriptor is not None:
            select.select([self._descriptor], [], [], seconds)
            return self.process.poll() is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
