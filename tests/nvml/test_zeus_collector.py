"""The real Zeus as a meter, on simulated boards."""

from __future__ import annotations

import time

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
        assert reading.energy_low_j <= truth_j <= reading.energy_high_j
        assert reading.energy_j == pytest.approx(truth_j, rel=0.1)
        assert reading.provenance == "measured"
    assert set(measurement.absent) == {"cpu", "dram"}


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
