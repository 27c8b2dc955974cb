"""Whether the processes found behind a port are those that do the engine's work.

The process that listens may be a router or a proxy that is not known as one, with the workers next to it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.power import Device, Mark, Workload
from ai_energy_benchmarks.machine.hardware import nvidia_gpus
from ai_energy_benchmarks.machine.processes import PROC, hold_gpu, name_of, processes, tree
from ai_energy_benchmarks.metrics.cpu.time import CpuTime, MachineTime
from ai_energy_benchmarks.metrics.recording import Recorder

_OTHERS = Device("cpu", "machine-without-client", "all processes but this one")
_LOOK_BACK_S = 5.0
# Below this part of what the machine worked, the processes are taken for a router; but only where the others worked
# at least so many processors' time, which no service in the background does.
_LEAST_SHARE = 0.10
_OTHERS_BUSY = 0.5
# The kernel counts processor time in ticks of 10 ms: a shorter window proves no work.
_SHORTEST_S = 0.2


def no_gpu_held(workload: Workload, proc: Path = PROC, dev: Path = Path("/dev")) -> str | None:
    """Why the processes cannot be the engine's: its GPUs are known, and none of the processes has one open."""
    if not (workload.board_ids or workload.device_ids) or not nvidia_gpus(dev):
        return None
    if hold_gpu(tree(workload.process_ids, processes(proc)), proc) is not False:
        return None
    return f"{_named(workload, proc)} listens on the port and holds no GPU: the engine's processes are others"


class WorkerDoubts:
    """Sets the processes' time against that of the machine; not where they hold a GPU, which only the engine does.

    Processes that did their part of the work in one window are the engine, and are not doubted where they rest in a
    later one while the machine does something else.

    Args:
        machine: how long all processors have been busy.
    """

    def __init__(self, meter: str, workload: Workload, machine: CpuTime | None = None) -> None:
        self._workload = workload
        self._sure = bool(hold_gpu(tree(workload.process_ids)))
        self._machine = machine or MachineTime()
        self._series = Recorder(_OTHERS, "cpu_time_s", meter)
        self._processors = os.cpu_count() or 1
        self._worked = False

    def sample(self) -> None:
        """Look at the machine now."""
        before_s = time.perf_counter()
        busy_s = self._machine.read_s() - time.process_time()
        self._series.add(before_s, time.perf_counter(), busy_s)

    def doubt(self, start: Mark, stop: Mark, own_s: float) -> str | None:
        """Why the processes that listen are not the workers; None if nothing says so."""
        if self._sure or self._worked or os.getpid() in self._workload.process_ids:
            return None
        series = self._series.series(start.time_s - _LOOK_BACK_S)
        _, busy_s, _ = edges.rise(*(edges.fresh(series, mark.time_s, self._processors) for mark in (start, stop)))
        others_s, duration_s = busy_s - own_s, stop.time_s - start.time_s
        self._worked = own_s >= _LEAST_SHARE * max(busy_s, duration_s) and duration_s >= _SHORTEST_S
        if own_s >= _LEAST_SHARE * busy_s or others_s < _OTHERS_BUSY * duration_s:
            return None
        return (
            f"{_named(self._workload, PROC)} listens on the port, but did only {own_s / busy_s:.1%} of this machine's "
            "work: the engine's workers may be other processes; fix: give the port of the engine itself"
        )


def _named(workload: Workload, proc: Path) -> str:
    pid = workload.process_ids[0]
    return f"{name_of(pid, proc)} (process {pid})"
