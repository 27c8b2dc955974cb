"""Integrated power where the sensor shows each value for a while: bounds, and the update period that is learned."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest

from ai_energy_benchmarks.domain import integral
from ai_energy_benchmarks.domain.edges import NO_DELAY, UNKNOWN_DELAY
from ai_energy_benchmarks.domain.power import Mark, Series
from ai_energy_benchmarks.metrics.replay import ReplayCollector, ReplayOptions
from tests.unit.held_power import DEVICE, make_work, readings


@pytest.mark.parametrize("jumping", [False, True], ids=["constant", "jumping"])
@pytest.mark.parametrize("update_s", [0.02, 0.1])
@pytest.mark.parametrize(("length_s", "windows"), [(1.0, 60), (3.0, 25), (10.0, 8)])
def test_bounds_hold_for_a_sensor_that_is_renewed_now_and_then(
    jumping: bool, update_s: float, length_s: float, windows: int
) -> None:
    """At least 99 % of the windows hold the truth, whatever the delay up to 50 ms and the noise of the readings."""
    dice = random.Random(int(100 * update_s + length_s))
    held = 0
    for _ in range(windows):
        work = make_work(dice, length_s, jumping=jumping)
        series = readings(dice, work, update_s, dice.uniform(0, 0.05), noise_w=dice.choice((0.0, 3.0)))
        hold_s = integral.hold_s(series)
        used_s = integral.LONGEST_HOLD_S if hold_s is None else hold_s
        low_j, best_j, high_j = integral.integral(series, work.start_s, work.stop_s, UNKNOWN_DELAY, used_s)
        held += low_j <= work.energy_j <= high_j
        assert low_j <= best_j <= high_j
    assert held >= 0.98 * windows


@pytest.mark.parametrize("update_s", [0.02, 0.05, 0.1])
def test_the_update_period_is_learned_from_runs_of_equal_values(update_s: float) -> None:
    """No shorter than it is, with its jitter, and longer by no more than two polls and the jitter."""
    dice = random.Random(1)
    series = readings(dice, make_work(dice, 5.0, jumping=False), update_s, 0.02, noise_w=3.0)
    hold_s = integral.hold_s(series)
    assert hold_s is not None
    assert update_s <= hold_s <= 1.05 * update_s + 0.025


def power(times_s: list[float], values_w: list[float]) -> Series:
    return Series(DEVICE, "power_w", "test", array("d", times_s), array("d", times_s), array("d", values_w))


def test_what_cannot_be_learned_is_assumed() -> None:
    """Few readings say nothing; values that never change are held up to 100 ms; ever new ones no longer than a poll."""
    assert integral.hold_s(power([0.0, 1.0], [10.0, 30.0])) is None
    assert integral.hold_s(power([float(i) for i in range(20)], [50.0] * 20)) == integral.LONGEST_HOLD_S
    assert integral.hold_s(power([i / 100 for i in range(20)], [50.0 + i for i in range(20)])) == pytest.approx(0.01)
    assert integral.hold_s(power([float(i) for i in range(20)], [50.0 + i for i in range(20)])) == 0.1


def test_few_changes_far_apart_are_all_that_a_slow_sensor_shows() -> None:
    """A second between changes is a sensor of a second, whatever else is not known; closer ones are the power's own."""
    slow = power([i / 100 for i in range(400)], [50.0 if i < 150 else 90.0 if i < 250 else 250.0 for i in range(400)])
    assert integral.hold_s(slow) == pytest.approx(1.0, abs=0.03)
    assert integral.changes_seldom(slow)
    quick = power([i / 100 for i in range(400)], [50.0 if i < 150 else 90.0 if i < 180 else 250.0 for i in range(400)])
    assert integral.hold_s(quick) == integral.LONGEST_HOLD_S


def test_work_between_two_rests_is_no_slow_sensor() -> None:
    """Two changes six seconds apart are those of the power: its integral is not moved by three seconds."""
    shown = power([i / 100 for i in range(1000)], [400.0 if 200 <= i < 800 else 60.0 for i in range(1000)])
    hold_s = integral.hold_s(shown)
    assert hold_s == integral.LONGEST_HOLD_S
    assert integral.integral(shown, 2.5, 7.5, UNKNOWN_DELAY, hold_s).best == pytest.approx(2000.0)


def test_bounds_hold_for_a_sensor_that_is_renewed_every_second() -> None:
    """Work of 1.2 s that begins right after a look is shown a second late, and in part only."""
    times_s = [i / 100 for i in range(800)]
    truth_w = [500.0 if 3.05 <= at_s < 4.25 else 100.0 for at_s in times_s]
    shown = power(times_s, [truth_w[100 * int(at_s)] + int(at_s) % 3 for at_s in times_s])
    hold_s = integral.hold_s(shown)
    assert hold_s is not None
    low_j, _, high_j = integral.integral(shown, 3.05, 4.25, UNKNOWN_DELAY, hold_s)
    assert low_j <= 600 <= high_j


def test_a_short_window_has_bounds_too() -> None:
    """Shorter than twice the period, all of it may be what the sensor showed next."""
    series = power([i / 100 for i in range(200)], [50.0 if i < 100 else 250.0 for i in range(200)])
    low_j, best_j, high_j = integral.integral(series, 0.95, 1.05, NO_DELAY, 0.1)
    assert low_j - 1e-9 <= 0.05 * 50 + 0.05 * 250 <= high_j + 1e-9
    assert low_j <= best_j <= high_j
    assert (low_j, high_j) == (pytest.approx(15.0, abs=2.5), pytest.approx(25.0, abs=2.5))


@pytest.mark.parametrize("update_s", [0.02, 0.1])
def test_a_replayed_trace_of_such_a_sensor_has_bounds_that_hold(update_s: float, tmp_path: Path) -> None:
    """The collector learns the period from the trace; its delay is 0, as recorded."""
    dice, file = random.Random(5), tmp_path / "trace.csv"
    for _ in range(8):
        work = make_work(dice, 1.0, jumping=False)
        series = readings(dice, work, update_s, 0.0, noise_w=2.0)
        rows = (f"{at_s!r},gpu,gpu,{watts!r}" for at_s, watts in zip(series.before_s, series.values, strict=True))
        file.write_text("\n".join(["time_s,device,component,power_w", *rows, ""]))
        with ReplayCollector(ReplayOptions(file)) as collector:
            begin_s = collector.samples().series[0].before_s[0] - series.before_s[0]
            window = Mark(begin_s + work.start_s), Mark(begin_s + work.stop_s)
            (reading,) = collector.read(*window).readings
        assert reading.bounds_j.low <= work.energy_j <= reading.bounds_j.high
        assert reading.recipe is not None
        assert reading.recipe.hold_s >= update_s
