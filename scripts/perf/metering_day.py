"""How much memory a day of eight boards takes: what the collector would read, given to it at once.

    python metering_day.py [HOURS]

Runs on the simulated library, as ``metering.py`` starts it; prints one JSON object.
"""

from __future__ import annotations

import json
import random
import resource
import sys

from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY
from ai_energy_benchmarks.domain.power import Mark, Quantity
from ai_energy_benchmarks.machine.nvml import open_nvml
from ai_energy_benchmarks.metrics.nvml.board import WatchedBoard
from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard

TICK_S, POWER_EVERY_S, GAUGES_EVERY_S, WINDOW_EVERY_S = 0.1, 0.1, 0.5, 60.0
CALL_S = 5e-5
STEADY: tuple[Quantity, ...] = ("throttle_reasons", "power_limit_w", "performance_state")


def peak_bytes() -> int:
    """The most that this process has held so far (getrusage(2) tells KiB)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def live(board: WatchedBoard, gauges: list[Quantity], seconds: float) -> None:
    """A board whose power, temperature and clocks never stand still."""
    dice, energy_j, next_gauges_s, next_window_s = random.Random(board.board.device.id), 1e6, 0.0, WINDOW_EVERY_S
    for tick in range(int(seconds / TICK_S)):
        at_s = tick * TICK_S
        # The last reading of the old value, and the first of the new one.
        board.reading("energy_j", at_s - 0.002, at_s - 0.002 + CALL_S, energy_j)
        power_w = 90.0 + 600.0 * dice.random()
        energy_j += power_w * TICK_S
        board.reading("energy_j", at_s + 0.001, at_s + 0.001 + CALL_S, energy_j)
        board.reading("power_w", at_s + 0.002, at_s + 0.002 + CALL_S, power_w)
        if at_s >= next_gauges_s:
            next_gauges_s += GAUGES_EVERY_S
            for number, quantity in enumerate(gauges):
                value = 1.0 if quantity in STEADY else power_w
                board.reading(quantity, at_s + 0.003 + number * CALL_S, at_s + 0.003 + (number + 1) * CALL_S, value)
        if at_s >= next_window_s:
            board.keep_around(Mark(next_window_s - WINDOW_EVERY_S + 1.0), Mark(next_window_s - 1.0))
            next_window_s += WINDOW_EVERY_S


def main() -> None:
    """Live through the day, then copy everything as the end of a run does."""
    seconds = 3600.0 * (float(sys.argv[1]) if len(sys.argv) > 1 else 24.0)
    nvml = open_nvml()
    before_bytes = peak_bytes()
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    boards = [WatchedBoard(NvmlBoard(nvml, handle), UNKNOWN_DELAY, None) for handle in handles]
    for board in boards:
        live(board, list(board.board.gauges), seconds)
    lived_bytes = peak_bytes()
    copies = [series for board in boards for series in board.series()]
    rows = sum(len(series.values) for series in copies)
    said = {"boards": len(boards), "rows": rows, "before_bytes": before_bytes}
    print(json.dumps(said | {"lived_bytes": lived_bytes, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
