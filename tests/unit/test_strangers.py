"""Who else ran on the workload's GPUs, on the host and in containers."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from attrs import define, evolve, field

from ai_energy_benchmarks.analysis.stranger_checks import stranger_findings
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Measurement, Reading, Samples, Series, Workload
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.strangers import StrangerCheck
from ai_energy_benchmarks.metrics.nvml.strangers import Listings, Strangers
from tests.fake_proc import FakeProc

WINDOW = Measurement(10.0, 20.0, ())
ENGINE, WORKER = 500, 501


@define
class FakeGpu:
    """A GPU whose processes are those of the test."""

    now: frozenset[int] | None = frozenset()
    listings: Listings = field(factory=Listings)
    id: str = "GPU-a"
    shared: str | None = None

    def process_ids(self) -> frozenset[int] | None:
        return self.now


def machine(root: Path, *, host: bool) -> FakeProc:
    """An engine with one worker, and a stranger of which the name is known."""
    proc = FakeProc(root, host=host)
    proc.add(ENGINE, 1, "vllm")
    proc.add(WORKER, ENGINE, "VLLM::EngineCor")
    proc.add(700, 1, "train.py")
    proc.add(701, 1, "nvidia-cuda-mps-server")
    proc.be(ENGINE)
    return proc


def gpu(*rows: tuple[float, set[int] | None], memory_before_bytes: float | None = 0.0) -> FakeGpu:
    """One whose process list changed at these times, and is now the last."""
    listings = Listings(memory_before_bytes=memory_before_bytes)
    for time_s, listed in rows:
        listings.add(time_s, None if listed is None else frozenset(listed))
    return FakeGpu(listings.rows[-1][1], listings)


def checked(proc: FakeProc, subject: FakeGpu, **workload: object) -> StrangerCheck:
    strangers = Strangers(proc.root)
    strangers.attach(Workload(**{"process_ids": (ENGINE,), **workload}))  # type: ignore[arg-type] # keys under test
    (check,) = strangers.added_to(WINDOW, [subject]).strangers
    return check


def test_on_the_host_the_engine_is_no_stranger(tmp_path: Path) -> None:
    """Nor is the server of MPS, which works for its clients; they are listed themselves."""
    proc = machine(tmp_path / "proc", host=True)
    assert checked(proc, gpu((0.0, set()), (5.0, {WORKER, 701}))) == StrangerCheck("GPU-a")
    found = checked(proc, gpu((0.0, {700}), (5.0, {WORKER, 700, 701}))).found
    assert found == "process 700 (train.py) is not of the workload, but ran on GPU GPU-a"


def test_who_came_and_went_within_the_window_is_seen(tmp_path: Path) -> None:
    """The list is read all the time; who left before the window is none of its business."""
    proc = machine(tmp_path / "proc", host=True)
    assert "700" in (checked(proc, gpu((0.0, {WORKER}), (12.0, {WORKER, 700}), (13.0, {WORKER}))).found or "")
    assert checked(proc, gpu((0.0, {WORKER, 700}), (9.0, {WORKER}))).found is None


def test_a_driver_without_a_list_cannot_be_checked(tmp_path: Path) -> None:
    """Which is not the same as an empty list."""
    check = checked(machine(tmp_path / "proc", host=True), gpu((0.0, None)))
    assert check.unchecked == "the driver does not list its processes"
    empty = checked(machine(tmp_path / "other", host=True), gpu((0.0, set())))
    assert empty.unchecked == "the driver lists no process on it, not even the engine's"


HOST_NUMBERS = (23_001, 23_002)


def test_in_a_container_the_list_is_compared_with_that_before_loading(tmp_path: Path) -> None:
    """The driver counts as the host does: nine strangers of before are still strangers, however large the engine is."""
    proc = machine(tmp_path / "proc", host=False)
    strangers = set(range(30_000, 30_009))
    assert checked(proc, gpu((0.0, set()), (5.0, {HOST_NUMBERS[0]}))) == StrangerCheck("GPU-a")
    found = checked(proc, gpu((0.0, strangers), (5.0, {*strangers, HOST_NUMBERS[0]}))).found
    assert found == "9 processes ran on GPU GPU-a before the model was loaded, and still do"
    later = checked(proc, gpu((0.0, set()), (5.0, {HOST_NUMBERS[0]}), (12.0, set(HOST_NUMBERS)))).found
    assert later == "1 processes came to GPU GPU-a while requests were in flight"


def test_in_a_container_only_processes_with_a_gpu_are_the_engines(tmp_path: Path) -> None:
    """Of a tree of two one has a GPU open, so a second process on it is another's."""
    proc = machine(tmp_path / "proc", host=False)
    (proc.root / str(WORKER) / "fd" / "9").symlink_to("/dev/nvidia0")
    found = checked(proc, gpu((0.0, set()), (5.0, set(HOST_NUMBERS)))).found
    assert found == "2 processes run on GPU GPU-a, but the workload has 1"


def test_in_a_container_a_server_that_ran_before_cannot_be_told_from_strangers(tmp_path: Path) -> None:
    """What the GPU was like before it was loaded was not seen."""
    check = checked(machine(tmp_path / "proc", host=False), gpu((0.0, {HOST_NUMBERS[0]})), by_port=True)
    assert check.found is None
    assert "--pid=host" in (check.unchecked or "")
    unknown = checked(machine(tmp_path / "other", host=False), gpu((0.0, {HOST_NUMBERS[0]})), process_ids=())
    assert unknown.unchecked == "the engine's processes are unknown"


