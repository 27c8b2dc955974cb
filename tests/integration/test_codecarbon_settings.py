"""Options of the CodeCarbon meter."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("codecarbon", reason="codecarbon is not installed")

from ai_energy_benchmarks.metrics.codecarbon import CodeCarbonCollector
from tests.integration.test_codecarbon import settings


def test_mode_and_rated_power_are_passed_on(tmp_path: Path) -> None:
    """A higher rated power gives more energy; a process has less memory than the machine."""
    powers_w = {}
    cases = ((100, "machine"), (500, "machine"), (500, "process"))
    with ExitStack() as stack:  # windows of the same second
        meters = [
            stack.enter_context(CodeCarbonCollector(settings(tmp_path, force_cpu_power_w=power_w, tracking_mode=mode)))
            for power_w, mode in cases
        ]
        starts = [meter.mark() for meter in meters]
        time.sleep(1.5)
        stops = [meter.mark() for meter in meters]
        for case, meter, start, stop in zip(cases, meters, starts, stops, strict=True):
            found = meter.read(start, stop)
            powers_w[case] = {each.device.component: each.energy_j / found.duration_s for each in found.readings}
    assert powers_w[500, "machine"]["cpu"] > 1.5 * powers_w[100, "machine"]["cpu"]
    assert powers_w[500, "process"]["dram"] < powers_w[500, "machine"]["dram"]


def test_settings_of_codecarbon_elsewhere_change_no_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data centre's factor in the environment would multiply what processors and memory used."""
    powers_w = []
    for _ in range(2):
        with CodeCarbonCollector(settings(tmp_path)) as collector:
            start = collector.mark()
            time.sleep(0.5)
            found = collector.read(start, collector.mark())
        energies_j = {reading.device.component: reading.energy_j for reading in found.readings}
        powers_w.append(energies_j["dram"] / found.duration_s)
        monkeypatch.setenv("CODECARBON_PUE", "10")
    assert powers_w[1] == pytest.approx(powers_w[0], rel=0.2)


def test_every_reading_is_a_new_one(tmp_path: Path) -> None:
    """CodeCarbon 3.3 returns old totals to whoever asks within 50 ms, which a reading next to an edge may not be."""
    with CodeCarbonCollector(settings(tmp_path)) as collector:
        for _ in range(4):
            collector.mark()
            time.sleep(0.02)
        marks = [collector.mark(), collector.mark()]
        collector.read(*marks)
        (memory,) = (series for series in collector.samples().series if series.device.component == "dram")
    assert len(memory.values) > 2
    assert all(later > earlier for earlier, later in pairwise(memory.values))
