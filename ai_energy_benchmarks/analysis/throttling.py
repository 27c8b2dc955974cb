"""What held a board's clocks down while the trials ran."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from ai_energy_benchmarks.analysis.integration import workload_boards
from ai_energy_benchmarks.domain.power import Samples, Series
from ai_energy_benchmarks.domain.result import Finding, Level, Trial

# Bits of nvmlClocksThrottleReasons (NVML API reference) that change what is measured, and what each says of a run.
_REASONS: tuple[tuple[int, str, Level], ...] = (
    (0x08, "a hardware slowdown", "FAIL"),
    (0x20, "the driver's thermal limit", "FAIL"),
    (0x40, "the hardware's thermal limit", "FAIL"),
    (0x80, "the hardware's power brake", "FAIL"),
    (0x04, "the power limit", "INFO"),
)


def throttle_findings(samples: Samples, trials: Sequence[Trial]) -> Iterator[Finding]:
    """One line for each reason seen on a board of the workload during a trial, or one that none was."""
    own = workload_boards(trials)
    for series in samples.series:
        if series.quantity != "throttle_reasons" or series.device not in own or not len(series.values):
            continue
        name, clear = series.device.label or series.device.id, True
        for bit, reason, level in _REASONS:
            share = _share(series, trials, bit)
            if share > 0:
                clear = clear and level == "INFO"
                yield Finding(
                    level, "throttling", f"{name}: {reason} held its clocks down for {share:.1%} of the trials"
                )
        if clear:
            yield Finding("PASS", "throttling", f"{name}: no thermal limit or hardware brake was seen")


def _share(series: Series, trials: Sequence[Trial], bit: int) -> float:
    """Share of the trials' time in which the last reading had the bit set."""
    whole_s = sum(trial.duration_s for trial in trials)
    held_s = sum(_held_s(series, trial.start_s, trial.stop_s, bit) for trial in trials)
    return held_s / whole_s if whole_s > 0 else 0.0


def _held_s(series: Series, start_s: float, stop_s: float, bit: int) -> float:
    held_s = 0.0
    row = max(0, bisect_right(series.after_s, start_s) - 1)
    while row < len(series.values) and series.after_s[row] < stop_s:
        until_s = series.after_s[row + 1] if row + 1 < len(series.values) else stop_s
        if int(series.values[row]) & bit:
            held_s += max(0.0, min(stop_s, until_s) - max(start_s, series.after_s[row]))
        row += 1
    return held_s
