"""Several meters as one, and the automatic choice among them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import evolve

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.auto import AutoCollector
from ai_energy_benchmarks.metrics.base import CollectorSettings, MetricsCollector
from ai_energy_benchmarks.metrics.combined import CombinedCollector
from ai_energy_benchmarks.metrics.cpu.modelled import ModelledCpuCollector, ModelledCpuOptions
from ai_energy_benchmarks.testing import FakeClock, FakeCollector, Journal
from tests.factories import reading

ROOT = Path(__file__).parents[2]
SETTINGS = CollectorSettings(None, Environment("test", "3", "0", cpu_model="AMD EPYC 7763 64-Core Processor"))


def fake(power_w: float = 100.0, component: str = "gpu", lost: bool = False) -> FakeCollector:
    journal = Journal()
    return FakeCollector(journal, FakeClock(journal), power_w, component, lost=lost)  # type: ignore[arg-type] # a literal


def window(*members: FakeCollector) -> tuple[CombinedCollector, Mark, Mark]:
    collector = CombinedCollector(members)
    start = collector.mark()
    for member in members:
        member.clock.time_s += 2.0
    return collector, start, collector.mark()


def test_each_component_has_its_meter() -> None:
    """What different members see stands side by side."""
    collector, start, stop = window(fake(100.0, "gpu"), fake(20.0, "cpu"))
    readings = collector.read(start, stop).readings
    assert [(each.device.component, each.energy_j, each.counted) for each in readings] == [
        ("gpu", 200.0, True),
        ("cpu", 40.0, True),
    ]


def test_the_gpus_that_count_are_those_of_the_meter_that_has_some() -> None:
    """Asked without a window; a meter of other components has no part in it."""

    class Chosen(FakeCollector):
        def counted_devices(self) -> frozenset[str] | None:
            return frozenset({"fake-gpu"})

    journal = Journal()
    combined = CombinedCollector((fake(20.0, "cpu"), Chosen(journal, FakeClock(journal))))
    assert combined.counted_devices() == {"fake-gpu"}
    assert journal.lines == []
    assert CombinedCollector((fake(20.0, "cpu"),)).counted_devices() == frozenset()
    assert CombinedCollector((fake(),)).counted_devices() is None


def test_a_component_seen_twice_counts_once() -> None:
    """The first meter wins; the other is listed but does not count."""
    collector, start, stop = window(fake(100.0), fake(90.0))
    assert [(each.energy_j, each.counted) for each in collector.read(start, stop).readings] == [
        (200.0, True),
        (180.0, False),
    ]


def test_auto_counts_each_component_by_the_meter_that_it_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeus has the boards only; the CPU, which it sees too, is RAPL's, though Zeus was opened first."""
    register(
        monkeypatch,
        nvml=seeing("nvml", auto={"gpu": 10}),
        zeus=seeing("zeus", "gpu", "cpu", auto={"gpu": 20, "cpu": 20}),
        rapl=seeing("rapl", "cpu", "dram", auto={"cpu": 10, "dram": 10}),
    )
    with AutoCollector.from_settings(SETTINGS) as collector:
        readings = collector.read(collector.mark(), collector.mark()).readings
        notes = collector.notes()
    assert {(each.meter, each.device.component) for each in readings if each.counted} == {
        ("zeus", "gpu"),
        ("rapl", "cpu"),
        ("rapl", "dram"),
    }
    assert any(note.startswith("auto picked rapl for CPU") for note in notes)


def test_auto_closes_a_meter_that_it_picked_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A meter that opens and sees none of the components for which it was tried reads nothing and reports nothing."""
    register(
        monkeypatch,
        nvml=seeing("nvml", "gpu", auto={"gpu": 10}),
        zeus=seeing("zeus", "gpu", auto={"gpu": 20, "cpu": 20, "dram": 20}),
        modelled=seeing("modelled", "cpu", auto={"cpu": 90}),
    )
    with AutoCollector(SETTINGS) as collector:
        start = collector.mark()
        measurement = collector.read(start, collector.mark())
        notes = collector.notes()
    assert {each.meter for each in measurement.readings} == {"nvml", "modelled"}
    assert measurement.absent["dram"] == "zeus: it does not see it"
    assert "auto picked modelled for CPU; not zeus: it does not see it" in notes


def test_auto_picks_a_plugin_that_states_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A meter of another distribution is picked where the more trusted ones do not open; one without a place never."""
    register(
        monkeypatch,
        rapl=seeing("rapl", auto={"cpu": 10}),
        modelled=seeing("modelled", "cpu", auto={"cpu": 90}),
        bmc=seeing("bmc", "cpu", auto={"cpu": 50}),
        silent=seeing("silent", "gpu"),
    )
    with AutoCollector.from_settings(SETTINGS) as collector:
        readings = collector.read(collector.mark(), collector.mark()).readings
        assert [(each.meter, each.counted) for each in readings] == [("bmc", True)]
        assert "auto picked bmc for CPU; not rapl: no device" in collector.notes()
        assert collector.limits() == (
            "no gpu: no meter of this machine sees it",
            "no dram: no meter of this machine sees it",
        )


