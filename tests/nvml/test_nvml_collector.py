"""The NVML collector on simulated boards, through the real binding."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pynvml
import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.power import Measurement, Reading, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.processes import processes, tree
from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector, NvmlOptions
from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard
from ai_energy_benchmarks.metrics.nvml.process import RemoteSampler
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, Fall, Machine, Refusal, Violation, constant, square, telegraph

A, B, C = "GPU-aaaa1111-0000-0000-0000-000000000000", "GPU-aaaa2222-0000-0000-0000-000000000000", "GPU-bbbb3333-0000"
# The counter counts whole mJ.
ROUNDING_J = 0.002
# What a board without a fault tells.
EVERYTHING = {
    "energy_j",
    "power_w",
    "average_power_w",
    "thermal_violation_s",
    "power_violation_s",
    "board_violation_s",
    "temperature_celsius",
    "clock_hz",
    "throttle_reasons",
}
EVERYTHING |= {
    "supported_throttle_reasons",
    "memory_used_bytes",
    "utilization_percent",
    "power_limit_w",
    "performance_state",
}


def measure(collector: NvmlCollector, seconds: float) -> Measurement:
    """The energy of a window in which nothing happens."""
    start = collector.mark()
    time.sleep(seconds)
    return collector.read(start, collector.mark())


def truth_j(machine: Machine, board: int, measurement: Measurement) -> float:
    return machine.energy_j(board, measurement.start_s, measurement.stop_s)


def contains(reading: Reading, energy_j: float) -> bool:
    return reading.bounds_j.low - ROUNDING_J <= energy_j <= reading.bounds_j.high + ROUNDING_J


def test_constant_power_is_power_times_time(simulate: Simulate) -> None:
    """A board of constant power reads that power times the window's length, and its bounds hold the truth."""
    machine = simulate(Board(A, constant(250.0), tick_s=0.02, delay_s=0.03))
    with NvmlCollector() as collector:
        measurement = measure(collector, 0.5)
    (reading,) = measurement.readings
    assert reading.provenance == "measured"
    assert reading.energy_j == pytest.approx(250.0 * measurement.duration_s, rel=0.02)
    assert contains(reading, truth_j(machine, 0, measurement))
    assert reading.peak_power_w == pytest.approx(250.0)
    assert measurement.notes == ()


@pytest.mark.parametrize("tick_s", [0.01, 0.02, 0.1])
@pytest.mark.parametrize("delay_s", [0.0, 0.05])
def test_bounds_hold_the_truth(simulate: Simulate, tick_s: float, delay_s: float) -> None:
    """Whatever the tick, the delay and the start phase: the truth of a wild trace lies within the bounds."""
    machine = simulate(
        *(Board(f"GPU-{i}", telegraph(seed=i), tick_s=tick_s, delay_s=delay_s, phase_s=i * 0.013) for i in range(4))
    )
    with NvmlCollector() as collector:
        for seconds in (0.15, 0.4):
            measurement = measure(collector, seconds)
            for i, reading in enumerate(measurement.readings):
                assert contains(reading, truth_j(machine, i, measurement))
                assert reading.bounds_j.low <= reading.energy_j <= reading.bounds_j.high


def test_a_window_shorter_than_a_tick_is_wide_but_never_zero(simulate: Simulate) -> None:
    """20 ms of a board that ticks every 100 ms: positive, bounded, and its width says that it is unresolved."""
    machine = simulate(Board(A, constant(400.0)))
    with NvmlCollector() as collector:
        measurement = measure(collector, 0.02)
    (reading,) = measurement.readings
    assert reading.energy_j > 0
    assert reading.bounds_j.relative_half_width > 0.2
    assert contains(reading, truth_j(machine, 0, measurement))


def test_a_board_without_a_counter_is_integrated(simulate: Simulate) -> None:
    """Its power over time is a figure of another word, and the notes say why."""
    machine = simulate(Board(A, square(100.0, 300.0, 0.4), counter=False, instant=False, architecture=4, tick_s=0.02))
    with NvmlCollector() as collector:
        measurement = measure(collector, 1.0)
        (note,) = collector.notes()
    (reading,) = measurement.readings
    assert reading.provenance == "integrated"
    assert reading.energy_j == pytest.approx(truth_j(machine, 0, measurement), rel=0.1)
    assert contains(reading, truth_j(machine, 0, measurement))
    assert "no energy counter" in note


