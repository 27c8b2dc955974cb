"""Rests beside a window on simulated GPUs in real time: slow falls, late counters, raised idle, sensors that lag."""

from __future__ import annotations

import asyncio
import time

from attrs import evolve

from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector
from ai_energy_benchmarks.runner.resting import rest
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, Machine, Trace

IDLE_W, WORK_W = 90.0, 600.0
BEGIN_S, LENGTH_S = 1.6, 1.0
ROUNDING_J = 0.003


class RealClock:
    """Waits in real time."""

    def now_s(self) -> float:
        return time.perf_counter()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def falling(shares: list[tuple[float, float]]) -> Trace:
    """Rest, work, and then so many seconds at each share of the step; rest again for longer than any test."""
    after = ((seconds, IDLE_W + share * (WORK_W - IDLE_W)) for seconds, share in shares)
    return ((BEGIN_S, IDLE_W), (LENGTH_S, WORK_W), *after, (60.0, IDLE_W))


def exponential(fall_s: float) -> list[tuple[float, float]]:
    """Steps of an eighth of the time constant."""
    return [(fall_s / 8, 2.718281828 ** (-(number + 0.5) / 8)) for number in range(64)]


def measured(machine: Machine) -> tuple[Measurement, float]:
    """A window that begins and ends with the work, its rests as long as the meter wants them; the latter in seconds."""
    with NvmlCollector() as collector:
        time.sleep(max(0.0, machine.origin_s + BEGIN_S - time.perf_counter()))
        start = evolve(collector.mark(), quiet_s=collector.guard_s())
        time.sleep(max(0.0, machine.origin_s + BEGIN_S + LENGTH_S - time.perf_counter()))
        stop = collector.mark()
        rested_s = asyncio.run(rest(collector, RealClock(), start, stop))
        return collector.read(start, evolve(stop, quiet_s=rested_s)), rested_s


def test_bounds_hold_what_the_card_drew(simulate: Simulate) -> None:
    """Whichever reason a rest has for being none at once, it is named, and the truth lies within the bounds."""
    machine = simulate(
        Board("GPU-falls", falling(exponential(0.1)), tick_s=0.02),
        Board("GPU-late", falling([]), tick_s=0.02, delay_s=0.2),
        Board("GPU-raised", falling([(10.0, 0.15)]), tick_s=0.02),
        Board("GPU-lags", falling([]), tick_s=0.02, lag_s=0.1),
    )
    measurement, rested_s = measured(machine)
    assert 1.0 < rested_s <= 3.01
    states = {}
    for number, reading in enumerate(measurement.readings):
        truth_j = machine.energy_j(number, measurement.start_s, measurement.stop_s)
        assert reading.bounds_j.low - ROUNDING_J <= truth_j <= reading.bounds_j.high + ROUNDING_J, reading
        assert reading.edges is not None
        states[reading.device.id] = reading.edges.state
    assert states["GPU-raised"] == "raised"
    assert "flat" not in states.values()


def test_a_quick_gpu_rests_no_longer(simulate: Simulate) -> None:
    """It falls within 5 ms and shows it 50 ms late: flat at once, after the shortest rest."""
    machine = simulate(Board("GPU-quick", falling([(0.005, 0.4)]), tick_s=0.02, delay_s=0.05))
    measurement, rested_s = measured(machine)
    (reading,) = measurement.readings
    assert rested_s < 0.5
    assert reading.edges is not None
    assert reading.edges.state == "flat"
    truth_j = machine.energy_j(0, measurement.start_s, measurement.stop_s)
    assert reading.bounds_j.low - ROUNDING_J <= truth_j <= reading.bounds_j.high + ROUNDING_J
