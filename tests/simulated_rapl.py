"""A RAPL directory whose counter follows the processor time of a study's cells, on machines that have no meter.

It is a stand-in: idle power and energy per second of processor time are constants, so that the cheapest cell is the one
whose tokens take the least processor time, whatever else the machine does.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from ai_energy_benchmarks.machine.processes import cpu_time_s, processes
from ai_energy_benchmarks.study.commands import MARK_VARIABLE

IDLE_W = 3.0
J_PER_CPU_S = 15.0
_TICK_S = 0.002
_LOOK_S = 0.25
_RANGE_UJ = 262143328850  # as of a package of a server


class SimulatedRapl:
    """``with`` one of them the counter runs; cells are known by the study's own variable in their environment."""

    def __init__(self, directory: Path, variable: str) -> None:
        self.root, self._wanted, self._stop = directory, variable.encode(), Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._seen_s: dict[int, float] = {}

    def __enter__(self) -> SimulatedRapl:
        zone = self.root / "intel-rapl:0"
        zone.mkdir(parents=True)
        (zone / "name").write_text("package-0\n")
        (zone / "max_energy_range_uj").write_text(f"{_RANGE_UJ}\n")
        (zone / "energy_uj").write_text(f"{0:020d}\n")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        file = os.open(self.root / "intel-rapl:0" / "energy_uj", os.O_WRONLY)
        energy_j, before_s, looked_s = 0.0, time.monotonic(), 0.0
        while not self._stop.wait(_TICK_S):
            now_s = time.monotonic()
            if now_s - looked_s > _LOOK_S:
                self._look()
                looked_s = now_s
            energy_j += IDLE_W * (now_s - before_s) + J_PER_CPU_S * self._used_s()
            before_s = now_s
            os.pwrite(file, f"{int(energy_j * 1e6):020d}\n".encode(), 0)
        os.close(file)

    def _look(self) -> None:
        for pid in processes():
            if pid not in self._seen_s:
                with suppress(OSError):
                    variables = Path(f"/proc/{pid}/environ").read_bytes()
                    if MARK_VARIABLE.encode() in variables and self._wanted in variables:
                        self._seen_s[pid] = cpu_time_s(pid) or 0.0

    def _used_s(self) -> float:
        """Processor time that the cells have used since the last call."""
        used_s = 0.0
        for pid, before_s in list(self._seen_s.items()):
            now_s = cpu_time_s(pid)
            if now_s is None:
                del self._seen_s[pid]
            else:
                used_s += now_s - before_s
                self._seen_s[pid] = now_s
        return used_s


if __name__ == "__main__":
    with SimulatedRapl(Path(sys.argv[1]), sys.argv[2]):
        sys.stdin.read()
