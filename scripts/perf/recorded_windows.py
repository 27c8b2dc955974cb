"""A recorded driver's readings through the package's own integration, against what the card really drew."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean, stdev

import metering_parts  # noqa: F401 - makes the tests' modules importable
from attrs import frozen

from ai_energy_benchmarks.domain import integral
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY, Delay
from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.metrics.nvml.library import AVERAGED_S
from tests.nvml.recorded import Power, Recording

# Windows of this length, one every so often.
WINDOW_S, EVERY_S = 1.0, 0.1
# Averaged power needs a second to reach its level, and cards stay raised for some after their work.
SETTLED_S, CALM_S, MARGIN_S = 1.5, 3.0, 0.02
GAIN = 0.05
_MOSTLY = 0.8


@frozen
class Errors:
    """Relative errors of several windows.

    Attributes:
        bias: their mean.
        spread: their standard deviation.
    """

    bias: float
    spread: float
    count: int


@frozen
class WindowRow:
    """One column of one driver.

    Attributes:
        rest, load: None if the recording has no window of that kind.
        work_error: of all of the work in one window, with its edges.
        work_held: whether the truth lies within that window's bounds, widened by the gain of the sensor.
    """

    recording: str
    column: str
    rest: Errors | None
    load: Errors | None
    work_error: float
    work_held: bool


def window_rows(recording: Recording) -> Iterator[WindowRow]:
    """One row for each column of power."""
    for column, power in recording.driver.items():
        delay = delay_of(column, recording)
        begin_s, end_s = recording.work_s[0][0], recording.work_s[-1][1]
        late_s = delay.high_s + integral.LONGEST_HOLD_S  # what is shown so late must not be of the next phase
        earliest_s = max(recording.begin_s, power.times_s[0])
        rests = [*starts(earliest_s, begin_s - late_s), *starts(end_s + CALM_S, recording.until_s - late_s)]
        low_j, best_j, high_j = integrated(power, delay, begin_s, end_s)
        truth_j = recording.external.energy_j(begin_s, end_s)
        yield WindowRow(
            recording.name,
            column,
            _errors(recording, power, delay, rests),
            _errors(recording, power, delay, starts(begin_s + SETTLED_S, end_s - late_s)),
            best_j / truth_j - 1,
            low_j / (1 + GAIN) <= truth_j <= high_j / (1 - GAIN),
        )


def delay_of(column: str, recording: Recording) -> Delay:
    """As the collector assumes it: instantaneous power, or the mean of the last second.

    Which one a driver's default is depends on the GPU: here it is the one whose values it shows, if that was recorded.
    """
    own, instant = recording.driver[column], recording.driver.get("power_instant_w")
    same = 0
    if instant is not None:
        shown_w = dict(zip(instant.times_s, instant.powers_w, strict=True))
        same = sum(shown_w.get(at_s) == watts for at_s, watts in zip(own.times_s, own.powers_w, strict=True))
    if "instant" in column or same > _MOSTLY * len(own.times_s):
        return UNKNOWN_DELAY
    return Delay(UNKNOWN_DELAY.low_s, UNKNOWN_DELAY.high_s + AVERAGED_S)


def starts(begin_s: float, end_s: float) -> list[float]:
    """Where windows begin that lie between two times."""
    count = int((end_s - begin_s - WINDOW_S - 2 * MARGIN_S) / EVERY_S) + 1
    return [begin_s + MARGIN_S + number * EVERY_S for number in range(max(0, count))]


def integrated(power: Power, delay: Delay, start_s: float, stop_s: float) -> Bounds:
    """The energy as the collector would give them, in J."""
    series = power.series(Device("gpu", "recorded"))
    held_s = integral.hold_s(series)
    return integral.integral(series, start_s, stop_s, delay, integral.LONGEST_HOLD_S if held_s is None else held_s)


def _errors(recording: Recording, power: Power, delay: Delay, starts_s: list[float]) -> Errors | None:
    found = [
        integrated(power, delay, at_s, at_s + WINDOW_S).best / recording.external.energy_j(at_s, at_s + WINDOW_S) - 1
        for at_s in starts_s
    ]
    return Errors(fmean(found), stdev(found), len(found)) if len(found) > 1 else None
