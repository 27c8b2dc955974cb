"""Power that is read now and then: its integral keeps the truth within the bounds, and a gap has no figure."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from http.client import IncompleteRead

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


@pytest.mark.parametrize("error", [IncompleteRead(b"{"), KeyError("power"), RuntimeError("busy"), OSError("500")])
def test_an_answer_that_fails_in_any_way_does_not_end_the_readings(error: Exception) -> None:
    """Libraries of devices raise what they like; the next answer counts again, and a window that ends so has none."""
    answers: deque[Exception | None] = deque([None, error])
    read = threading.Event()

    def read_w() -> dict[str, float]:
        failure = answers.popleft() if answers else None
        if not answers:
            read.set()
        if failure is not None:
            raise failure
        return {PLUG.id: 100.0}

    polled = PolledPower(
        "plug", (PowerSensor(PLUG, HOLD_S),), "the plug does not see it", read_w, 0.01, patience_s=0.05
    )
    try:
        assert read.wait(10.0)
        start = polled.mark()
        time.sleep(0.1)
        (reading,) = polled.measure(start, polled.mark()).readings
        assert any(thread.name == "plug" for thread in threading.enumerate())
        assert reading.energy_j == pytest.approx(100.0 * 0.1, rel=1.0)
        answers.extend([error] * 10_000)
        with pytest.raises(CollectorError, match="plug cannot be read: ") as caught:
            polled.measure(start, polled.mark())
        assert caught.value.remedy
    finally:
        polled.stop()


@pytest.mark.parametrize(("values", "said"), [({"plug-2": 1.0}, "is none of the devices"), ({PLUG.id: "1"}, "neither")])
def test_what_is_no_reading_of_a_device_is_refused(values: dict[str, float], said: str) -> None:
    """Another device, or text."""
    with pytest.raises(CollectorError, match=said):
        PolledPower("plug", (PowerSensor(PLUG, HOLD_S),), "the plug does not see it", lambda: values, 0.01)


@pytest.mark.parametrize("power_w", [math.nan, math.inf, -1.0])
def test_a_value_that_is_no_power_is_refused(power_w: float) -> None:
    """The meter does not open, rather than give a figure that is no number."""
    with pytest.raises(CollectorError, match="which is neither energy nor power"):
        metered(Plug(lambda _: power_w))
