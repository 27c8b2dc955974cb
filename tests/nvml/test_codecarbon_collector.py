"""The real CodeCarbon as a meter, on simulated boards; in a process of its own, since it looks for boards only once."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, constant, square

pytestmark = pytest.mark.skipif(importlib.util.find_spec("codecarbon") is None, reason="codecarbon is not installed")

CHILD = """
import json, sys, time
from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.metrics.codecarbon import CodeCarbonCollector
from tests.factories import ENVIRONMENT

settings = CollectorSettings(CodeCarbonCollector.Options(measure_s=0.1), ENVIRONMENT, country_iso_code="FRA")
with CodeCarbonCollector.from_settings(settings) as collector:
    time.sleep(float(sys.argv[1]))
    if sys.argv[3:]:
        collector.attach(Workload((), **json.loads(sys.argv[3])))
    start = collector.mark()
    time.sleep(float(sys.argv[2]))
    said = {"start_s": start.time_s}
    try:
        measurement = collector.read(start, collector.mark())
    except CollectorError as error:
        said["error"] = error.message
    else:
        said |= {"stop_s": measurement.stop_s, "absent": dict(measurement.absent)}
        said["gpus"] = {each.device.id: [each.counted, each.energy_j] for each in measurement.readings}
        collector.polled.stop()  # so that nothing is read between the two totals
        said["codecarbon_j"] = collector._totals.total.gpu_energy * 3.6e6
        said["all_j"] = {each.device.id: each.values[-1] for each in collector.samples().series}
        said |= {
            each.device.component: [each.bounds_j.low, each.energy_j, each.bounds_j.high, each.provenance]
            for each in measurement.readings
        }
print(json.dumps(said))
"""


def measured(root: Path, tmp_path: Path, settle_s: float, window_s: float, *workload: str) -> dict[str, Any]:
    """What CodeCarbon says of one window; it looks for boards only where there is an ``nvidia-smi``."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(settle_s), str(window_s), *workload],
        cwd=root,
        env=os.environ | {"PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("window_s", [0.15, 1.0])
def test_the_bounds_know_of_the_counters_ticks(simulate: Simulate, root: Path, tmp_path: Path, window_s: float) -> None:
    """Power that jumps, a counter that moves every 100 ms and is seen late: the truth lies within the bounds."""
    machine = simulate(Board("GPU-0", square(100.0, 500.0, 0.37), delay_s=0.04))
    said = measured(root, tmp_path, 1.0, window_s)
    low_j, energy_j, high_j, word = said["gpu"]
    truth_j = machine.energy_j(0, said["start_s"], said["stop_s"])
    assert low_j - 0.002 <= truth_j <= high_j + 0.002
    assert low_j <= energy_j <= high_j
    assert word == "measured"


def test_a_board_that_is_lost_has_no_figure(simulate: Simulate, root: Path, tmp_path: Path) -> None:
    """CodeCarbon swallows the loss and goes on with the last value; no number is made of that."""
    simulate(Board("GPU-0", delay_s=0.01, lost_at_s=9.0))
    said = measured(root, tmp_path, 8.0, 0.5)
    assert "gpu" not in said
    assert "gpu" in said.get("absent", {}) or "error" in said


def test_power_multiplied_by_time_is_no_measurement(simulate: Simulate, root: Path, tmp_path: Path) -> None:
    """Where a GPU has no energy counter, CodeCarbon 3.3 does that, and nothing bounds it: no figure."""
    simulate(Board("GPU-0", counter=False))
    said = measured(root, tmp_path, 0.5, 0.5)
    assert "gpu" not in said
    assert "gpu" in said.get("absent", {}) or "error" in said


@pytest.mark.parametrize(
    ("workload", "used"),
    [('{"board_ids": ["GPU-2"]}', {"codecarbon-gpu-2"}), ('{"device_ids": [1]}', {"codecarbon-gpu-1"}), ("{}", set())],
)
def test_only_the_gpus_of_the_engine_count(
    simulate: Simulate, root: Path, tmp_path: Path, workload: str, used: set[str]
) -> None:
    """One of eight at work: its energy alone, not the sum that CodeCarbon publishes; none where it is not known."""
    machine = simulate(*(Board(f"GPU-{n}", constant(650.0 if n in (1, 2) else 140.0)) for n in range(8)))
    said = measured(root, tmp_path, 1.0, 1.0, workload)
    assert {name for name, (is_counted, _) in said["gpus"].items() if is_counted and "gpu" in name} == used
    assert ("gpu" in said["absent"]) == (not used)
    for name in used:
        _, energy_j = said["gpus"][name]
        truth_j = machine.energy_j(int(name[-1]), said["start_s"], said["stop_s"])
        # Of a window of 1 s CodeCarbon's late counter is off by a tick at each edge; another GPU would be off by 80 %.
        assert energy_j == pytest.approx(truth_j, rel=0.4)
    of_gpus_j = [energy_j for name, energy_j in said["all_j"].items() if "gpu" in name]
    assert len(of_gpus_j) == 8
    # The last total may be some milliseconds newer than the last reading; a GPU more or less would be 6 % and more.
    assert sum(of_gpus_j) == pytest.approx(said["codecarbon_j"], rel=0.02)
