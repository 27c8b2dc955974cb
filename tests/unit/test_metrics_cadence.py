"""How readings are placed, and how exact a window's energy becomes by it; all on a virtual clock."""

from __future__ import annotations

import random

import pytest

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY, Delay
from ai_energy_benchmarks.metrics.nvml.cadence import Cadence
from tests.unit.simulated_counter import IDLE_W, Counter, Readings, Trace, read

CEILING_W = 1400.0
LEVELS_W = (90.0, 250.0, 450.0, 700.0)
# Reading begins so long before the window, which is enough to know the tick.
LEAD_S = 2.3
GUARD_S = 0.4


def telegraph(dice: random.Random, length_s: float) -> Trace:
    trace: Trace = []
    while (left_s := length_s - sum(seconds for seconds, _ in trace)) > 0:
        trace.append((min(dice.expovariate(1 / 0.06) + 1e-4, left_s), dice.choice(LEVELS_W)))
    return trace


def steady(tick_s: float, jitter: float = 0.05, length_s: float = 10.0) -> Readings:
    counter = Counter(random.Random(7), [(length_s, 300.0)], tick_s, 0.02, length_s, jitter)
    return read(counter, length_s)


@pytest.mark.parametrize("tick_s", [0.01, 0.02, 0.1])
def test_the_tick_is_discovered(tick_s: float) -> None:
    """To a few percent, whatever it is."""
    assert steady(tick_s).tick_s == pytest.approx(tick_s, rel=0.05)


@pytest.mark.parametrize(("tick_s", "most_per_s"), [(0.1, 60.0), (0.02, 160.0), (0.01, 165.0)])
def test_a_known_tick_needs_few_readings(tick_s: float, most_per_s: float) -> None:
    """Once it is known, some four readings a tick are enough, and fewer where ticks are short."""
    early, late = steady(tick_s, length_s=5.0), steady(tick_s, length_s=15.0)
    assert (late.polls - early.polls) / 10.0 < most_per_s


@pytest.mark.parametrize("tick_s", [0.02, 0.1])
def test_changes_are_caught_between_close_readings(tick_s: float) -> None:
    """Nine in ten are seen within a third of a tick."""
    series = steady(tick_s).series
    rows = [row for row in range(1, len(series.values)) if series.values[row] != series.values[row - 1]]
    widths_s = sorted(series.after_s[row] - series.before_s[row - 1] for row in rows[len(rows) // 4 :])
    assert widths_s[int(0.9 * len(widths_s))] < tick_s / 3


def test_every_second_short_tick_is_caught_closely() -> None:
    """Of ticks of 10 ms nearly half are seen within half of one, the others between the last reading and the next."""
    series = steady(0.01).series
    rows = [row for row in range(1, len(series.values)) if series.values[row] != series.values[row - 1]]
    widths_s = sorted(series.after_s[row] - series.before_s[row - 1] for row in rows[len(rows) // 4 :])
    assert widths_s[int(0.4 * len(widths_s))] < 0.005
    assert widths_s[-1] < 0.025


def test_a_counter_without_ticks_is_read_at_the_plain_pace() -> None:
    """After two seconds nobody expects a tick any more."""
    cadence = Cadence(0.01, 0.0)
    assert cadence.seen(1.0, 1.0, False) == pytest.approx(1.002)
    assert cadence.seen(3.0, 3.0, False) == pytest.approx(3.01)
    assert cadence.tick_s is None


def test_a_counter_that_stops_is_still_read() -> None:
    """The next reading is never further away than the plain pace or the next tick."""
    cadence, time_s, previous_s = Cadence(0.01, 0.0), 0.0, 0.0
    for number in range(4000):
        changed = number < 2000 and int(time_s / 0.1) != int(previous_s / 0.1)
        due_s = cadence.seen(previous_s if changed else time_s, time_s, changed)
        assert time_s < due_s <= time_s + 0.12
        previous_s, time_s = time_s, due_s
    assert due_s - previous_s <= 0.0101


def errors(tick_s: float, length_s: float, known: bool, windows: int) -> list[float]:
    """Relative errors of the estimate, each in a world of its own; bounds are checked on the way."""
    found = []
    for seed in range(windows):
        dice = random.Random(f"{tick_s} {length_s} {known} {seed}")
        delay_s, seconds = dice.uniform(0.0, 0.05), length_s * dice.uniform(0.95, 1.05)
        lead_s = LEAD_S + dice.random()
        # A window of its own between rests, or one cut out of work that goes on.
        around = telegraph(dice, lead_s) if known else [(lead_s, IDLE_W)]
        trace = [*around, *telegraph(dice, seconds), *(telegraph(dice, 1.0) if known else [])]
        counter = Counter(dice, trace, tick_s, delay_s, lead_s + seconds + 2.0)
        series = read(counter, lead_s + seconds + 1.0).series
        delay = Delay(delay_s, delay_s) if known else UNKNOWN_DELAY
        start_s, stop_s = lead_s, lead_s + seconds
        first, last = (edges.latched(series, at_s, delay, CEILING_W) for at_s in (start_s, stop_s))
        if not known:
            rested = edges.guarded(series, first, start_s, (start_s - GUARD_S, start_s), delay)
            rests = edges.guarded(series, last, stop_s, (stop_s, stop_s + GUARD_S), delay)
            assert rested is not None
            assert rests is not None
            first, last = rested, rests
        low_j, best_j, high_j = edges.rise(first, last)
        truth_j = counter.energy_j(stop_s) - counter.energy_j(start_s)
        assert low_j - 0.002 <= truth_j <= high_j + 0.002
        found.append(abs(best_j - truth_j) / truth_j)
    return sorted(found)


@pytest.mark.parametrize(("length_s", "limit"), [(1.0, 0.01), (3.0, 0.004), (10.0, 0.001)])
@pytest.mark.parametrize("tick_s", [0.02, 0.1])
def test_guarded_windows_are_exact(tick_s: float, length_s: float, limit: float) -> None:
    """Between rests, with a delay of which only the limits are known: 95 % of windows are within the limit."""
    found = errors(tick_s, length_s, known=False, windows=60)
    assert found[int(0.95 * len(found))] <= limit


@pytest.mark.parametrize(("length_s", "limit", "windows"), [(1.0, 0.04, 300), (3.0, 0.014, 100), (10.0, 0.004, 100)])
def test_continuous_windows_are_close(length_s: float, limit: float, windows: int) -> None:
    """Cut out of wild work, with the delay known: 95 % of windows are within the limit."""
    found = errors(0.1, length_s, known=True, windows=windows)
    assert found[int(0.95 * len(found))] <= limit


def test_work_without_rest_has_no_guarded_estimate() -> None:
    """A rest of one tick holds no two samples."""
    series = steady(0.1).series
    level = edges.latched(series, 5.0, UNKNOWN_DELAY, CEILING_W)
    assert edges.guarded(series, level, 5.0, (4.9, 5.0), UNKNOWN_DELAY) is None
