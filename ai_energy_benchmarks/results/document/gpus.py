"""What the GPUs last said of themselves while the trials ran."""

from __future__ import annotations

from bisect import bisect_right

from ai_energy_benchmarks.domain.power import Quantity, Series
from ai_energy_benchmarks.domain.result import BenchmarkResult

_BYTES_PER_MB = 2**20
_KEYS: dict[Quantity, tuple[str, float]] = {
    "utilization_percent": ("utilization_percent", 1.0),
    "memory_used_bytes": ("memory_used_mb", 1 / _BYTES_PER_MB),
    "temperature_celsius": ("temperature_c", 1.0),
    "power_w": ("power_draw_w", 1.0),
}
STATS = ("utilization_percent", "memory_used_mb", "memory_total_mb", "memory_percent", "temperature_c", "power_draw_w")


def gpu_stats(result: BenchmarkResult) -> dict[str, dict[str, float]]:
    """``gpu_N`` → its state at the end of the last trial; empty without raw series of a GPU.

    AI Energy Score formats every one of ``STATS``, so what was not seen is 0.0; ``gpu_stats_absent`` names it.
    """
    return {name: {key: own.get(key, 0.0) for key in STATS} for name, own in _seen(result).items()}


def gpu_stats_absent(result: BenchmarkResult) -> dict[str, list[str]]:
    """``gpu_N`` → the figures of ``gpu_stats`` that were not seen."""
    return {name: [key for key in STATS if key not in own] for name, own in _seen(result).items()}


def _seen(result: BenchmarkResult) -> dict[str, dict[str, float]]:
    until_s = max((each.stop_s for each in result.trials), default=float("inf"))
    boards = {each.id: each for each in result.environment.boards}
    stats: dict[str, dict[str, float]] = {}
    unnamed = 0
    names: dict[str, str] = {}
    for series in result.samples.series:
        if series.quantity not in _KEYS or series.device.component != "gpu" or not len(series.values):
            continue
        key, factor = _KEYS[series.quantity]
        board = boards.get(series.device.id)
        if series.device.id not in names:
            names[series.device.id] = f"gpu_{board.index if board else len(boards) + unnamed}"
            unnamed += board is None
        own = stats.setdefault(names[series.device.id], {})
        own.setdefault(key, _last(series, until_s) * factor)
        if board and board.memory_bytes:
            own["memory_total_mb"] = board.memory_bytes / _BYTES_PER_MB
            if "memory_used_mb" in own:
                own["memory_percent"] = 100 * own["memory_used_mb"] / own["memory_total_mb"]
    return stats


def _last(series: Series, until_s: float) -> float:
    position = bisect_right(series.after_s, until_s)
    return series.values[max(0, position - 1)]
