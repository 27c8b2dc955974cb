"""One meter in a process of its own: opens, takes windows when it is told to, and tells what it cost.

    python metering_child.py ours|zeus|codecarbon

Reads one JSON array a line (``["load"]``, ``["open", {…}]``, ``["window", start_s, stop_s, rest_s]``,
``["cost", seconds]``) and answers each with one line. Needs the standard library and the meter
itself, so that it runs in any environment.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import threading
import time
from typing import Any

J_PER_KWH = 3.6e6
# A meter that moves to another process beside such a thread has had the time to do so.
SETTLING_S = 4.0
MODULES = {"ours": "ai_energy_benchmarks.metrics.nvml.collector", "zeus": "zeus.monitor", "codecarbon": "codecarbon"}
Figure = dict[str, Any]


class Ours:
    """The package's own collector; each window is read with the rest beside it and without."""

    def __init__(self, options: dict[str, Any]) -> None:
        from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector

        self.marks_are_late = options.get("beside") == "loop"
        self.begin_s = time.perf_counter()
        self.collector = NvmlCollector()
        self.collector.__enter__()

    def begin(self) -> None:
        self.start = self.collector.mark()

    def end(self) -> None:
        self.stop = self.collector.mark()

    def mark_at(self, start_s: float, stop_s: float) -> None:
        """Move the marks to where the work begins and ends: a runner whose own thread is late begins it later."""
        from attrs import evolve

        self.start, self.stop = evolve(self.start, time_s=start_s), evolve(self.stop, time_s=stop_s)

    def figures(self, rest_s: float | str) -> list[Figure]:
        """Each board's figure.

        Args:
            rest_s: how long the work rests on both sides, for two figures, with it and without; ``as needed`` rests
                for as long as the collector wants to, as the runner does.
        """
        from attrs import evolve

        if isinstance(rest_s, str):
            return self._rested()
        found = []
        for quiet_s in (rest_s, 0.0) if rest_s else (0.0,):
            if quiet_s:
                time.sleep(quiet_s)
            start, stop = evolve(self.start, quiet_s=quiet_s), evolve(self.stop, quiet_s=quiet_s)
            measurement = self.collector.read(start, stop)
            found += [self._figure(each, measurement) for each in measurement.readings]
        return found

    def _rested(self) -> list[Figure]:
        from attrs import evolve

        start = evolve(self.start, quiet_s=self.collector.guard_s())
        stop = self.stop
        more_s = self.collector.guard_s()
        while more_s > 0:
            stop = evolve(stop, quiet_s=stop.quiet_s + more_s)
            time.sleep(max(0.0, stop.time_s + stop.quiet_s - time.perf_counter()))
            more_s = self.collector.further_rest_s(start, stop)
        measurement = self.collector.read(start, stop)
        return [self._figure(each, measurement) for each in measurement.readings]

    def _figure(self, reading: Any, measurement: Any) -> Figure:
        # By identity, for boards may have been left out; the simulation calls them GPU-0, GPU-1 …
        return {
            "by": reading.estimator,
            "board": int(reading.device.id.rsplit("-", 1)[-1]),
            "energy_j": reading.energy_j,
            "low_j": reading.bounds_j.low,
            "high_j": reading.bounds_j.high,
            "notes": measurement.notes,
            "settled": reading.settled,
            "edges": reading.edges.state if reading.edges else "",
        }


class Zeus:
    """ZeusMonitor with its defaults, without a device to synchronise."""

    def __init__(self, options: dict[str, Any]) -> None:
        from zeus.monitor import ZeusMonitor

        self.begin_s = time.perf_counter()
        self.monitor = ZeusMonitor()

    def begin(self) -> None:
        self.monitor.begin_window("window", sync_execution=False)

    def end(self) -> None:
        self.seen = self.monitor.end_window("window", sync_execution=False)

    def figures(self, rest_s: float) -> list[Figure]:
        return [{"by": "zeus", "board": board, "energy_j": e} for board, e in self.seen.gpu_energy.items()]