def test_power_that_is_averaged_has_wider_bounds(simulate: Simulate) -> None:
    """A driver that tells only the mean of the last second: the bounds know it, and hold the truth of a step."""
    trace = ((1.2, 100.0), (1.5, 500.0), (20.0, 100.0))
    machine = simulate(Board(A, trace, counter=False, instant=False, architecture=9, tick_s=0.02))
    with NvmlCollector() as collector:
        time.sleep(max(0.0, machine.origin_s + 1.2 - time.perf_counter()))
        measurement = measure(collector, 1.5)
    (reading,) = measurement.readings
    assert contains(reading, truth_j(machine, 0, measurement))
    assert reading.bounds_j.relative_half_width > 0.2


def test_the_sensors_own_error_is_not_the_meters(simulate: Simulate) -> None:
    """A gain of 5 percent stays in the figure: the bounds are of the counter's ideal integral."""
    machine = simulate(Board(A, constant(400.0), tick_s=0.02, gain=1.05))
    with NvmlCollector() as collector:
        measurement = measure(collector, 0.5)
    (reading,) = measurement.readings
    assert contains(reading, truth_j(machine, 0, measurement))
    assert truth_j(machine, 0, measurement) == pytest.approx(1.05 * 400.0 * measurement.duration_s)


def test_a_sensor_that_looks_a_part_of_the_time_counts_what_it_saw(simulate: Simulate) -> None:
    """Of power that alternates in step with its looks it sees only one half, which no software can mend."""
    simulate(Board(A, square(100.0, 500.0, 0.1), duty=0.25, jitter=0.0, offset_mj=0.0))
    with NvmlCollector() as collector:
        measurement = measure(collector, 1.0)
    (reading,) = measurement.readings
    assert reading.energy_j == pytest.approx(500.0 * measurement.duration_s, rel=0.1)


