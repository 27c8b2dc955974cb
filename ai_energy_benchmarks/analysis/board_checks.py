"""What a board's own readings tell of the trials: brakes, heat, changed settings, and how well the edges were read."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

from attrs import evolve

from ai_energy_benchmarks.analysis.integration import workload_boards
from ai_energy_benchmarks.domain.power import Device, Quantity, Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding, Level

# docs/measurement.md, "The verdict"; the change of a clock is that of its mean under load.
WARMER_CELSIUS = 3.0
CLOCK_CHANGE = 0.02

# Bits of nvmlClocksThrottleReasons (NVML API reference) that change what is measured, and what each says of a run.
_REASONS: tuple[tuple[int, str, Level], ...] = (
    (0x08, "a hardware slowdown", "FAIL"),
    (0x20, "the driver's thermal limit", "FAIL"),
    (0x40, "the hardware's thermal limit", "FAIL"),
    (0x80, "the hardware's power brake", "FAIL"),
    (0x04, "the power limit", "INFO"),
)
# Ticks next to an edge in which the readings matter.
_NEAR_TICKS = 3
# Counters that move more often than every 15 ms are read less often on purpose (metrics/cadence.py): with the default
# ``poll_s`` the readings that see one move lie up to a tick and a quarter apart.
_CADENCE_S = 0.020


def board_findings(samples: Samples, trials: Sequence[Trial]) -> Iterator[Finding]:
    """All findings on each board of the workload that told something of itself."""
    own = workload_boards(trials)
    boards: dict[Device, dict[Quantity, Series]] = {}
    for series in samples.series:
        if series.device in own and len(series.values):
            boards.setdefault(series.device, {})[series.quantity] = series
    for device, told in boards.items():
        for finding in _of_one(device.label or device.id, told, trials):
            yield evolve(finding, component=device.component)


def _of_one(name: str, told: Mapping[Quantity, Series], trials: Sequence[Trial]) -> Iterator[Finding]:
    if "throttle_reasons" in told:
        yield from _throttling(name, told["throttle_reasons"], trials)
    if "energy_j" in told:
        yield from _edges(name, told["energy_j"], trials)
    yield from _warmer(name, told, trials)
    yield from _changed(name, told, trials)


def _throttling(name: str, series: Series, trials: Sequence[Trial]) -> Iterator[Finding]:
    """One line for each reason seen during a trial, or one that none was."""
    clear = True
    for bit, reason, level in _REASONS:
        share = _share(series, trials, bit)
        if share > 0:
            clear = clear and level == "INFO"
            yield Finding(level, "throttling", f"{name}: {reason} held its clocks down for {share:.1%} of the trials")
    if clear:
        yield Finding("PASS", "throttling", f"{name}: no thermal limit or hardware brake was seen")


def _share(series: Series, trials: Sequence[Trial], bit: int) -> float:
    """Share of the trials' time in which the last reading had the bit set."""
    whole_s = sum(trial.duration_s for trial in trials)
    held_s = sum(seconds for trial in trials for seconds, value in _held(series, trial) if int(value) & bit)
    return held_s / whole_s if whole_s > 0 else 0.0


def _edges(name: str, series: Series, trials: Sequence[Trial]) -> Iterator[Finding]:
    """How far apart the readings around the trials' edges were, against the counter's tick."""
    changes = [row for row in range(1, len(series.values)) if series.values[row] != series.values[row - 1]]
    if len(changes) < 3:
        return
    tick_s = median(series.after_s[right] - series.after_s[left] for left, right in pairwise(changes))
    edges_s, near_s = [edge_s for trial in trials for edge_s in (trial.start_s, trial.stop_s)], _NEAR_TICKS * tick_s
    gaps = [(series.before_s[row - 1], series.after_s[row]) for row in changes]
    gaps_s = [
        end_s - begin_s
        for begin_s, end_s in gaps
        if any(begin_s <= edge_s + near_s and end_s >= edge_s - near_s for edge_s in edges_s)
    ]
    if not gaps_s:
        return
    level: Level = "WARN" if max(gaps_s) > max(tick_s, _CADENCE_S) else "PASS"
    message = f"{name}: its counter moves every {tick_s * 1e3:.3g} ms; the readings that saw it move near the edges"
    yield Finding(level, "edge readings", f"{message} were at most {max(gaps_s) * 1e3:.3g} ms apart")


def _warmer(name: str, told: Mapping[Quantity, Series], trials: Sequence[Trial]) -> Iterator[Finding]:
    means = _first_and_last("temperature_celsius", told, trials)
    if means is not None:
        change = means[1] - means[0]
        message = f"{name}: {change:+.1f} °C from the first trial to the last, to {means[1]:.0f} °C"
        yield Finding("WARN" if abs(change) > WARMER_CELSIUS else "PASS", "temperature", message)


def _changed(name: str, told: Mapping[Quantity, Series], trials: Sequence[Trial]) -> Iterator[Finding]:
    clocks_hz = _first_and_last("clock_hz", told, trials)
    if clocks_hz is not None and clocks_hz[0] > 0:
        change = clocks_hz[1] / clocks_hz[0] - 1
        message = f"{name}: mean clock {change:+.1%} from the first trial to the last, to {clocks_hz[1] / 1e6:.0f} MHz"
        yield Finding("WARN" if abs(change) > CLOCK_CHANGE else "PASS", "clocks", message)
    yield from _constant(name, "power limit", " W", told.get("power_limit_w"), trials)
    yield from _constant(name, "performance state", "", told.get("performance_state"), trials)


def _constant(name: str, what: str, unit: str, series: Series | None, trials: Sequence[Trial]) -> Iterator[Finding]:
    """A setting that should be the same in all trials."""
    seen = sorted({value for trial in trials for _, value in _held(series, trial)}) if series is not None else []
    if len(seen) > 1:
        values = " and ".join(f"{value:g}{unit}" for value in seen)
        yield Finding("WARN", what, f"{name}: its {what} changed during the trials: {values}")
    elif seen:
        yield Finding("PASS", what, f"{name}: its {what} was {seen[0]:g}{unit} in all trials")


def _first_and_last(
    quantity: Quantity, told: Mapping[Quantity, Series], trials: Sequence[Trial]
) -> tuple[float, float] | None:
    """Means over the first and the last trial; None if nothing was read in one, or there is only one."""
    series, whole = told.get(quantity), [trial for trial in trials if trial.complete]
    if series is None or len(whole) < 2:
        return None
    first, last = _mean(series, whole[0]), _mean(series, whole[-1])
    return None if first is None or last is None else (first, last)


def _mean(series: Series, trial: Trial) -> float | None:
    held = list(_held(series, trial))
    seconds = sum(each_s for each_s, _ in held)
    return sum(each_s * value for each_s, value in held) / seconds if seconds > 0 else None


def _held(series: Series, trial: Trial) -> Iterator[tuple[float, float]]:
    """How long each value was the latest one within a trial, from the first reading on."""
    after_s = series.after_s
    first = max(0, bisect_right(after_s, trial.start_s) - 1)
    for row in range(first, bisect_left(after_s, trial.stop_s)):
        until_s = after_s[row + 1] if row + 1 < len(after_s) else trial.stop_s
        seconds = min(trial.stop_s, until_s) - max(trial.start_s, after_s[row])
        if seconds > 0:
            yield seconds, series.values[row]
