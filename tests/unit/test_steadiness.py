"""What counts as a drift of GPUs, and what is only their noise."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable
from itertools import accumulate

import pytest

from ai_energy_benchmarks.analysis.steadiness import Change, Slope, change, speed
from ai_energy_benchmarks.config.model import ThermalGateConfig
from ai_energy_benchmarks.domain.power import Device, Samples, Series
from tests.factories import GPU, OTHER_GPU

LIMIT = ThermalGateConfig().max_power_change_per_minute
Curve = Callable[[float], float]


def power(curve: Curve, noise: float, seed: int, device: Device = GPU) -> Series:
    """Ten readings a second for 60 s, each with its own noise."""
    dice = random.Random(seed)
    times_s = array("d", (i / 10 for i in range(601)))
    values = array("d", (curve(at_s) * (1 + dice.gauss(0, noise)) for at_s in times_s))
    return Series(device, "power_w", "test", times_s, times_s, values)


def counter(curve: Curve, tick_s: float, device: Device = GPU) -> Series:
    """A counter of what the curve draws, read when it moves, from a second before the window on."""
    times_s = array("d", (i * tick_s - 1 for i in range(int(61 / tick_s) + 1)))
    values = array("d", accumulate(curve(at_s) * tick_s for at_s in times_s))
    return Series(device, "energy_j", "test", times_s, times_s, values)


def steady(*series: Series) -> bool:
    """Whether the gate would open after these 60 s."""
    return of(*series).power.surely <= LIMIT


def of(*series: Series) -> Change:
    seen = change(Samples(series), None, 0.0, 60.0)
    assert seen is not None
    return seen


def test_a_meter_that_stopped_reading_shows_no_steady_gpu() -> None:
    """Its last value would be as steady as can be for the rest of the wait."""
    stopped = power(lambda _: 300.0, 0.0, 1)
    until = Series(GPU, "power_w", "test", stopped.before_s[:400], stopped.after_s[:400], stopped.values[:400])
    assert change(Samples((until,)), None, 0.0, 60.0) is None
    assert change(Samples((until,)), None, 0.0, 41.0) is not None


@pytest.mark.parametrize("noise", [0.01, 0.02, 0.05, 0.10, 0.20])
def test_a_steady_gpu_passes_however_noisy_its_readings(noise: float) -> None:
    """At each look with at least 90 %: it used to be 12 to 98 %."""
    assert sum(steady(power(lambda _: 650.0, noise, seed)) for seed in range(100)) >= 90


@pytest.mark.parametrize(("noise", "per_minute"), [(0.0, 0.015), (0.01, 0.025), (0.05, 0.06), (0.10, 0.11)])
def test_a_drift_beyond_the_noise_does_not_pass(noise: float, per_minute: float) -> None:
    """A GPU that grows warmer draws more; in readings alone the drift must exceed what their noise hides."""
    drifting = [steady(power(lambda at_s: 600 * (1 + per_minute * at_s / 60), noise, seed)) for seed in range(50)]
    assert sum(drifting) <= 2


@pytest.mark.parametrize("tick_s", [0.02, 0.1])
def test_a_counter_shows_a_drift_that_noisy_readings_hide(tick_s: float) -> None:
    """It holds all that was drawn between two readings: 2 % a minute is found under 10 % of noise."""

    def drift(at_s: float) -> float:
        return 600 * (1 + 0.02 * at_s / 60)

    assert steady(power(drift, 0.10, 1))
    assert not any(steady(power(drift, 0.10, seed), counter(drift, tick_s)) for seed in range(20))
    assert steady(power(lambda _: 600.0, 0.10, 1), counter(lambda _: 600.0, tick_s))


def test_a_load_in_bursts_is_no_drift() -> None:
    """Twelve seconds of work and three of rest, over and over."""

    def bursts(at_s: float) -> float:
        return 650.0 if at_s % 15 < 12 else 200.0

    assert steady(power(bursts, 0.02, 1), counter(bursts, 0.1))
    assert steady(power(bursts, 0.02, 1))


@pytest.mark.parametrize("fault", ["falls", "stands still"])
def test_a_counter_that_is_none_is_not_used(fault: str) -> None:
    """Then the readings of power tell."""
    broken = counter(lambda _: 100.0, 0.1)
    rest = len(broken.values) - 300
    broken.values[300:] = array("d", [0.0 if fault == "falls" else broken.values[299]] * rest)
    if fault == "stands still":
        broken.values[:300] = array("d", [broken.values[299]] * 300)
    assert steady(power(lambda _: 600.0, 0.0, 1), broken)


def test_the_power_of_several_gpus_is_judged_together() -> None:
    """One with a counter and one without: what one loses the other may gain."""

    def up(at_s: float) -> float:
        return 300 + at_s

    def down(at_s: float) -> float:
        return 300 - at_s

    both = (power(up, 0, 1), counter(up, 0.1), power(down, 0, 1, OTHER_GPU))
    assert steady(*both)
    assert not steady(*both[:2])
    assert of(*both[:2]).power.per_minute == pytest.approx(60 / 330, rel=0.02)


@pytest.mark.parametrize(("per_minute", "opens"), [(0.0, True), (0.8, True), (2.0, False), (-3.0, False)])
def test_whole_degrees_do_not_hide_or_make_a_drift(per_minute: float, opens: bool) -> None:
    """Drivers report whole degrees; a step of one is no change of more than 1 °C a minute."""
    times_s = array("d", (i / 2 for i in range(121)))
    celsius = array("d", (float(math.floor(70.49 + per_minute * at_s / 60)) for at_s in times_s))
    series = Series(GPU, "temperature_celsius", "test", times_s, times_s, celsius)
    slope = of(power(lambda _: 600.0, 0.01, 1), series).celsius
    assert slope is not None
    assert (slope.surely <= ThermalGateConfig().max_celsius_per_minute) == opens


def test_the_temperature_that_counts_is_that_of_the_gpu_that_changes_most() -> None:
    """One that is steady does not hide one that grows warmer."""
    times_s = array("d", (i / 2 for i in range(121)))
    both = [
        Series(device, "temperature_celsius", "test", times_s, times_s, array("d", (60 + rise * at for at in times_s)))
        for device, rise in ((GPU, 0.0), (OTHER_GPU, 0.1))
    ]
    slope = of(power(lambda _: 600.0, 0, 1), *both).celsius
    assert slope is not None
    assert slope.per_minute == pytest.approx(6.0, rel=0.05)


def test_power_that_nobody_read_all_the_while_is_unknown() -> None:
    """A series that begins within the window tells nothing of its begin."""
    late = power(lambda _: 600.0, 0, 1)
    assert change(Samples((late,)), None, -1.0, 59.0) is None
    assert change(Samples((late,)), ("another",), 0.0, 60.0) is None
    assert change(Samples((power(lambda _: 0.0, 0, 1),)), None, 0.0, 60.0) is None


def test_a_sure_drift_of_the_speed_below_one_percent_does_not_matter() -> None:
    """Probes that grow faster by a thousandth are steady; by two hundredths they are not."""
    slower = speed([0.1000, 0.10002, 0.10005, 0.10007, 0.1001])
    assert slower is not None
    assert not slower.drifts
    much = speed([0.100, 0.1005, 0.101, 0.1015, 0.102])
    assert much is not None
    assert much.drifts


@pytest.mark.parametrize(("per_minute", "surely"), [(0.05, 0.03), (-0.05, 0.03), (0.01, 0.0)])
def test_a_change_counts_as_far_as_it_exceeds_two_standard_errors(per_minute: float, surely: float) -> None:
    """In either direction; less is noise."""
    assert Slope(per_minute, 0.01).surely == pytest.approx(surely)


def test_the_error_of_a_slope_is_that_of_least_squares() -> None:
    """Means that scatter by σ around a level: in 60 s the slope's error is σ · √(12 / (n² − 1) / n) · n, n = 12."""
    errors = [of(power(lambda _: 600.0, 0.10, seed)).power.error for seed in range(100)]
    of_means = 0.10 / math.sqrt(600 / 12)
    assert sum(errors) / 100 == pytest.approx(of_means * math.sqrt(12 / (12**2 - 1) / 12) * 12, rel=0.1)
