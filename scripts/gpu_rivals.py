"""Other meters as windows over the same work, where they are installed."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable

J_PER_KWH = 3.6e6
Work = Callable[[], None]


def for_seconds(work: Work, seconds: float) -> int:
    """Repeat work for at least so long; how often it ran."""
    end_s, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < end_s:
        work()
        count += 1
    return count


def rivals() -> dict[str, Callable[[Work, float], float]]:
    """Peers that are installed here, each as a window: joules of work that is repeated for so many seconds."""
    found: dict[str, Callable[[Work, float], float]] = {}
    if importlib.util.find_spec("zeus"):
        from zeus.monitor import ZeusMonitor

        monitor = ZeusMonitor()

        def zeus(work: Work, seconds: float) -> float:
            monitor.begin_window("window", sync_execution=False)
            for_seconds(work, seconds)
            seen = monitor.end_window("window", sync_execution=False)
            return float(sum(seen.gpu_energy.values()))

        found["zeus"] = zeus
    if importlib.util.find_spec("codecarbon"):
        logging.getLogger("codecarbon").setLevel(logging.ERROR)
        from codecarbon import OfflineEmissionsTracker

        tracker = OfflineEmissionsTracker(country_iso_code="USA", save_to_file=False, log_level="error")

        def codecarbon(work: Work, seconds: float) -> float:
            tracker.start_task("window")
            for_seconds(work, seconds)
            return float(tracker.stop_task("window").gpu_energy) * J_PER_KWH

        found["codecarbon"] = codecarbon
    return found
