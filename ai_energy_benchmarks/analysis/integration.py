"""The energy counter of a GPU against the integral of its power: two views of one thing."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean, stdev

from attrs import frozen

from ai_energy_benchmarks.domain import edges, integral
from ai_energy_benchmarks.domain.power import Device, Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.verdict import Finding, Level

# "The verdict" in docs/measurement.md: what is compared, and from when on it is worth a line in the verdict.
SHORTEST_S = 10.0
WARN, FAIL = 0.03, 0.10
# What the edges of a window may be off by is the same for every length, so its share of a shorter one is larger: those
# are judged by limits that grow alike, and get no line where both views agree, since that shows little.
_SHORTEST_JUDGED_S = 1.0
# Power is shown late, and by some drivers as the mean of the last second: the lag that agrees best is taken.
_LAGS_S = tuple(step * 0.05 for step in range(23))
_CEILING_W = 2000.0
# Over what time the driver's averaged field goes (NVML API reference, NVML_FI_DEV_POWER_AVERAGE), in how many parts.
_AVERAGED_S, _LEVELS = 1.0, 20


@frozen
class Agreement:
    """One window of one GPU, seen twice.

    Attributes:
        counter_j: by its energy counter.
        power_j: by its power, integrated with the lag that agrees best.
        duration_s: of the window.
        averaged: whether that is the driver's mean of the last second, which leaves out nothing.
        scatter: two relative standard errors of the mean of the power readings: power that jumps between few
            readings proves nothing about the counter.
    """

    device: Device
    counter_j: float
    power_j: float
    scatter: float
    duration_s: float
    averaged: bool = False

    @property
    def difference(self) -> float:
        """Power over counter, less one; infinite if the counter saw nothing."""
        return self.power_j / self.counter_j - 1 if self.counter_j > 0 else math.inf

    @property
    def excess(self) -> float:
        """The part of the difference that scatter does not explain."""
        return max(0.0, abs(self.difference) - self.scatter)

    @property
    def weight(self) -> float:
        """The excess, in parts of what a window of this length may show."""
        return self.excess * min(1.0, self.duration_s / SHORTEST_S)


def compare(counter: Series, power: Series, start_s: float, stop_s: float) -> Agreement | None:
    """Both views of a window; None if a reading is missing in one of them or the counter fell.

    Args:
        counter, power: the GPU's ``energy_j`` and ``power_w``, with at least one reading each.
    """
    delay = edges.UNKNOWN_DELAY
    covered = power.before_s[0] <= start_s and power.after_s[-1] >= stop_s
    if not covered or not edges.settled(counter, stop_s, delay) or edges.falls(counter, start_s, stop_s, delay):
        return None
    first, last = (edges.latched(counter, at_s, delay, _CEILING_W) for at_s in (start_s, stop_s))
    counter_j = edges.rise(first, last).best
    integrals_j = [integral.integral(power, start_s + lag_s, stop_s + lag_s, edges.NO_DELAY).best for lag_s in _LAGS_S]
    power_j = min(integrals_j, key=lambda each_j: abs(each_j - counter_j))
    inside = power.values[bisect_left(power.before_s, start_s) : bisect_right(power.after_s, stop_s)]
    mean = fmean(inside) if inside else 0.0
    scatter = 2 * stdev(inside) / math.sqrt(len(inside)) / mean if len(inside) > 1 and mean > 0 else 0.0
    return Agreement(counter.device, counter_j, power_j, scatter, stop_s - start_s)


def compare_averaged(counter: Series, average: Series, start_s: float, stop_s: float) -> Agreement | None:
    """The counter against the driver's mean power of the last second; None as for ``compare``.

    The integral of that mean over a window is the growth of the counter's own mean over a second, so the edges of the
    work change both alike.

    Args:
        average: the GPU's ``average_power_w``.
    """
    delay = edges.UNKNOWN_DELAY
    covered = average.before_s[0] <= start_s and average.after_s[-1] >= stop_s
    covered = covered and counter.before_s[0] <= start_s - _AVERAGED_S
    if not covered or not edges.settled(counter, stop_s, delay) or edges.falls(counter, start_s, stop_s, delay):
        return None
    first_j, last_j = (_mean_level_j(counter, at_s, delay) for at_s in (start_s, stop_s))
    power_j = integral.integral(average, start_s, stop_s, delay).best
    return Agreement(counter.device, last_j - first_j, power_j, 0.0, stop_s - start_s, averaged=True)


def _mean_level_j(counter: Series, until_s: float, delay: edges.Delay) -> float:
    """Mean level of a counter over the second before a moment, by the trapezoidal rule."""
    step_s = _AVERAGED_S / _LEVELS
    levels_j = [
        edges.latched(counter, until_s - number * step_s, delay, _CEILING_W).best for number in range(_LEVELS + 1)
    ]
    return (add_up(levels_j) - (levels_j[0] + levels_j[-1]) / 2) / _LEVELS


def workload_boards(trials: Iterable[Trial]) -> frozenset[Device]:
    """The GPUs whose energy counted in any trial."""
    readings = (reading for trial in trials if trial.measurement for reading in trial.measurement.readings)
    return frozenset(each.device for each in readings if each.counted and each.device.component == "gpu")


def counter_findings(samples: Samples, trials: Sequence[Trial]) -> Iterator[Finding]:
    """One line per GPU of the workload, on the trial in which its two views agree least."""
    own = workload_boards(trials)
    of = {(series.device, series.quantity): series for series in samples.series}
    for counter in samples.series:
        if counter.quantity != "energy_j" or counter.device not in own:
            continue
        average, power = of.get((counter.device, "average_power_w")), of.get((counter.device, "power_w"))
        found = [
            (agreement, trial.number)
            for trial in trials
            if trial.duration_s >= _SHORTEST_JUDGED_S
            and (agreement := _agreement(counter, average, power, trial)) is not None
        ]
        long = [each for each in found if each[0].duration_s >= SHORTEST_S]
        if not found:
            continue
        finding = _finding(*max(found, key=lambda each: each[0].weight))
        if long and finding.level == "PASS":
            finding = _finding(*max(long, key=lambda each: each[0].weight))
        if long or finding.level != "PASS":
            yield finding


def _agreement(counter: Series, average: Series | None, power: Series | None, trial: Trial) -> Agreement | None:
    """Against the averaged power where the driver has it: that of the moment shares the counter's blind spots."""
    # A driver that has a field without serving it reports 0.
    if average is not None and any(average.values):
        seen = compare_averaged(counter, average, trial.start_s, trial.stop_s)
        if seen is not None:
            return seen
    if power is None or not any(power.values):
        return None
    return compare(counter, power, trial.start_s, trial.stop_s)


def _finding(worst: Agreement, trial: int) -> Finding:
    level: Level = "FAIL" if worst.weight > FAIL else "WARN" if worst.weight > WARN else "PASS"
    name = worst.device.label or worst.device.id
    scatter = f", of which scatter explains {worst.scatter:.1%}" if worst.scatter else ""
    power = "the driver's 1 s average power" if worst.averaged else "power"
    message = f"{name}: integrated {power} differs from the energy counter by {worst.difference:+.1%} in trial {trial}"
    if worst.duration_s < SHORTEST_S:
        message += f", of {worst.duration_s:.2g} s"
    return Finding(level, "counter against power", message + scatter, worst.device.component)