@pytest.mark.parametrize(
    ("before_bytes", "by_port", "checks"), [(6e8, False, True), (2e10, False, False), (6e8, True, False)]
)
def test_where_the_driver_hides_others_memory_is_the_witness(
    tmp_path: Path, before_bytes: float, by_port: bool, checks: bool
) -> None:
    """Newer drivers list only what the container can see; a GPU that was empty before has no one else on it."""
    subject = gpu((0.0, set()), (5.0, {WORKER}), memory_before_bytes=before_bytes)
    check = checked(machine(tmp_path / "proc", host=False), subject, by_port=by_port)
    assert check.found is None
    assert (check.unchecked is None) == checks


def test_a_slice_next_to_a_busy_slice_has_no_energy(tmp_path: Path) -> None:
    """The counter is that of the whole GPU; alone on it, the figure stands."""
    strangers = Strangers(machine(tmp_path / "proc", host=True).root)
    strangers.attach(Workload((ENGINE,)))
    device = Device("gpu", "GPU-a")
    seen = evolve(WINDOW, readings=(Reading(device, Bounds.exact(1.0), "measured", "nvml", "exact"),))
    alone = strangers.added_to(seen, [evolve(gpu((0.0, {WORKER})), shared="shared_board")])
    assert (alone.absent, alone.readings) == ({}, seen.readings)
    later = strangers.added_to(seen, [evolve(gpu((0.0, {WORKER, 700})), shared="shared_board")], chosen=False)
    assert (later.foreign_processes, later.absent, len(later.strangers)) == ((), {}, 1)
    beside = strangers.added_to(seen, [evolve(gpu((0.0, {WORKER, 700})), shared="shared_board")])
    assert [reading.counted for reading in beside.readings] == [False]
    assert "MIG slice" in beside.absent["gpu"]
    assert "train.py" in beside.absent["gpu"]


def findings(
    *checks: StrangerCheck, steps: tuple[Step, ...] = (), samples: Samples | None = None
) -> list[tuple[str, str]]:
    reading = Reading(Device("gpu", "GPU-a"), Bounds.exact(1.0), "measured", "nvml", "exact")
    window = evolve(WINDOW, readings=(reading,))
    trials = [Trial(number, 0.0, 1.0, evolve(window, strangers=(check,)), ()) for number, check in enumerate(checks)]
    return [(each.level, each.message) for each in stranger_findings(trials, steps, samples or Samples())]


def test_the_verdict_says_whether_it_was_checked() -> None:
    """Once for each GPU that counts; older results have no line."""
    alone, hidden = StrangerCheck("GPU-a"), StrangerCheck("GPU-a", unchecked="no list")
    assert [level for level, _ in findings(alone, alone)] == ["PASS"]
    (level, message), *rest = findings(alone, hidden)
    assert (level, rest) == ("WARN", [])
    assert message == "whether other processes ran on GPU GPU-a could not be checked: no list"
    elsewhere = StrangerCheck("GPU-b", "process 7 ran on GPU-b")
    assert findings(elsewhere) == []
    assert findings(StrangerCheck("GPU-a", "process 7")) == [("FAIL", "process 7")]
    assert list(stranger_findings([Trial(1, 0.0, 1.0, WINDOW, ())], (), Samples())) == []


def test_a_meter_without_process_lists_cannot_check() -> None:
    """As on AMD's GPUs through Zeus."""
    reading = Reading(Device("gpu", "gpu-0"), Bounds.exact(1.0), "measured", "zeus", "exact")
    trial = Trial(1, 0.0, 1.0, evolve(WINDOW, readings=(reading,)), ())
    ((level, message),) = [(each.level, each.message) for each in stranger_findings([trial], (), Samples())]
    assert level == "WARN"
    assert message.endswith("on GPU gpu-0 could not be checked: zeus has no list of processes")


def test_a_gpu_that_is_not_the_workload_s_needs_no_check() -> None:
    """Nor do processors, of which the same meter reports the energy."""
    gpu = Reading(Device("gpu", "gpu-0"), Bounds.exact(1.0), "measured", "zeus", "exact", counted=False)
    cpu = Reading(Device("cpu", "cpu-0"), Bounds.exact(1.0), "measured", "zeus", "exact")
    assert list(stranger_findings([Trial(1, 0.0, 1.0, evolve(WINDOW, readings=(gpu, cpu)), ())], (), Samples())) == []


def test_power_and_utilization_at_rest_are_second_witnesses() -> None:
    """Where the processes could not be checked."""
    device = Device("gpu", "GPU-a")

    def idle(name: str, start_s: float, power_w: float) -> Step:
        reading = Reading(device, Bounds.exact(power_w * 10), "measured", "nvml", "exact")
        return Step(name, start_s, start_s + 10, Measurement(start_s, start_s + 10, (reading,)))  # type: ignore[arg-type]

    times = array("d", (21.0, 25.0, 29.0))
    samples = Samples((Series(device, "utilization_percent", "nvml", times, times, array("d", (90.0, 95.0, 100.0))),))
    steps = (idle("bare idle", 0.0, 70.0), idle("resident idle", 20.0, 400.0))
    ((level, message),) = findings(StrangerCheck("GPU-a", unchecked="no list"), steps=steps, samples=samples)
    assert level == "WARN"
    assert "70 W without the model and 400 W with it" in message
    assert "busy 95 % of the time" in message