def register(monkeypatch: pytest.MonkeyPatch, **kinds: type[FakeCollector]) -> None:
    """Let these be all meters that the registry knows."""
    monkeypatch.setattr(registry, "names", lambda _: tuple(kinds))
    monkeypatch.setattr(registry, "load", lambda _, name: kinds[name])


def seeing(meter: str, *components: Component, auto: Mapping[Component, int] | None = None) -> type[FakeCollector]:
    """A meter of some components, with its places in the order of ``auto``; one of none does not open."""

    class Seeing(FakeCollector):
        AUTO: ClassVar[Mapping[Component, int]] = auto or {}

        def __enter__(self) -> FakeCollector:
            if not components:
                raise CollectorError("no device")
            return self

        def components(self) -> tuple[Component, ...]:
            return components

        def read(self, start: Mark, stop: Mark) -> Measurement:
            readings = (reading(Device(each, f"{meter}-{each}"), meter=meter) for each in components)
            return Measurement(start.time_s, stop.time_s, tuple(readings))

    return Seeing


def test_a_lost_meter_costs_its_component_only() -> None:
    """The others keep their figures, and the reason stands beside."""
    collector, start, stop = window(fake(lost=True), fake(20.0, "cpu"))
    measurement = collector.read(start, stop)
    assert [each.device.component for each in measurement.readings] == ["cpu"]
    assert "unplugged" in measurement.absent["gpu"]


def test_a_second_meter_takes_over_from_a_lost_one() -> None:
    """Then nothing is absent."""
    collector, start, stop = window(fake(lost=True), fake(90.0))
    measurement = collector.read(start, stop)
    assert [(each.energy_j, each.counted) for each in measurement.readings] == [(180.0, True)]
    assert measurement.absent == {}


def test_all_meters_lost_is_an_error() -> None:
    """No device has a figure."""
    collector, start, stop = window(fake(lost=True), fake(component="cpu", lost=True))
    with pytest.raises(CollectorError, match="unplugged"):
        collector.read(start, stop)


def test_a_reason_goes_where_another_meter_sees_the_component() -> None:
    """Absent means: no meter could see it."""
    modelled = ModelledCpuCollector(ModelledCpuOptions(watts_per_thread=1.0))
    with CombinedCollector([modelled, fake(20.0, "cpu")]) as collector:
        collector.attach(Workload((), elsewhere="another machine"))
        measurement = collector.read(collector.mark(), collector.mark())
    assert measurement.absent == {}


def test_a_member_that_does_not_open_closes_the_others() -> None:
    """No meter is left running behind an error."""
    first = fake()

    class Broken(FakeCollector):
        def __enter__(self) -> FakeCollector:
            raise CollectorError("no device")

    journal = Journal()
    with (
        pytest.raises(CollectorError, match="no device"),
        CombinedCollector([first, Broken(journal, FakeClock(journal))]),
    ):
        pass
    assert first.journal.lines == ["collector enters", "collector leaves"]


def test_the_longest_guard_is_kept() -> None:
    """Every member gets at least the quiet that it asks for."""
    members = [fake(), fake()]
    members[1].quiet_s = 0.7
    assert CombinedCollector(members).guard_s() == 0.7


def test_the_longest_further_rest_is_kept() -> None:
    """Each member is asked about its own mark of the same rest, with the time that it has lasted."""
    members = [fake(), fake()]
    members[0].further_s, members[1].further_s = [0.2, 0.0], [0.5, 0.1]
    combined = CombinedCollector(members)
    start, stop = combined.mark(), evolve(combined.mark(), quiet_s=0.7)
    assert combined.further_rest_s(start, stop) == 0.5
    assert combined.further_rest_s(None, Mark(1.0, 0.4)) == 0.1
    assert [member.rests_s for member in members] == [[0.7, 0.4], [0.7, 0.4]]


def test_auto_sees_the_cpu_everywhere() -> None:
    """With no better meter the CPU is modelled, and the notes say what was picked."""
    with AutoCollector.from_settings(SETTINGS) as collector:
        collector.attach(Workload((os.getpid(),)))
        start = collector.mark()
        begin_s = time.process_time()
        while time.process_time() - begin_s < 0.05:
            pass
        measurement = collector.read(start, collector.mark())
    (cpu,) = (each for each in measurement.readings if each.device.component == "cpu")
    assert cpu.energy_j >= 0.05 * 280 / 128
    assert "dram" in measurement.absent
    assert any("picked" in note and "CPU" in note for note in collector.notes())


def test_auto_says_why_there_is_no_gpu() -> None:
    """On a machine whose driver is hidden the GPU is absent, with the driver's reason."""
    code = """
import sys
sys.modules["pynvml"] = None
from tests.unit.test_metrics_combined import SETTINGS, AutoCollector
with AutoCollector.from_settings(SETTINGS) as collector:
    print(collector.read(collector.mark(), collector.mark()).absent["gpu"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "nvml: the Python binding of NVML is missing" in done.stdout


def test_auto_is_a_collector() -> None:
    """It fulfils the contract that the runner relies on."""
    assert isinstance(AutoCollector.from_settings(SETTINGS), MetricsCollector)