def test_boards_are_permuted_without_effect(simulate: Simulate) -> None:
    """Each board keeps its figure, wherever it stands in the list."""
    powers_w = {A: 100.0, B: 300.0, C: 700.0}
    for order in ((A, B, C), (C, A, B)):
        simulate(*(Board(uuid, constant(powers_w[uuid]), tick_s=0.01) for uuid in order))
        with NvmlCollector() as collector:
            measurement = measure(collector, 0.2)
        for reading in measurement.readings:
            assert contains(reading, powers_w[reading.device.id] * measurement.duration_s)


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        ("1", [B]),
        ("2,0", [C, A]),
        ("0,-1,1", [A]),
        ("0,7,1", [A]),
        (B, [B]),
        ("GPU-bbbb", [C]),
        ("GPU-bbbb,0", [C, A]),
        ("GPU-bbbb,GPU-aaaa", [C]),  # the second prefix means two boards
        (" 1 , 2 ", [B, C]),
    ],
)
def test_only_visible_boards_are_read(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch, visible: str, seen: list[str]
) -> None:
    """CUDA_VISIBLE_DEVICES means here what it means to CUDA."""
    simulate(*(Board(uuid, tick_s=0.01) for uuid in (A, B, C)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with NvmlCollector() as collector:
        assert [reading.device.id for reading in measure(collector, 0.05).readings] == seen


@pytest.mark.parametrize("visible", ["", "-1", "GPU-aaaa", "no board"])
def test_no_visible_board_is_an_error(simulate: Simulate, monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    """Hiding all boards leaves nothing to measure, which is said with its fix."""
    simulate(Board(A), Board(B))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(CollectorError, match="CUDA_VISIBLE_DEVICES") as caught, NvmlCollector():
        pass
    assert caught.value.remedy is not None


@pytest.mark.parametrize("visible", ["MIG-11112222-3333", "MIG-1111", f"MIG-{B}/7/0"])
def test_a_mig_slice_is_reported_as_its_shared_board(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch, visible: str
) -> None:
    """A slice has no energy of its own: the parent board is measured, and every window says so."""
    simulate(Board(A, tick_s=0.01), Board(B, tick_s=0.01, slices=("MIG-11112222-3333", "MIG-99992222-3333")))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with NvmlCollector() as collector:
        measurement = measure(collector, 0.05)
    assert [reading.device.id for reading in measurement.readings] == [B]
    assert any(note.startswith("shared_board") for note in measurement.notes)


def test_a_gpu_with_slices_is_shared_though_no_slice_is_named(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA takes the first slice where MIG is on: the energy of the others is in the figure, and that is said."""
    simulate(Board(A, tick_s=0.01, slices=("MIG-11112222-3333", "MIG-99992222-3333")), Board(B, tick_s=0.01))
    notes = {}
    for visible in (A, B):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        with NvmlCollector() as collector:
            notes[visible] = [note for note in measure(collector, 0.05).notes if note.startswith("shared_board")]
    assert len(notes[A]) == 1
    assert "a MIG slice" in notes[A][0]
    assert notes[B] == []


def test_the_boards_of_the_engine_count(simulate: Simulate) -> None:
    """Named boards count; the others are listed apart."""
    simulate(Board(A, tick_s=0.01), Board(B, tick_s=0.01))
    with NvmlCollector() as collector:
        collector.attach(Workload((1,), board_ids=(B,)))
        counted = {reading.device.id: reading.counted for reading in measure(collector, 0.05).readings}
    assert counted == {A: False, B: True}


def test_the_boards_that_the_user_named_count(simulate: Simulate) -> None:
    """Whatever processes they hold; one that is not there leaves the sum absent, with the reason."""
    simulate(Board(A, tick_s=0.01, pids=(os.getpid(),)), Board(B, tick_s=0.01))
    with NvmlCollector() as collector:
        collector.attach(Workload((os.getpid(),), device_ids=(1,)))
        counted = {reading.device.id: reading.counted for reading in measure(collector, 0.05).readings}
        collector.attach(Workload((os.getpid(),), device_ids=(1, 2)))
        beyond = measure(collector, 0.05)
    assert counted == {A: False, B: True}
    assert [reading.counted for reading in beyond.readings] == [False, False]
    assert "backend.device_ids names GPU 2, but only 2 can be seen" in beyond.absent["gpu"]


def test_boards_that_hold_a_process_of_the_engine_count(simulate: Simulate) -> None:
    """Also if it is a child of the process that the engine names."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        simulate(Board(A, tick_s=0.01, pids=(1,)), Board(B, tick_s=0.01, pids=(child.pid,)))
        with NvmlCollector() as collector:
            collector.attach(Workload((os.getpid(),)))
            counted = {reading.device.id: reading.counted for reading in measure(collector, 0.05).readings}
    finally:
        child.communicate(b"\n")
    assert counted == {A: False, B: True}


def test_a_foreign_process_on_a_board_of_the_workload_is_named(simulate: Simulate) -> None:
    """By its number and name; one on another board disturbs nobody."""
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        simulate(Board(A, tick_s=0.01, pids=(os.getpid(), stranger.pid)), Board(B, tick_s=0.01, pids=(1,)))
        with NvmlCollector() as collector:
            collector.attach(Workload((os.getpid(),), board_ids=(A,)))
            own = measure(collector, 0.05)
            # The stranger is a child of this process, so without it the engine is somebody else.
            collector.attach(Workload((stranger.pid,), board_ids=(A,)))
            (foreign,) = measure(collector, 0.05).foreign_processes
    finally:
        stranger.communicate(b"\n")
    assert own.foreign_processes == ()
    assert A in foreign
    assert f"process {os.getpid()} (" in foreign
    assert [(check.gpu, check.found) for check in own.strangers] == [(A, None)]


def test_a_slice_next_to_a_busy_slice_has_no_energy(simulate: Simulate) -> None:
    """Its neighbour's processes are listed at its own handle only, unless the user is privileged."""
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        slices, engine = ("MIG-1", "MIG-2"), os.getppid()
        pids = (("MIG-1", stranger.pid), ("MIG-2", engine))
        simulate(Board(A, tick_s=0.01, slices=slices, slice_pids=pids))
        with NvmlCollector() as collector:
            collector.attach(Workload((stranger.pid,)))
            beside = measure(collector, 0.05)
        simulate(Board(A, tick_s=0.01, slices=slices, slice_pids=pids[:1]))
        with NvmlCollector() as collector:
            collector.attach(Workload((stranger.pid,)))
            alone = measure(collector, 0.05)
    finally:
        stranger.communicate(b"\n")
    assert [reading.counted for reading in beside.readings] == [False]
    assert "MIG slice" in beside.absent["gpu"]
    assert [reading.counted for reading in alone.readings] == [True]


def test_the_gpu_of_a_mig_slice_is_found_by_the_slices_name(simulate: Simulate) -> None:
    """PyTorch calls a slice by its own UUID, which we hand on as that of a GPU."""
    simulate(Board(A, tick_s=0.01, slices=("MIG-11111111-2222-3333-4444-555555555555",)), Board(B, tick_s=0.01))
    with NvmlCollector() as collector:
        collector.attach(Workload((os.getpid(),), board_ids=("GPU-11111111-2222-3333-4444-555555555555",)))
        measurement = measure(collector, 0.05)
    assert {reading.device.id: reading.counted for reading in measurement.readings} == {A: True, B: False}
    assert measurement.absent == {}


def test_a_board_that_the_meter_cannot_see_is_not_left_out_of_a_sum(simulate: Simulate) -> None:
    """Where one of the engine's boards is hidden, the others are listed but none counts, and the reason is given."""
    simulate(Board(A, tick_s=0.01))
    with NvmlCollector() as collector:
        collector.attach(Workload((1,), board_ids=(A, B)))
        measurement = measure(collector, 0.05)
    assert [reading.counted for reading in measurement.readings] == [False]
    assert B in measurement.absent["gpu"]


def test_a_board_lost_midway_is_named_and_the_others_remain(simulate: Simulate) -> None:
    """The lost one has no figure; the other keeps its own."""
    machine = simulate(Board(A, tick_s=0.01), Board(B, tick_s=0.01, lost_at_s=0.4))
    with NvmlCollector() as collector:
        collector.attach(Workload((1,), board_ids=(A,)))
        measurement = measure(collector, 0.6)
    (reading,) = measurement.readings
    assert contains(reading, truth_j(machine, 0, measurement))
    assert any(B in note and "lost" in note for note in measurement.notes)
    assert measurement.absent == {}


def test_a_board_that_cannot_be_reached_keeps_its_place(simulate: Simulate) -> None:
    """The others are measured under their own numbers, and a note names the one that is missing."""
    machine = simulate(Board(A, reachable=False), Board(B, constant(200.0), tick_s=0.01), Board(C, tick_s=0.01))
    with NvmlCollector() as collector:
        everything = measure(collector, 0.05)
        collector.attach(Workload((1,), device_ids=(1,)))
        measurement = measure(collector, 0.05)
        notes = collector.notes()
    assert {reading.device.id: reading.counted for reading in everything.readings} == {B: True, C: True}
    assert {reading.device.id: reading.counted for reading in measurement.readings} == {B: True, C: False}
    assert contains(measurement.readings[0], truth_j(machine, 1, measurement))
    assert measurement.absent == {}
    assert any(note.startswith("board-0 cannot be measured") and "lost" in note for note in notes)


def test_a_driver_that_died_is_left_without_an_error(simulate: Simulate) -> None:
    """Closing what has closed itself must not cost the report."""
    simulate(Board(A, tick_s=0.01))
    with NvmlCollector():
        pynvml.nvmlShutdown()
    simulate(Board(A, tick_s=0.01))
    with NvmlCollector() as collector:
        assert measure(collector, 0.05).readings


def test_boards_that_cannot_be_listed_are_an_error(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the kind that the caller expects, so that another meter may be tried."""

    def refuse() -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    simulate(Board(A))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", refuse)
    with pytest.raises(CollectorError, match="does not list its GPUs"), NvmlCollector():
        pass


def test_a_figure_that_was_complete_before_the_loss_stands(simulate: Simulate) -> None:
    """What was read before a board was lost still counts."""
    machine = simulate(Board(A, tick_s=0.01, lost_at_s=0.6))
    with NvmlCollector() as collector:
        start = collector.mark()
        time.sleep(0.2)
        stop = collector.mark()
        time.sleep(0.6)
        measurement = collector.read(start, stop)
    assert contains(measurement.readings[0], truth_j(machine, 0, measurement))


def test_a_driver_that_goes_is_an_error(simulate: Simulate) -> None:
    """Without any board left there is no figure, and read says so."""
    simulate(Board(A, tick_s=0.01), Board(B, tick_s=0.01), gone_at_s=0.3)
    with NvmlCollector() as collector, pytest.raises(CollectorError, match=A):
        measure(collector, 0.5)


def test_refused_calls_only_widen_the_bounds(simulate: Simulate) -> None:
    """A quarter of a second without answers is no loss."""
    machine = simulate(Board(A, telegraph(), tick_s=0.01, refusals=(Refusal(0.2, 0.45),)))
    with NvmlCollector() as collector:
        measurement = measure(collector, 0.3)
    assert contains(measurement.readings[0], truth_j(machine, 0, measurement))


@pytest.mark.parametrize("fall", [Fall(0.3), Fall(0.3, 20_000.0)], ids=["reset", "backward step"])
def test_a_counter_that_falls_is_not_believed(simulate: Simulate, fall: Fall) -> None:
    """Its power is integrated instead, with a note."""
    machine = simulate(Board(A, constant(200.0), tick_s=0.02, falls=(fall,)))
    with NvmlCollector() as collector:
        measurement = measure(collector, 0.6)
    (reading,) = measurement.readings
    assert reading.provenance == "integrated"
    assert reading.energy_j == pytest.approx(truth_j(machine, 0, measurement), rel=0.02)
    (note,) = measurement.notes
    assert note.startswith(f"{A}: its energy counter went backwards")


def test_a_counter_that_jumps_is_not_believed(simulate: Simulate) -> None:
    """50 kJ at once are more than twice the power limit in the time: power is integrated, with a note."""
    machine = simulate(Board(A, constant(200.0), tick_s=0.02, falls=(Fall(0.3, -50_000_000.0),)))
    with NvmlCollector() as collector:
        measurement = measure(collector, 0.6)
    (reading,) = measurement.readings
    assert reading.provenance == "integrated"
    assert reading.energy_j == pytest.approx(truth_j(machine, 0, measurement), rel=0.02)
    assert measurement.notes == (f"{A}: its energy counter jumped; power was integrated",)


def test_a_counter_that_stands_still_is_not_believed(simulate: Simulate) -> None:
    """No movement in the time that a reading may wait: power is integrated, with a note."""
    simulate(Board(A, constant(200.0), tick_s=1000.0))
    with NvmlCollector(NvmlOptions(settle_s=0.2)) as collector:
        measurement = measure(collector, 0.3)
    (reading,) = measurement.readings
    assert (reading.provenance, len(measurement.notes)) == ("integrated", 1)


def test_boards_that_tell_nothing_are_an_error(simulate: Simulate) -> None:
    """Neither energy nor power: the reasons of the driver are passed on."""
    simulate(Board(A, counter=False, power=False))
    with pytest.raises(CollectorError, match="Not Supported"), NvmlCollector():
        pass


def test_one_collector_at_a_time(simulate: Simulate) -> None:
    """A second one is refused while the first is open, and welcome afterwards."""
    simulate(Board(A, tick_s=0.01))
    with NvmlCollector(), pytest.raises(CollectorError, match="another NVML collector"), NvmlCollector():
        pass
    with NvmlCollector() as collector:
        assert collector.components() == ("gpu",)


def test_a_missing_driver_is_an_error_with_a_cure(simulated_library: object) -> None:
    """So that a user without a board knows why there is no GPU figure."""
    with pytest.raises(CollectorError, match="Driver Not Loaded") as caught, NvmlCollector():
        pass
    assert caught.value.remedy is not None


def test_samples_hold_what_was_read(simulate: Simulate) -> None:
    """Counter, power, temperature, clock and its limits, in order of time, each call's start before its end."""
    simulate(Board(A, tick_s=0.01, temperature_celsius=55.0, throttle_reasons=4))
    with NvmlCollector() as collector:
        measure(collector, 0.3)
        series = collector.samples().series
    assert {each.quantity for each in series} == EVERYTHING
    for each in series:
        assert len(each.before_s) == len(each.after_s) == len(each.values) >= 1
        assert list(each.before_s) == sorted(each.before_s)
        assert all(before <= after for before, after in zip(each.before_s, each.after_s, strict=True))
    constant_values = {each.quantity: set(each.values) for each in series[2:5]}
    assert constant_values == {"temperature_celsius": {55.0}, "clock_hz": {1.4e9}, "throttle_reasons": {4.0}}


def test_marks_are_cheap(simulate: Simulate) -> None:
    """At most 20 µs on average, while the boards are polled."""
    simulate(Board(A, tick_s=0.01))
    with NvmlCollector() as collector:
        start_s = time.perf_counter()
        for _ in range(2000):
            collector.mark()
        assert (time.perf_counter() - start_s) / 2000 < 20e-6


def test_a_window_between_rests_is_exact(simulate: Simulate) -> None:
    """With the rest that the collector asks for, the estimate of a 0.8 s burst is guarded and within 3 percent.

    The burst begins and ends when it does, within its marks, however late a busy machine wakes this thread.
    """
    machine = simulate(Board(A, constant(90.0), work_w=510.0, delay_s=0.04))
    with NvmlCollector() as collector:
        time.sleep(1.3)  # for its tick
        guard_s = collector.guard_s()
        time.sleep(guard_s)
        start = evolve(collector.mark(), quiet_s=guard_s)
        with machine.work():
            time.sleep(0.8)
        stop = evolve(collector.mark(), quiet_s=guard_s)
        time.sleep(guard_s)
        measurement = collector.read(start, stop)
    (reading,) = measurement.readings
    assert 0.6 < guard_s < 0.8
    assert reading.estimator == "guarded"
    assert reading.energy_j == pytest.approx(truth_j(machine, 0, measurement), rel=0.03)
    assert contains(reading, truth_j(machine, 0, measurement))


def test_a_busy_interpreter_moves_the_readings_to_a_child(simulate: Simulate) -> None:
    """A pure-Python loop delays every reading here, so a child takes over, is named, and ends with the collector."""
    machine = simulate(Board(A, telegraph(), tick_s=0.02))
    before = tree([os.getpid()])
    give_up_s = time.perf_counter() + 20.0
    with NvmlCollector() as collector:
        while not any("child process" in note for note in collector.notes()) and time.perf_counter() < give_up_s:
            sum(number * number for number in range(1000))
        assert any("child process" in note for note in collector.notes())
        (child,) = tree([os.getpid()]) - before
        measurement = measure(collector, 0.5)
    assert contains(measurement.readings[0], truth_j(machine, 0, measurement))
    assert child not in processes()


def test_a_board_lost_to_the_child_is_lost_here_too(simulate: Simulate) -> None:
    """What the child says of a board reaches the collector."""
    simulate(Board(A, tick_s=0.01, pids=(1,)), Board(B, tick_s=0.01, lost_at_s=4.0))
    told = {A: Told(), B: Told()}
    remote = RemoteSampler(told, 0.01)
    give_up_s = time.perf_counter() + 20.0
    while not told[B].reasons and time.perf_counter() < give_up_s:
        remote.forward_one()
    remote.close()
    assert "lost" in told[B].reasons[0]
    assert told[A].quantities == EVERYTHING - {"supported_throttle_reasons"}  # read once, before the child
    assert told[A].listed == {1}
    assert told[A].ticks_s[0] == pytest.approx(0.01, rel=0.2)


def test_a_child_that_cannot_read_just_ends(simulate: Simulate) -> None:
    """Reading then goes on where it was."""
    simulate(Board(A))
    remote = RemoteSampler({"GPU-unknown": Told()}, 0.01)
    assert not remote.forward_one()
    remote.close()


class Told:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.quantities: set[str] = set()
        self.ticks_s: list[float] = []
        self.reasons: list[str] = []
        self.listed: frozenset[int] | None = None

    def reading(self, quantity: str, before_s: float, after_s: float, value: float) -> None:
        self.quantities.add(quantity)

    def tick(self, tick_s: float) -> None:
        self.ticks_s.append(tick_s)

    def processes(self, time_s: float, listed: frozenset[int] | None) -> None:
        self.listed = listed

    def gone(self, reason: str) -> None:
        self.reasons.append(reason)


def test_averaged_power_and_violation_counters_are_read(simulate: Simulate) -> None:
    """The driver's mean of the last second, and how long limits held the clocks down, are among the gauges."""
    simulate(Board("GPU-0", constant(250.0), violations=(Violation(1, 0.0, 0.25),)), Board("GPU-1", violations=None))
    with NvmlCollector() as collector:
        time.sleep(0.6)
        found = {(series.device.id, series.quantity): series.values for series in collector.samples().series}
    assert found["GPU-0", "average_power_w"][-1] == pytest.approx(250.0, abs=1.0)
    assert found["GPU-0", "thermal_violation_s"][-1] == pytest.approx(0.25)
    assert found["GPU-0", "power_violation_s"][-1] == 0.0
    assert ("GPU-1", "thermal_violation_s") not in found


@pytest.mark.parametrize(("name", "average_s"), [("NVIDIA A100-SXM4-80GB", 0.0), ("NVIDIA GeForce RTX 3090", 1.0)])
def test_older_drivers_average_the_power_of_all_but_ga100(simulate: Simulate, name: str, average_s: float) -> None:
    """Without the newer fields the bounds of an RTX 3090 allow for a mean of a second, those of an A100 do not."""
    simulate(Board("GPU-0", name=name, architecture=7, instant=False))
    pynvml.nvmlInit()
    assert NvmlBoard(pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)).power_average_s == average_s