class CodeCarbon:
    """CodeCarbon's offline tracker with its tasks; it tells the sum of the boards that it is given."""

    def __init__(self, options: dict[str, Any]) -> None:
        import logging

        logging.getLogger("codecarbon").setLevel(logging.ERROR)
        from codecarbon import OfflineEmissionsTracker

        self.begin_s = time.perf_counter()
        self.tracker = OfflineEmissionsTracker(
            country_iso_code="USA", save_to_file=False, log_level="error", gpu_ids=options.get("boards")
        )
        self.count = 0
        self.begin()  # the first task starts the tracker, which takes seconds
        self.end()

    def begin(self) -> None:
        self.count += 1
        self.tracker.start_task(str(self.count))

    def end(self) -> None:
        self.seen = self.tracker.stop_task(str(self.count))

    def figures(self, rest_s: float) -> list[Figure]:
        if not any(type(each).__name__ == "GPU" for each in self.tracker._hardware):
            raise RuntimeError("it sees no GPU")
        return [{"by": "codecarbon", "board": 0, "energy_j": self.seen.gpu_energy * J_PER_KWH}]


def hold_the_lock() -> None:
    """What a workload in pure Python does to every other thread of its process."""
    number = 0
    while True:
        number += 1


def resident_bytes() -> int:
    """Memory of this process and its children (proc(5))."""
    total = 0
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = file.read().split()
    for pid in ("self", *children):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/statm") as file:
            total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total


def window(meter: Any, start_s: float, stop_s: float, rest_s: float | str) -> dict[str, Any]:
    """One window, at the times given on the monotonic clock."""
    planned_s = start_s, stop_s
    time.sleep(max(0.0, start_s - time.perf_counter()))
    start_s = time.perf_counter()
    meter.begin()
    begun_s = time.perf_counter()
    time.sleep(max(0.0, stop_s - begun_s))
    end_s = time.perf_counter()
    meter.end()
    stop_s = time.perf_counter()
    edges_s = [start_s, begun_s, end_s, stop_s]
    if isinstance(meter, Ours):
        if meter.marks_are_late:
            meter.mark_at(*planned_s)
        edges_s = [meter.start.time_s] * 2 + [meter.stop.time_s] * 2
    return {"edges_s": edges_s, "figures": meter.figures(rest_s)}


def cost(meter: Any, seconds: float) -> dict[str, Any]:
    """Processor time of a window in which nothing happens, and of its two edges."""
    meter.begin()
    cpu_s, start_s = time.process_time(), time.perf_counter()
    time.sleep(seconds)
    share = (time.process_time() - cpu_s) / (time.perf_counter() - start_s)
    meter.end()
    edges_s = []
    for _ in range(30):
        before_s = time.perf_counter()
        meter.begin()
        meter.end()
        edges_s.append(time.perf_counter() - before_s)
    return {"cpu_share": share, "edges_s": sorted(edges_s)[15], "memory_bytes": resident_bytes()}


def main(name: str) -> None:
    """Answer the commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the meter prints goes elsewhere
    kind = {"ours": Ours, "zeus": Zeus, "codecarbon": CodeCarbon}[name]
    meter: Any = None
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        answer: dict[str, Any]
        try:
            if command == "load":  # what takes seconds and reads no board
                importlib.import_module(MODULES[name])
                answer = {}
            elif command == "open":
                gc.collect()
                before_bytes, before_s = resident_bytes(), time.perf_counter()
                meter = kind(*arguments)
                if arguments and arguments[0].get("beside") == "loop":
                    threading.Thread(target=hold_the_lock, daemon=True).start()
                    time.sleep(SETTLING_S)
                opened_s = time.perf_counter()
                answer = {"import_s": meter.begin_s - before_s, "start_s": opened_s - meter.begin_s}
                answer["before_bytes"] = before_bytes
            else:
                answer = window(meter, *arguments) if command == "window" else cost(meter, *arguments)
        except Exception as error:  # noqa: BLE001 - whatever a meter raises is its answer
            answer = {"error": f"{type(error).__name__}: {error}".split("\n")[0]}
        print(json.dumps(answer), file=answers, flush=True)
    os._exit(0)  # some meters' threads outlive them


if __name__ == "__main__":
    main(sys.argv[1])
