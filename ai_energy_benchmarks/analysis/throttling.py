"""What held a GPU's clocks down during the trials: by the reasons seen now and then, and by counters of the time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

from ai_energy_benchmarks.analysis.coverage import silence
from ai_energy_benchmarks.domain.power import Quantity, Series
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.verdict import Finding, Level

_CHECK = "throttling"
# Bits of nvmlClocksThrottleReasons (NVML API reference) that change what is measured, and what each says of a run.
BRAKES: tuple[tuple[int, str, Level], ...] = (
    (0x08, "a hardware slowdown", "FAIL"),
    (0x20, "the driver's thermal limit", "FAIL"),
    (0x40, "the hardware's thermal limit", "FAIL"),
    (0x80, "the hardware's power brake", "FAIL"),
    (0x04, "the power limit", "INFO"),
)
# The violation counters (NVML API reference, nvmlPerfPolicyType_t) that say the same.
_COUNTERS: tuple[tuple[Quantity, str, Level], ...] = (
    ("thermal_violation_s", "a thermal limit", "FAIL"),
    ("board_violation_s", "a limit of the whole GPU card", "WARN"),
    ("power_violation_s", "the power limit", "INFO"),
)
# Counters are exact to some milliseconds of their own.
_LEAST_S = 0.001
# What a pass is about.
_BRAKE_BITS = sum(bit for bit, _, level in BRAKES if level == "FAIL")


def throttling_findings(
    name: str, by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]
) -> Iterator[Finding]:
    """One line for each reason that held the clocks down during a trial, or one that none did; none if none would show.

    Violation counters grow between two readings too, so a brake of milliseconds shows; the reasons are what was in
    force when they were read, twice a second.
    """
    counted = list(_counted(name, by_quantity, trials))
    seen = _seen(name, by_quantity.get("throttle_reasons"), trials)
    # A limit of power that its counter has counted needs no second line by what was read now and then.
    known = any(each.level == "INFO" for each in counted)
    findings = [*counted, *(each for each in seen if each.level != "INFO" or not known)]
    yield from findings
    if all(each.level == "INFO" for each in findings) and unseen_brakes(by_quantity, trials) is None:
        how = "by its violation counters" if _counters_count(by_quantity, trials) else "in readings twice a second"
        yield Finding("PASS", _CHECK, f"{name}: no thermal limit or hardware brake was seen {how}")


def unseen_brakes(by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]) -> str | None:
    """Why a brake would not have been seen; None if it would."""
    if _counters_count(by_quantity, trials):
        return None
    reasons = by_quantity.get("throttle_reasons")
    if (why := silence(reasons, trials)) is not None:
        if reasons is None:
            never = "its driver reports no throttle reasons, and its violation counters have never moved"
            return silence(by_quantity.get("thermal_violation_s"), trials) or never
        return why
    supported = by_quantity.get("supported_throttle_reasons")
    if supported is not None and int(supported.values[-1]) & _BRAKE_BITS != _BRAKE_BITS:
        lacking = [reason for bit, reason, _ in BRAKES if bit & _BRAKE_BITS & ~int(supported.values[-1])]
        return f"its driver does not report {', '.join(lacking)}"
    return None


def _counters_count(by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]) -> bool:
    """Whether the violation counters count at all: they are sums since the driver was loaded.

    Where all of them are 0 they may be ones that the driver has without serving them.
    """
    counters = [by_quantity[quantity] for quantity, _, _ in _COUNTERS if quantity in by_quantity]
    moved = any(any(series.values) for series in counters)
    return moved and silence(by_quantity.get("thermal_violation_s"), trials) is None


def _counted(name: str, by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]) -> Iterator[Finding]:
    for quantity, reason, level in _COUNTERS:
        series = by_quantity.get(quantity)
        if series is None:
            continue
        grown = [_growth_s(series, trial) for trial in trials]
        sure_s, possible_s = (add_up(each) for each in zip(*grown, strict=True))
        part = min(1.0, max(sure_s, possible_s) / add_up(trial.duration_s for trial in trials))
        by = "(violation counter)"
        if sure_s > _LEAST_S or (possible_s > _LEAST_S and level == "INFO"):
            yield Finding(level, _CHECK, f"{name}: {reason} held its clocks down for {part:.2%} of the trials {by}")
        elif possible_s > _LEAST_S:
            message = f"{name}: {reason} held its clocks down for {1e3 * possible_s:.3g} ms at the edges of trials {by}"
            yield Finding("WARN", _CHECK, message)


def _growth_s(series: Series, trial: Trial) -> tuple[float, float]:
    """By how much a counter grew surely within a trial, and between the readings around it."""
    values, last = series.values, len(series.values) - 1
    before = max(0, bisect_right(series.after_s, trial.start_s) - 1)
    first = min(last, bisect_left(series.before_s, trial.start_s))
    final = bisect_right(series.after_s, trial.stop_s) - 1
    after = min(last, bisect_left(series.before_s, trial.stop_s))
    return max(0.0, values[max(first, final)] - values[first]), max(0.0, values[after] - values[before])


def _seen(name: str, series: Series | None, trials: Sequence[Trial]) -> Iterator[Finding]:
    if series is None:
        return
    for bit, reason, level in BRAKES:
        part = share(series, trials, bit)
        if part > 0:
            yield Finding(level, _CHECK, f"{name}: {reason} held its clocks down for {part:.1%} of the trials")


def share(series: Series, trials: Sequence[Trial], bit: int) -> float:
    """Share of the trials' time in which the last reading had the bit set."""
    whole_s = add_up(trial.duration_s for trial in trials)
    held_s = add_up(seconds for trial in trials for seconds, value in held(series, trial) if int(value) & bit)
    return held_s / whole_s if whole_s else 0.0


def held(series: Series, trial: Trial) -> Iterator[tuple[float, float]]:
    """How long each value was the latest one within a trial, from the first reading on."""
    first = max(0, bisect_right(series.after_s, trial.start_s) - 1)
    last = bisect_left(series.after_s, trial.stop_s)
    begins_s = series.after_s[first:last]
    ends_s = [*begins_s[1:], trial.stop_s]
    for begin_s, end_s, value in zip(begins_s, ends_s, series.values[first:last], strict=False):
        seconds = end_s - max(trial.start_s, begin_s)
        if seconds > 0:
            yield seconds, value
