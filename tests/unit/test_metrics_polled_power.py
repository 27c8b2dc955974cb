"""Power that is read now and then: its integral keeps the truth within the bounds, and a gap has no figure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest

from ai_energy_benchmarks.domain.power import Device, Mark
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.polled_power import PolledPower, PowerSensor

PLUG = Device("cpu", "plug-1", "a wall plug")
HOLD_S = 0.05


class Plug:
    """A plug that measures every 50 ms and shows that value until it measures again."""

    def __init__(self, power_w: Callable[[float], float]) -> None:
        self.power_w = power_w
        self.answers = True

    def read_w(self) -> dict[str, float]:
        """What it shows now."""
        if not self.answers:
            return {}
        return {PLUG.id: self.power_w(time.perf_counter() // HOLD_S * HOLD_S)}


def metered(plug: Plug, patience_s: float = 2.0) -> PolledPower:
    """The meter of the plug."""
    sensors = (PowerSensor(PLUG, HOLD_S),)
    return PolledPower("plug", sensors, "the plug does not see it", plug.read_w, 0.01, patience_s=patience_s)


def sawtooth_w(at_s: float) -> float:
    """Between 50 and 150 W, up and down within a second."""
    return 50.0 + 200.0 * abs(at_s % 1.0 - 0.5)


def sawtooth_j(start: Mark, stop: Mark) -> float:
    """Its integral, by steps that are much shorter than any change."""
    count = 10_000
    step_s = (stop.time_s - start.time_s) / count
    return sum(sawtooth_w(start.time_s + (number + 0.5) * step_s) for number in range(count)) * step_s


def test_the_integral_bounds_the_energy_and_can_be_made_again() -> None:
    """Power times time, by the rule that re-analysis follows; what the plug does not see is absent."""
    polled = metered(Plug(sawtooth_w))
    try:
        start = polled.mark()
        time.sleep(0.4)
        measurement = polled.measure(start, stop := polled.mark())
        (series,) = polled.samples().series
    finally:
        polled.stop()
    [reading] = measurement.readings
    assert (reading.provenance, reading.meter, reading.device) == ("integrated", "plug", PLUG)
    assert reading.bounds_j.low <= sawtooth_j(start, stop) <= reading.bounds_j.high
    assert reading.peak_power_w is not None
    assert reading.peak_power_w <= 150.0
    assert reading.recipe is not None
    assert follow(reading.recipe, series).bounds_j == reading.bounds_j
    assert set(measurement.absent) == {"gpu", "dram"}


def test_a_plug_that_stops_answering_has_no_figure() -> None:
    """Power that was not read cannot be integrated, however steady it was before."""
    plug = Plug(lambda _: 100.0)
    polled = metered(plug, patience_s=0.01)
    try:
        start = polled.mark()
        plug.answers = False
        lost = polled.measure(start, polled.mark())
    finally:
        polled.stop()
    assert (lost.readings, lost.absent["cpu"]) == ((), "the power of plug-1 was not read after the window")


@pytest.mark.parametrize("power_w", [math.nan, math.inf, -1.0])
def test_a_value_that_is_no_power_is_refused(power_w: float) -> None:
    """The meter does not open, rather than give a figure that is no number."""
    with pytest.raises(CollectorError, match="which is neither energy nor power"):
        metered(Plug(lambda _: power_w))
