"""Floating point never pushes the energy of a constant power out of its bounds."""

from __future__ import annotations

import random
from array import array
from fractions import Fraction

import pytest

from ai_energy_benchmarks.domain.edges import NO_DELAY
from ai_energy_benchmarks.domain.integral import integral
from ai_energy_benchmarks.domain.power import Device, Series

GPU = Device("gpu", "GPU-0", "a GPU")


def constant(watts: float, times_s: list[float]) -> Series:
    """Readings that are all the same."""
    clock = array("d", times_s)
    return Series(GPU, "power_w", "nvml", clock, clock, array("d", [watts] * len(times_s)))


@pytest.mark.parametrize("hold_s", [0.0, 0.1])
@pytest.mark.parametrize("clock_s", [3.0, 8e5, 1.7e9])
def test_the_energy_of_a_constant_power_lies_within_its_bounds(clock_s: float, hold_s: float) -> None:
    """Best, low and high add up the same power in other parts, and the exact product lies between all of them."""
    drawn = random.Random(1)
    for _ in range(40):
        watts, times = drawn.uniform(1.0, 700.0), [clock_s]
        while times[-1] < clock_s + 4.0:
            times.append(times[-1] + drawn.uniform(0.009, 0.013))
        series = constant(watts, times)
        start_s, stop_s = clock_s + drawn.uniform(0.3, 1.0), clock_s + drawn.uniform(2.0, 3.5)
        low_j, best_j, high_j = integral(series, start_s, stop_s, NO_DELAY, hold_s)
        assert Fraction(low_j) <= Fraction(watts) * (Fraction(stop_s) - Fraction(start_s)) <= Fraction(high_j)
        assert low_j < best_j < high_j
        assert high_j - low_j < 1e-5 * best_j


def test_the_bounds_of_nothing_are_nothing() -> None:
    """A device that draws no power has no energy, and no rounding."""
    series = constant(0.0, [0.0, 1.0, 2.0])
    assert tuple(integral(series, 0.5, 1.5, NO_DELAY)) == (0.0, 0.0, 0.0)
