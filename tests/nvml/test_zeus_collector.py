"""The real Zeus as a meter, on simulated boards."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

pytest.importorskip("zeus.device", reason="zeus is not installed")

from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.metrics.zeus import ZeusCollector
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, constant


@pytest.fixture
def collector(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> ZeusCollector:
    import zeus.device.gpu

    monkeypatch.setattr(zeus.device.gpu, "_gpus", None)  # Zeus keeps the first machine that it saw
    simulate(Board("GPU-0", constant(200.0), tick_s=0.1), Board("GPU-1", constant(50.0), tick_s=0.02))
    return ZeusCollector()


def test_boards_have_energy_with_bounds(collector: ZeusCollector) -> None:
    """A window of constant power reads power times time, and its bounds hold the truth."""
    with collector:
        time.sleep(0.4)
        start = collector.mark()
        time.sleep(1.0)
        measurement = collector.read(start, collector.mark())
    assert [reading.meter for reading in measurement.readings] == ["zeus", "zeus"]
    for reading, power_w in zip(measurement.readings, (200.0, 50.0), strict=True):
        truth_j = power_w * measurement.duration_s
        assert reading.bounds_j.low <= truth_j <= reading.bounds_j.high
        assert reading.energy_j == pytest.approx(truth_j, rel=0.1)
        assert reading.provenance == "measured"
    assert set(measurement.absent) == {"cpu", "dram"}


@pytest.mark.parametrize(
    ("workload", "used"),
    [
        (Workload((), ("GPU-2",)), "zeus-gpu-2"),
        (Workload((), device_ids=(2,)), "zeus-gpu-2"),
        (Workload((os.getpid(),)), "zeus-gpu-2"),
        (Workload(()), None),
    ],
)
def test_one_gpu_of_eight_counts(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch, workload: Workload, used: str | None
) -> None:
    """650 W of an engine on one GPU, not the 1630 W of all eight; none where it is not known which it uses."""
    import zeus.device.gpu

    monkeypatch.setattr(zeus.device.gpu, "_gpus", None)
    machine = simulate(
        *(
            Board(f"GPU-{n}", constant(650.0 if n == 2 else 140.0), pids=(os.getpid(),) if n == 2 else ())
            for n in range(8)
        )
    )
    with ZeusCollector() as collector:
        collector.attach(workload)
        time.sleep(0.4)
        start = collector.mark()
        time.sleep(1.0)
        measurement = collector.read(start, collector.mark())
    counted = [each for each in measurement.readings if each.counted]
    assert len(measurement.readings) == 8
    assert [each.device.id for each in counted] == ([used] if used else [])
    assert ("gpu" in measurement.absent) is (used is None)
    for each in counted:
        truth_j = machine.energy_j(2, measurement.start_s, measurement.stop_s)
        assert each.bounds_j.low <= truth_j <= each.bounds_j.high


def test_an_index_is_that_of_the_visible_gpus(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeus lists only those that ``CUDA_VISIBLE_DEVICES`` shows, in its order; so does CUDA."""
    import zeus.device.gpu

    monkeypatch.setattr(zeus.device.gpu, "_gpus", None)
    simulate(*(Board(f"GPU-{n}", constant(100.0 + n)) for n in range(4)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    with ZeusCollector() as collector:
        collector.attach(Workload((), device_ids=(1,)))
        by_index = collector.read(collector.mark(), collector.mark())
        collector.attach(Workload((), ("GPU-3",)))
        by_uuid = collector.read(collector.mark(), collector.mark())
    assert [each.counted for each in by_index.readings] == [False, True]
    assert [each.counted for each in by_uuid.readings] == [True, False]


def test_boards_do_not_count_for_an_engine_on_the_cpu(collector: ZeusCollector) -> None:
    """An engine that uses no board leaves the boards listed apart."""
    with collector:
        collector.attach(Workload((1,), board_ids=()))
        measurement = collector.read(collector.mark(), collector.mark())
    assert [reading.counted for reading in measurement.readings] == [False, False]


def test_a_workload_elsewhere_is_absent(collector: ZeusCollector) -> None:
    """This machine's boards say nothing of a remote engine."""
    with collector:
        collector.attach(Workload((), None, elsewhere="another machine"))
        measurement = collector.read(collector.mark(), collector.mark())
    assert measurement.readings == ()
    assert set(measurement.absent) == {"gpu", "cpu", "dram"}


def test_the_platform_is_not_added_to_its_packages(
    collector: ZeusCollector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Zeus lists ``psys`` as one more processor; the sum would count the package twice."""
    import zeus.device.cpu
    import zeus.device.cpu.rapl

    for number, name in enumerate(("package-0", "psys")):
        zone = tmp_path / "rapl" / f"intel-rapl:{number}"
        zone.mkdir(parents=True)
        for file, text in {"name": name, "energy_uj": "5000000", "max_energy_range_uj": "262143328850"}.items():
            (zone / file).write_text(f"{text}\n")
    monkeypatch.setattr(zeus.device.cpu.rapl, "RAPL_DIR", str(tmp_path / "rapl"))
    monkeypatch.setattr(zeus.device.cpu, "_cpus", None)
    zeus.device.cpu.rapl.rapl_is_available.cache_clear()
    with collector:
        assert [series.device.label for series in collector.samples().series if series.device.component == "cpu"] == [
            "package 0"
        ]
    zeus.device.cpu.rapl.rapl_is_available.cache_clear()
    zeus.device.cpu._cpus = None
