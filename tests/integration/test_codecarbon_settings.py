"""Options of the CodeCarbon meter."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("codecarbon", reason="codecarbon is not installed")

from ai_energy_benchmarks.metrics.codecarbon import CodeCarbonCollector
from tests.integration.test_codecarbon import settings


def test_mode_and_rated_power_are_passed_on(tmp_path: Path) -> None:
    """A higher rated power gives more energy; a process has less memory than the machine."""
    energies_j = {}
    for power_w, mode in ((100, "machine"), (500, "machine"), (500, "process")):
        chosen = settings(tmp_path, force_cpu_power_w=power_w, tracking_mode=mode)
        with CodeCarbonCollector(chosen) as collector:
            start = collector.mark()
            time.sleep(1.5)
            found = collector.read(start, collector.mark())
        energies_j[power_w, mode] = {each.device.component: each.energy_j / found.duration_s for each in found.readings}
    assert energies_j[500, "machine"]["cpu"] > 1.5 * energies_j[100, "machine"]["cpu"]
    assert energies_j[500, "process"]["dram"] < energies_j[500, "machine"]["dram"]
