"""What a GPU's own readings tell of the trials: brakes, heat, changed settings, and how well the edges were read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.coverage import UNKNOWN_STATE, silence
from ai_energy_benchmarks.analysis.integration import workload_boards
from ai_energy_benchmarks.analysis.throttling import held, throttling_findings, unseen_brakes
from ai_energy_benchmarks.domain.power import Device, Quantity, Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.verdict import Finding, Level, not_checked

# docs/measurement.md, "The verdict"; the change of a clock is that of its mean under load.
WARMER_CELSIUS = 3.0
CLOCK_CHANGE = 0.02

# Ticks next to an edge in which the readings matter.
_NEAR_TICKS = 3
# Ticks whose mean is taken for one.
_TICKS = 10
# Counters that move more often than every 15 ms are read less often on purpose (metrics/nvml/cadence.py): with the
# default ``poll_s`` the readings that see one move lie up to a tick and a quarter apart.
_CADENCE_S = 0.020
_CHANGES: Mapping[str, Quantity] = {"temperature": "temperature_celsius", "clocks": "clock_hz"}


@frozen
class _Setting:
    """A setting of a GPU that should be the same in all trials.

    Attributes:
        unit: as it is printed after a value.
        unknown: the value that a driver reports where it does not know it; None if there is none.
    """

    quantity: Quantity
    unit: str = ""
    unknown: float | None = None


_SETTINGS: Mapping[str, _Setting] = {
    "power limit": _Setting("power_limit_w", unit=" W"),
    "performance state": _Setting("performance_state", unknown=UNKNOWN_STATE),
}


def board_findings(samples: Samples, trials: Sequence[Trial]) -> Iterator[Finding]:
    """All findings on each GPU of the workload that has series."""
    for device, by_quantity in _gauges(samples, trials).items():
        for finding in _of_one(device.label or device.id, by_quantity, trials):
            yield evolve(finding, component=device.component)


def unchecked_board_findings(samples: Samples, trials: Sequence[Trial]) -> Iterator[Finding]:
    """One line for each check and reason why it could not be made, with the GPUs that it is about.

    Args:
        trials: all of the run; one that was cut short is checked as far as it went.
    """
    names: dict[tuple[str, str], list[str]] = {}
    gauges = _gauges(samples, trials)
    devices = sorted(workload_boards(trials), key=lambda each: each.id)
    for device in devices:
        for check, why in _unknown(gauges.get(device, {}), trials):
            names.setdefault((check, why), []).append(device.label or device.id)
    for (check, why), of in names.items():
        which = "" if len(of) == len(devices) else f" ({', '.join(of)})"
        yield not_checked(check, f"{why}{which}", "gpu")


def _gauges(samples: Samples, trials: Sequence[Trial]) -> dict[Device, dict[Quantity, Series]]:
    own = workload_boards(trials)
    boards: dict[Device, dict[Quantity, Series]] = {}
    for series in samples.series:
        if series.device in own and len(series.values):
            boards.setdefault(series.device, {})[series.quantity] = series
    return boards


def _unknown(by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]) -> Iterator[tuple[str, str]]:
    """Check → why its source did not say enough, of one GPU."""
    if (why := unseen_brakes(by_quantity, trials)) is not None:
        yield "throttling", why
    if "energy_j" in by_quantity and not any(_edges("", by_quantity["energy_j"], trials)):
        yield "edge readings", "its energy counter did not move next to the trials"
    whole = [trial for trial in trials if trial.complete]
    for check, quantity in _CHANGES.items():
        if len(whole) < 2:
            yield check, "a change needs two complete trials"
        elif (why := silence(by_quantity.get(quantity), (whole[0], whole[-1]))) is not None:
            yield check, why
    for check, setting in _SETTINGS.items():
        if (why := silence(by_quantity.get(setting.quantity), trials)) is not None:
            yield check, why


def _of_one(name: str, by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]) -> Iterator[Finding]:
    yield from throttling_findings(name, by_quantity, trials)
    if "energy_j" in by_quantity:
        yield from _edges(name, by_quantity["energy_j"], trials)
    yield from _warmer(name, by_quantity, trials)
    yield from _changed(name, by_quantity, trials)


def _edges(name: str, series: Series, trials: Sequence[Trial]) -> Iterator[Finding]:
    """How far apart the readings around the trials' edges were, against the counter's tick."""
    changes = [row for row in range(1, len(series.values)) if series.values[row] != series.values[row - 1]]
    if len(changes) < 3:
        return
    # Over several ticks: calls that take 3 or 15 ms in turn move a single one by that much (an H100).
    ticks = _TICKS if len(changes) > 2 * _TICKS else 1
    spans_s = (
        series.after_s[last] - series.after_s[first] for first, last in zip(changes, changes[ticks:], strict=False)
    )
    tick_s = median(spans_s) / ticks
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


def _warmer(name: str, by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]) -> Iterator[Finding]:
    means = _first_and_last("temperature_celsius", by_quantity, trials)
    if means is not None:
        change = means[1] - means[0]
        message = f"{name}: {change:+.1f} °C from the first trial to the last, to {means[1]:.0f} °C"
        yield Finding("WARN" if abs(change) > WARMER_CELSIUS else "PASS", "temperature", message)


def _changed(name: str, by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]) -> Iterator[Finding]:
    clocks_hz = _first_and_last("clock_hz", by_quantity, trials)
    if clocks_hz is not None and clocks_hz[0]:
        change = clocks_hz[1] / clocks_hz[0] - 1
        message = f"{name}: mean clock {change:+.1%} from the first trial to the last, to {clocks_hz[1] / 1e6:.0f} MHz"
        yield Finding("WARN" if abs(change) > CLOCK_CHANGE else "PASS", "clocks", message)
    for what, setting in _SETTINGS.items():
        if (series := by_quantity.get(setting.quantity)) is not None:
            yield from _constant(f"{name}: its {what}", what, setting, series, trials)


def _constant(its: str, what: str, setting: _Setting, series: Series, trials: Sequence[Trial]) -> Iterator[Finding]:
    """That a setting was the same in all trials, or was not."""
    seen = sorted({value for trial in trials for _, value in held(series, trial)} - {setting.unknown})
    values = " and ".join(f"{value:g}{setting.unit}" for value in seen)
    if len(seen) > 1:
        yield Finding("WARN", what, f"{its} changed during the trials: {values}")
    elif seen and silence(series, trials) is None:
        yield Finding("PASS", what, f"{its} was {values} in all trials")


def _first_and_last(
    quantity: Quantity, by_quantity: Mapping[Quantity, Series], trials: Sequence[Trial]
) -> tuple[float, float] | None:
    """Means over the first and the last trial; None if nothing was read in one, or there is only one."""
    series, whole = by_quantity.get(quantity), [trial for trial in trials if trial.complete]
    if len(whole) < 2 or silence(series, (whole[0], whole[-1])) is not None:
        return None
    assert series is not None  # else it is silent
    first, last = _mean(series, whole[0]), _mean(series, whole[-1])
    return None if first is None or last is None else (first, last)


def _mean(series: Series, trial: Trial) -> float | None:
    parts = list(held(series, trial))
    seconds = add_up(each_s for each_s, _ in parts)
    return add_up(each_s * value for each_s, value in parts) / seconds if seconds else None
