"""What the boards last said of themselves while the trials ran."""

from __future__ import annotations

from bisect import bisect_right

from ai_energy_benchmarks.domain.power import Quantity, Series
from ai_energy_benchmarks.domain.result import BenchmarkResult

_KEYS: dict[Quantity, str] = {"temperature_celsius": "temperature_c", "power_w": "power_draw_w"}


def gpu_stats(result: BenchmarkResult) -> dict[str, dict[str, float]]:
    """``gpu_N`` → the last temperature and power before the end of the last trial; empty without such series."""
    until_s = max((each.stop_s for each in result.trials), default=float("inf"))
    boards = {each.id: each for each in result.environment.boards}
    stats: dict[str, dict[str, float]] = {}
    unnamed = 0
    names: dict[str, str] = {}
    for series in result.samples.series:
        key = _KEYS.get(series.quantity)
        if key is None or series.device.component != "gpu" or not len(series.values):
            continue
        board = boards.get(series.device.id)
        if series.device.id not in names:
            names[series.device.id] = f"gpu_{board.index if board else len(boards) + unnamed}"
            unnamed += board is None
        own = stats.setdefault(names[series.device.id], {})
        own.setdefault(key, _last(series, until_s))
        if board and board.memory_bytes:
            own["memory_total_mb"] = board.memory_bytes / 2**20
    return stats


def _last(series: Series, until_s: float) -> float:
    position = bisect_right(series.after_s, until_s)
    return series.values[max(0, position - 1)]
