"""A simulated counter that integrates what a real card drew, or what its driver showed; read as the collector does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from statistics import fmean, stdev

import metering_parts  # noqa: F401 - makes the tests' modules importable
from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.energy_checks import WIDE
from ai_energy_benchmarks.analysis.windows import UNRESOLVED
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY
from ai_energy_benchmarks.domain.power import Mark, Reading
from tests.nvml.recorded import Power, Recording
from tests.unit.simulated_counter import Counter
from tests.unit.simulated_rests import Reader, rest, watched

TICKS_S = (0.02, 0.1)
# What lies before and after the recording: rest as it was there, for the tick to be found and to rest again.
LEAD_S, AFTER_S, LEVEL_S = 4.0, 6.0, 0.5
LONGEST_DELAY_S, BEYOND_S = 0.05, 0.1
ROUNDING_J = 0.002


@frozen
class CounterRow:
    """Windows of one recording with random phases and delays.

    Attributes:
        integrates: ``external`` or the driver's column.
        printed: how many windows have a figure.
        held: the share of them whose bounds hold what the counter integrates.
        bias, spread: of the relative error against that.
        half_width: mean of the relative half-width of their bounds.
        guarded, warned, refused: shares of all windows.
    """

    recording: str
    integrates: str
    tick_s: float
    printed: int
    held: float
    bias: float
    spread: float
    half_width: float
    guarded: float
    warned: float
    refused: float


def counter_rows(recording: Recording, runs: int) -> Iterator[CounterRow]:
    """One row for each tick and each of what a counter may integrate; none for work in many short stretches.

    A window begins and ends where the recording says that work did: a rest of less than a second between two stretches
    is none.
    """
    if len(recording.work_s) != 1:
        return
    column = recording.best_column
    for integrates, power in (("external", recording.external), (column, recording.driver[column])):
        for tick_s in TICKS_S:
            yield _row(recording, integrates, power, tick_s, runs)


def _row(recording: Recording, integrates: str, power: Power, tick_s: float, runs: int) -> CounterRow:
    dice = random.Random(f"{recording.name} {integrates} {tick_s}")
    start_s, stop_s = recording.work_s[0]
    begin_s, until_s = recording.begin_s, recording.until_s
    low_w = power.energy_j(begin_s, start_s) / (start_s - begin_s)
    late_w = power.energy_j(until_s - LEVEL_S, until_s) / LEVEL_S
    trace = [(LEAD_S, low_w), *power.steps(begin_s, until_s), (AFTER_S, late_w)]
    shift_s = LEAD_S - begin_s
    found: list[tuple[Reading, float]] = []
    for _ in range(runs):
        length_s = LEAD_S + until_s - begin_s + AFTER_S
        counter = Counter(dice, trace, tick_s, dice.uniform(0.0, LONGEST_DELAY_S), length_s)
        reading = _between_rests(counter, shift_s + start_s, shift_s + stop_s)
        found.append((reading, counter.energy_j(shift_s + stop_s) - counter.energy_j(shift_s + start_s)))
    printed = [
        (each, truth_j) for each, truth_j in found if each.settled and each.bounds_j.relative_half_width <= UNRESOLVED
    ]
    errors = [each.energy_j / truth_j - 1 for each, truth_j in printed]
    held = [each.bounds_j.low - ROUNDING_J <= truth_j <= each.bounds_j.high + ROUNDING_J for each, truth_j in printed]
    return CounterRow(
        recording.name,
        integrates,
        tick_s,
        len(printed),
        fmean(held) if held else 0.0,
        fmean(errors) if errors else 0.0,
        stdev(errors) if len(errors) > 1 else 0.0,
        fmean(each.bounds_j.relative_half_width for each, _ in printed) if printed else 0.0,
        fmean(each.estimator == "guarded" for each, _ in found),
        fmean(_warned(each) for each, _ in printed) if printed else 0.0,
        1 - len(printed) / len(found),
    )


def _warned(reading: Reading) -> bool:
    not_flat = reading.edges is not None and reading.edges.state != "flat"
    return not_flat or reading.bounds_j.relative_half_width > WIDE


def _between_rests(counter: Counter, start_s: float, stop_s: float) -> Reading:
    """What the collector makes of the window, resting after it for as long as it wants to."""
    board = watched(UNKNOWN_DELAY)
    reader = Reader(counter, board)
    reader.read_until(start_s)
    start, stop = Mark(start_s, board.guard_s), Mark(stop_s)
    reader.read_until(stop_s)
    stop = evolve(stop, quiet_s=rest(reader, start, stop))
    reader.read_until(stop_s + stop.quiet_s + BEYOND_S)
    while not board.settled(start, stop):
        reader.read_until(reader.time_s + counter.tick_s)
    reading = board.measure(start, stop, counted=True).reading
    assert reading is not None
    return reading
