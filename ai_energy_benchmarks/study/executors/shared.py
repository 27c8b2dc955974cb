"""The executor of one machine where cells of one block share a process, in which the model stays loaded.

A cell in such a process is no repetition of loading: what one load happened to get (memory layout, chosen kernels) is
in all cells of its block, as in a split-plot design.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from types import TracebackType

from attrs import define, field

from ai_energy_benchmarks.study.commands import MARK_VARIABLE
from ai_energy_benchmarks.study.executors.base import STOPPED, CellEnd, CellRun, How, Stop
from ai_energy_benchmarks.study.executors.local import FINISH, LOOK_S, Child, Exit, Limits, end, tell

_GRACE_S = 30.0


@define
class SharedExecutor:
    """Runs cells one after the other; those in a row with the same block in one process, others each in its own.

    Attributes:
        grace_s: as of the executor with a process for each cell.
    """

    grace_s: float = _GRACE_S
    _worker: Worker | None = None

    def __enter__(self) -> SharedExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def run(self, cells: Iterator[CellRun], stop: Stop) -> Iterator[CellEnd]:
        for cell in cells:
            if self._worker is not None and (self._worker.block != cell.block or not self._worker.ready()):
                self._leave()
            if not cell.block:
                child = Child(cell, self.grace_s)
                yield child.run(stop)
                if child.interrupt is not None:
                    raise child.interrupt
                continue
            if self._worker is None:
                self._worker = Worker(cell, self.grace_s)
            ended = self._worker.run(cell, stop)
            interrupt = self._worker.interrupt
            if not self._worker.ready():
                self._leave()
            yield ended
            if interrupt is not None:
                raise interrupt
        self._leave()

    def _leave(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


@define
class Worker:
    """One shared process; it begins with the environment of its first cell.

    Attributes:
        first: the cell that it is started for.
        interrupt: what cut a wait short.
    """

    first: CellRun
    grace_s: float
    interrupt: KeyboardInterrupt | None = None
    _mark: str = field(factory=lambda: secrets.token_hex(16))
    _process: subprocess.Popen[bytes] = field(init=False)
    _report: int = field(init=False)
    _usable: bool = True

    def __attrs_post_init__(self) -> None:
        self._report, inner = os.pipe()
        with self.first.log.open("ab", buffering=0) as log:
            self._process = subprocess.Popen(
                [*self.first.shared_command, str(inner)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(inner,),
                start_new_session=True,
                env={**self.first.variables(os.environ), MARK_VARIABLE: self._mark},
            )
        os.close(inner)

    @property
    def block(self) -> str:
        """That of all its cells."""
        return self.first.block

    def ready(self) -> bool:
        """Whether it can run another cell."""
        return self._usable and self._process.poll() is None

    def run(self, cell: CellRun, stop: Stop) -> CellEnd:
        """Hand it a cell and wait until that has ended; it is ended where the cell goes beyond a limit."""
        begun_s = time.monotonic()
        how: How = "exited"
        reason, code = "", None
        tell(self._process, json.dumps([cell.command[-1], str(cell.log)]).encode() + b"\n")
        try:
            how, reason, code = self._wait(cell, stop, begun_s)
        except KeyboardInterrupt as interrupt:
            self.interrupt, how, reason = interrupt, "interrupted", STOPPED
        if how != "exited" or code != 0:
            self._usable = False
            end(self._process, self._mark, self.grace_s)
        return CellEnd(
            cell, how, self._process.returncode if code is None else code, time.monotonic() - begun_s, reason
        )

    def _wait(self, cell: CellRun, stop: Stop, begun_s: float) -> tuple[How, str, int | None]:
        limits, asked = Limits(cell, self._process.pid, begun_s), False
        with Exit(self._process) as exit_of:
            while True:
                gone = exit_of.within(LOOK_S, [self._report])
                if (code := self._reported()) is not None or gone:
                    break
                if stop.finish and not asked:
                    asked = True
                    tell(self._process, FINISH)
                if (broken := limits.broken()) is not None:
                    return *broken, None
        if asked and code:
            return "interrupted", "the study was asked to stop after the trial", code
        return "exited", "", code

    def _reported(self) -> int | None:
        """The exit code of the cell, if it has ended."""
        os.set_blocking(self._report, False)
        try:
            line = os.read(self._report, 64)
        except BlockingIOError:
            return None
        return int(line) if line.strip() else None

    def close(self) -> None:
        """End it with all that it started."""
        end(self._process, self._mark, self.grace_s)
        os.close(self._report)
