"""Options of the meters: how often they read, and how late values are taken to be."""

from __future__ import annotations

import time

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.metrics.base import CollectorSettings, MetricsCollector
from ai_energy_benchmarks.metrics.cpu.modelled import ModelledCpuCollector, ModelledCpuOptions
from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector, NvmlOptions
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, telegraph


def readings_in(collector: MetricsCollector, seconds: float) -> int:
    """How many different values of the longest series a meter keeps of a while without marks."""
    with collector:
        time.sleep(seconds)
        return max(len(series.values) for series in collector.samples().series)


def test_a_longer_poll_reads_less_often(simulate: Simulate) -> None:
    """Power has no ticks, so a board without a counter is read every ``poll_s``."""
    counts = []
    for poll_s in (0.02, 0.2):
        simulate(Board("GPU-0", telegraph(seed=1), counter=False, tick_s=0.001))
        counts.append(readings_in(NvmlCollector(NvmlOptions(poll_s=poll_s)), 1.0))
    assert counts[0] > 2 * counts[1]


def test_a_longer_poll_of_zeus_reads_less_often(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the counters that Zeus reads."""
    pytest.importorskip("zeus.device", reason="zeus is not installed")
    import zeus.device.gpu

    from ai_energy_benchmarks.metrics.zeus import ZeusCollector, ZeusOptions

    counts = []
    for poll_s in (0.02, 0.2):
        monkeypatch.setattr(zeus.device.gpu, "_gpus", None)  # Zeus keeps the first machine that it saw
        simulate(Board("GPU-0", telegraph(seed=1), tick_s=0.001))
        counts.append(readings_in(ZeusCollector(ZeusOptions(poll_s=poll_s)), 1.0))
    assert counts[0] > 2 * counts[1]


def test_a_longer_poll_of_the_model_reads_less_often() -> None:
    """The same for the processor time of this process, which a busy loop lets grow."""
    counts = []
    for poll_s in (0.02, 10.0):
        environment = Environment("", "", "", cpu_model="a processor")
        settings = CollectorSettings(ModelledCpuOptions(10.0, poll_s), environment)
        with ModelledCpuCollector.from_settings(settings) as collector:
            until_s = time.perf_counter() + 0.5
            while time.perf_counter() < until_s:
                sum(range(1000))
                time.sleep(0.001)  # a loop that never rests would keep the reading thread from its turn
            counts.append(max(len(series.values) for series in collector.samples().series))
    assert counts[0] > 2 * counts[1]


def test_delays_and_waiting_are_those_asked_for(simulate: Simulate) -> None:
    """The bounds of a window are computed with them, as its recipe says."""
    simulate(Board("GPU-0", telegraph(seed=1)))
    with NvmlCollector(NvmlOptions(delay_low_s=0.01, delay_high_s=0.07)) as collector:
        start = collector.mark()
        time.sleep(0.3)
        (reading,) = collector.read(start, collector.mark()).readings
    assert reading.recipe is not None
    assert (reading.recipe.delay_low_s, reading.recipe.delay_high_s) == (0.01, 0.07)


def test_rests_are_judged_by_the_limits_asked_for(simulate: Simulate) -> None:
    """A GPU that never comes to rest is rested for the longest time; the recipe holds the other limits."""
    simulate(Board("GPU-0", ((0.3, 400.0), (0.3, 100.0)), tick_s=0.02))
    limits = NvmlOptions(flat_within=0.04, max_delay_s=0.3, max_rest_s=0.5)
    with NvmlCollector(limits) as collector:
        time.sleep(0.5)
        start = collector.mark()
        time.sleep(0.5)
        stop = evolve(collector.mark(), quiet_s=0.45)
        time.sleep(0.45)
        further_s = collector.further_rest_s(None, evolve(start, quiet_s=0.45))
        rested = evolve(start, quiet_s=0.45)
        assert collector.further_rest_s(rested, stop) == pytest.approx(0.05)
        assert collector.further_rest_s(rested, evolve(stop, quiet_s=0.5)) == 0.0
        (reading,) = collector.read(rested, stop).readings
    assert further_s == pytest.approx(0.05)
    assert reading.edges is not None
    assert (reading.edges.state, reading.edges.delay_high_s) == ("unsettled", 0.3)
    assert reading.recipe is not None
    assert (reading.recipe.flat_within, reading.recipe.widest_delay_s) == (0.04, 0.3)
