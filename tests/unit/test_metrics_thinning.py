"""Meters that run so long that old readings go: what a window's figure was made of stays."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import pytest

from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.metrics import polled_series
from ai_energy_benchmarks.metrics.polled import Counter, PolledCollector, PolledCounters
from ai_energy_benchmarks.metrics.rapl import collector as rapl
from ai_energy_benchmarks.metrics.rapl.collector import RaplCollector
from ai_energy_benchmarks.metrics.rapl.zones import Zones
from ai_energy_benchmarks.metrics.recording import Recorder
from ai_energy_benchmarks.results.reanalysis.cutting import by_name, measured_again
from tests.factories import CPU, GPU

Meter = RaplCollector | PolledCollector


class Machine:
    """Time that passes only when somebody sleeps, and a counter of wild power that moves every 50 ms."""

    def __init__(self) -> None:
        self.now_s, self._dice, self._levels_j = 0.0, random.Random(1), [0.0]

    def perf_counter(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def energy_j(self) -> float:
        while len(self._levels_j) <= self.now_s * 20:
            self._levels_j.append(self._levels_j[-1] + self._dice.choice((3.0, 10.0, 20.0)))
        return self._levels_j[int(self.now_s * 20)]


class Sampler:
    """Reads at once when it is told to, and never by itself."""

    def __init__(self, sample: Callable[[], None], poll_s: float, name: str) -> None:
        self.poke = sample

    def stop(self) -> None:
        """Nothing runs."""


class Zone:
    """The counter of a package."""

    device, whole = CPU, False

    def __init__(self, machine: Machine) -> None:
        self.energy_j = machine.energy_j

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def library(machine: Machine) -> Iterator[Meter]:
    """A library's counters, of which one is late."""
    counters = (Counter(CPU, "measured"), Counter(GPU, "measured", Delay(0.0, 0.05)))
    meter = PolledCollector()
    meter.polled = PolledCounters(
        "library", counters, "unseen", lambda: dict.fromkeys((CPU.id, GPU.id), machine.energy_j()), poll_s=0.05
    )
    yield meter


def packages(machine: Machine) -> AbstractContextManager[Meter]:
    return RaplCollector()


@pytest.mark.parametrize("make", [packages, library])
def test_an_old_window_is_measured_again_bit_for_bit(
    make: Callable[[Machine], AbstractContextManager[Meter]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its readings were kept when others went, and the notes say that some did."""
    machine = Machine()
    monkeypatch.setattr(rapl, "open_zones", lambda _: Zones((Zone(machine),)))
    for module in (rapl, polled_series):
        monkeypatch.setattr(module, "time", machine)
        monkeypatch.setattr(module, "Sampler", Sampler)
        monkeypatch.setattr(module, "Recorder", partial(Recorder, most_rows=2000))
    with make(machine) as meter:
        run(meter, machine, 20.01)
        start = meter.mark()
        run(meter, machine, 30.34)
        measurement = meter.read(start, meter.mark())
        fresh = meter.notes()
        run(meter, machine, 400.0)
        assert measured_again(measurement, by_name(meter.samples())) == measurement
        assert measurement.readings
        assert not any("thinned" in note for note in fresh)
        assert any("thinned" in note for note in meter.notes())


@pytest.mark.parametrize("make", [packages, library])
def test_readings_around_moments_that_were_named_stay(
    make: Callable[[Machine], AbstractContextManager[Meter]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 3.5 s on both sides of the end of a phase keep every reading; two of four go elsewhere."""
    machine = Machine()
    monkeypatch.setattr(rapl, "open_zones", lambda _: Zones((Zone(machine),)))
    for module in (rapl, polled_series):
        monkeypatch.setattr(module, "time", machine)
        monkeypatch.setattr(module, "Sampler", Sampler)
        monkeypatch.setattr(module, "Recorder", partial(Recorder, most_rows=2000))
    with make(machine) as meter:
        run(meter, machine, 20.0)
        meter.keep_readings([10.0])
        whole = [at_s for at_s in meter.samples().series[0].after_s if 6.5 <= at_s <= 13.5]
        run(meter, machine, 400.0)
        series = meter.samples().series[0].after_s
        assert [at_s for at_s in series if 6.5 <= at_s <= 13.5] == whole
        assert 0 < len([at_s for at_s in series if 14 <= at_s <= 20]) < len(whole) / 2


def run(meter: Meter, machine: Machine, until_s: float) -> None:
    while machine.now_s < until_s:
        machine.sleep(0.03)
        meter.mark()
