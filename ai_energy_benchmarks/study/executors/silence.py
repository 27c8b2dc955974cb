"""Whether a child does anything at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from ai_energy_benchmarks.machine.processes import cpu_time_s, tree
from ai_energy_benchmarks.study.executors.base import CellRun
from ai_energy_benchmarks.study.outside import first_process

# A process that uses less than this share of a processor, prints nothing and writes nothing does nothing.
_BUSY_SHARE = 0.01


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
        if self._processor_time_s() - self._used_s >= _BUSY_SHARE * quiet_s:
            self._begin_again(now_s, traces)
            return False
        return True

    def _begin_again(self, now_s: float, traces: tuple[float, int]) -> None:
        self._since_s, self._traces, self._used_s = now_s, traces, self._processor_time_s()

    def _processor_time_s(self) -> float:
        roots = {self.pid, first_process(self.cell.detached) or self.pid}
        return sum(cpu_time_s(each) or 0.0 for each in tree(roots))


def _traces(log: Path, directory: Path) -> tuple[float, int]:
    """When a file of the cell was last written, and how large all are."""
    newest_s, size_bytes = 0.0, 0
    for path in (log, *_under(directory)):
        try:
            facts = path.stat()
        except OSError:  # removed meanwhile
            continue
        newest_s, size_bytes = max(newest_s, facts.st_mtime), size_bytes + facts.st_size
    return newest_s, size_bytes


def _under(directory: Path) -> Iterator[Path]:
    """Folders and files below, whichever the child makes or removes meanwhile: walking on skips what has gone."""
    for folder, _, names in os.walk(directory):
        yield Path(folder)
        yield from (Path(folder, name) for name in names)
