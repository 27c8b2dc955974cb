"""The executor of one machine: every cell is a child process, one after the other."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO

from attrs import define, field

from ai_energy_benchmarks.machine.launched import Launched
from ai_energy_benchmarks.study.commands import MARK_VARIABLE
from ai_energy_benchmarks.study.executors.base import STOPPED, CellEnd, CellRun, How, Stop
from ai_energy_benchmarks.study.executors.silence import Silence
from ai_energy_benchmarks.study.outside import end_detached

# What a child reads as "finish the trial and stop"; the end of its standard input means "stop now".
FINISH = b"finish\n"
# How often a limit or a wish of the user is looked for; the end of a child is noticed at once.
LOOK_S = 0.5
_INTERRUPTED_S = 30.0
_KILLED_PATIENCE_S = 10.0


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
                left = end(process, self._mark, self.grace_s)
                if how != "exited" or process.returncode:  # else the container has ended with its command
                    end_detached(self.cell.detached)
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
            cwd=self.cell.working_directory,
            env={**self.cell.variables(os.environ), MARK_VARIABLE: self._mark},
        )

    def _wait(self, process: subprocess.Popen[bytes], stop: Stop, begun_s: float) -> tuple[How, str]:
        limits = Limits(self.cell, process.pid, begun_s)
        with Exit(process) as exit_of:
            while not exit_of.within(LOOK_S):
                if stop.finish and not self._asked:
                    self._asked = True
                    tell(process, FINISH)
                if (broken := limits.broken()) is not None:
                    return broken
        return "exited", ""


def end(process: subprocess.Popen[bytes], mark: str, grace_s: float) -> int:
    """Close its standard input, which means "stop now", wait a while, then kill; how many were left over."""
    assert process.stdin is not None
    with suppress(OSError):  # it has just ended, with what was written to it unread
        process.stdin.close()
    started = Launched(mark, process.pid, variable=MARK_VARIABLE)
    try:
        process.wait(grace_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a further Ctrl-C waits for nothing
        started.end(patience_s=0.0)
        with suppress(subprocess.TimeoutExpired):  # one that hangs in a driver ends when that lets it go
            process.wait(_KILLED_PATIENCE_S)
    return len(started.end(patience_s=0.0)) if started.members() else 0


def tell(process: subprocess.Popen[bytes], line: bytes) -> None:
    """Write a line to the standard input of a child, if it still reads."""
    assert process.stdin is not None
    with suppress(OSError):  # it has just ended
        process.stdin.write(line)
        process.stdin.flush()


@define
class Limits:
    """How long a cell may take, and how long it may do nothing."""

    cell: CellRun
    pid: int
    begun_s: float
    _silence: Silence = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._silence = Silence(self.cell, self.pid)

    def broken(self) -> tuple[How, str] | None:
        """How a cell is ended that goes beyond one of them, and why; None while it does not."""
        limit_s, silence_s = self.cell.timeout_s, self.cell.silence_s
        if limit_s is not None and time.monotonic() - self.begun_s > limit_s:
            return "timed out", f"it took longer than execution.timeout_s ({limit_s:g} s)"
        if silence_s is not None and self._silence.lasts(silence_s):
            return "silent", f"it did nothing for execution.silence_s ({silence_s:g} s)"
        return None


@define
class Exit:
    """``with`` around waiting for a child: wakes when it ends, and otherwise as rarely as it is asked to."""

    process: subprocess.Popen[bytes]
    _descriptor: int | None = None

    def __enter__(self) -> Exit:
        try:
            self._descriptor = os.pidfd_open(self.process.pid)
        except (AttributeError, OSError):  # no Linux, or an old one
            self._descriptor = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def within(self, seconds: float, further: Sequence[int] = ()) -> bool:
        """Whether the child ends in so many seconds; returns earlier if one of further descriptors can be read."""
        if self._descriptor is not None:
            select.select([self._descriptor, *further], [], [], seconds)
            return self.process.poll() is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
