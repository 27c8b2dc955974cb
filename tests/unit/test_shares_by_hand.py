"""The workload's part of the machine's processor time, with both accounts and the clock set by hand."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.processes import tick_s
from ai_energy_benchmarks.metrics.cpu import watch
from ai_energy_benchmarks.metrics.cpu.share import CpuShareCollector, CpuShareOptions, busy_between, share_of
from ai_energy_benchmarks.metrics.cpu.time import MachineTime
from ai_energy_benchmarks.metrics.cpu.watch import CpuMark
from ai_energy_benchmarks.metrics.cpu.worker_doubts import WorkerDoubts
from tests.unit.test_edges_by_definition import counter
from tests.unit.test_processor_time_by_hand import Clock

LOST = "the processor time fell, or grew by more than all processors can work, during the window"
pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux has /proc")


class Sampler:
    """Reads at once when it is told to, unless it is busy with something, and never by itself."""

    def __init__(self, sample: Callable[[], None], poll_s: float, name: str) -> None:
        self._sample, self.named = sample, (poll_s, name)
        self.is_busy = self.has_stopped = False
        made.append(self)

    def poke(self) -> None:
        """Read now."""
        if not self.is_busy:
            self._sample()

    def stop(self) -> None:
        """Nothing runs."""
        self.has_stopped = True


made: list[Sampler] = []


class Machine:
    """Files of a kernel: its ``/proc/stat``, and a control group."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.proc, self.group, self.clock = root / "proc", root / "group", clock
        self.proc.mkdir()
        self.group.mkdir()
        self.busy_s = self.stolen_s = self.own_s = 0.0
        self.work(0.0, 0.0, 0.0, 0.0)

    def work(self, seconds: float, own_s: float, others_s: float, stolen_s: float = 0.0) -> None:
        """Time passes, in which the group and others worked and the host took some away."""
        self.clock.now_s += seconds
        self.own_s += own_s
        self.busy_s += own_s + others_s
        self.stolen_s += stolen_s
        busy, stolen = (round(each_s / tick_s()) for each_s in (self.busy_s, self.stolen_s))
        # Of the workload's processes, nice, the kernel, idle, waiting, two kinds of interrupts, stolen.
        (self.proc / "stat").write_text(f"cpu  {busy - 6} 1 2 999 888 1 2 {stolen} 0 0\n")
        (self.group / "cpu.stat").write_text(f"usage_usec {round(self.own_s * 1e6)}\n")

    def collector(self) -> CpuShareCollector:
        return CpuShareCollector(CpuShareOptions(cgroup=self.group), self.proc)


class OthersTime(MachineTime):
    """What the machine worked, next to this process."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.proc)

    def read_s(self) -> float:
        return super().read_s() + time.process_time()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Four processors on a clock of the test; the meter reads when it is told to."""
    clock = Clock()
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", clock)
        patch.setattr(time, "process_time", clock)
        patch.setattr(os, "cpu_count", lambda: 4)
        patch.setattr(watch, "Sampler", Sampler)
        made.clear()
        yield Machine(tmp_path, clock)


def shared(collector: CpuShareCollector, machine: Machine, *work_s: float) -> Measurement:
    """A window in which that was worked."""
    start = collector.mark()
    machine.work(*work_s)
    return collector.read(start, collector.mark())


def bounds(measurement: Measurement) -> tuple[float, ...]:
    (share,) = measurement.shares
    assert (share.component, measurement.readings, dict(measurement.component_notes)) == ("cpu", (), {})
    return tuple(share.share)


def test_the_share_is_own_over_busy_time_within_what_ticks_and_the_host_hide(machine: Machine) -> None:
    """In 2 s the group worked 3 s and all others 4 s, while the host took half a second.

    The busy time of 7 s is the sum of five counters that are cut to ticks, and what the host took may be missing in
    it: 5 ticks and 0.5 s on both sides.
    """
    with machine.collector() as collector:
        collector.attach(Workload(()))
        doubt_s = 5 * tick_s() + 0.5
        found = bounds(shared(collector, machine, 2.0, 3.0, 4.0, 0.5))
        assert found == pytest.approx((3 / (7 + doubt_s), 3 / 7, 3 / (7 - doubt_s)), rel=1e-9)
        found = bounds(shared(collector, machine, 1.0, 0.0, 0.25))
        assert found == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
        found = bounds(shared(collector, machine, 1.0, 0.5, 0.0))
        assert found == pytest.approx((0.5 / (0.5 + 5 * tick_s()), 1.0, 1.0), rel=1e-9)


def test_a_machine_that_did_nothing_has_no_share_and_no_doubt(machine: Machine) -> None:
    """Nothing of nothing is no part: the window says neither."""
    with machine.collector() as collector:
        collector.attach(Workload(()))
        found = shared(collector, machine, 1.0, 0.0, 0.0)
    assert (found.shares, found.readings, dict(found.component_notes), dict(found.absent)) == ((), (), {}, {})
    assert (found.start_s, found.stop_s) == (100.0, 101.0)


@pytest.mark.parametrize(
    ("elsewhere", "work_s", "why"),
    [
        (None, (1.0, 1.0, 3.5), "the machine's processor time jumped during the window"),
        (None, (1.0, -1.0, 2.0), LOST),
        (None, (1.0, 5.0, 0.0), LOST),
        ("the engine runs on another machine", (1.0, 1.0, 1.0), "the engine runs on another machine"),
        ("the engine runs on another machine", (1.0, 1.0, 9.0), "the engine runs on another machine"),
    ],
)
def test_what_leaves_a_window_without_a_share_is_said(
    machine: Machine, elsewhere: str | None, work_s: tuple[float, ...], why: str
) -> None:
    """Four processors work at most 4.4 s in one and the tenth that a kernel may count late."""
    machine.work(1.0, 2.0, 1.0)
    with machine.collector() as collector:
        collector.attach(Workload((), elsewhere=elsewhere))
        found = shared(collector, machine, *work_s)
        assert (found.shares, found.readings, dict(found.absent)) == ((), (), {})
        assert dict(found.component_notes) == {"cpu": (f"no CPU share: {why}",)}
        machine.clock.now_s += 1.0
        found = shared(collector, machine, 1.0, 1.0, 1.0)
        assert bool(found.shares) is (elsewhere is None)


def test_the_end_of_a_window_is_read_even_if_the_thread_is_late(machine: Machine) -> None:
    """It may be busy when it is told to look; without a reading after the window nothing would be known of its end."""
    with machine.collector() as collector:
        collector.attach(Workload(()))
        start = collector.mark()
        (thread,) = made
        thread.is_busy = True
        machine.work(1.0, 1.0, 1.0)
        assert bounds(collector.read(start, collector.mark()))[1] == pytest.approx(0.5)
        assert (thread.named, thread.has_stopped) == ((1.0, "cpu_share-cpu"), False)
    assert thread.has_stopped


def test_a_router_next_to_the_workers_has_no_share(machine: Machine) -> None:
    """Of the 4 s that were worked it did next to nothing: the share would be that of the wrong process."""
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE) as router,
        CpuShareCollector(CpuShareOptions(), machine.proc) as collector,
    ):
        workload = Workload((router.pid,), by_port=True)
        collector.attach(workload)
        collector._watch._doubts = WorkerDoubts("cpu_share", workload, OthersTime(machine))
        start = collector.mark()
        machine.work(2.0, 0.0, 4.0)
        found = collector.read(start, collector.mark())
    assert found.shares == ()
    (note,) = found.component_notes["cpu"]
    assert note.startswith(f"no CPU share: cat (process {router.pid}) listens on the port, but did only 0.")


def test_marks_of_another_meter_are_refused(machine: Machine) -> None:
    """Either of them: they do not hold this process's time."""
    with machine.collector() as collector:
        own, other = collector.mark(), Mark(100.0)
        assert isinstance(own, CpuMark)
        for start, stop in ((own, other), (other, own), (other, other)):
            with pytest.raises(CollectorError, match="must come from the collector that reads it"):
                collector.read(start, stop)


def test_a_share_has_no_energy_and_asks_for_no_rest(machine: Machine) -> None:
    """It stands next to a meter, which decides all of that."""
    with machine.collector() as collector:
        mark = collector.mark()
        assert CpuShareCollector.without_energy is True
        assert (collector.components(), collector.counted_devices()) == ((), frozenset())
        assert (collector.guard_s(), collector.further_rest_s(mark, mark), collector.notes()) == (0.0, 0.0, ())
        assert CpuShareOptions().poll_s == 1.0
    for poll_s in (0.0, -1.0):
        with pytest.raises(ValueError, match="poll_s"):
            CpuShareOptions(poll_s=poll_s)


def test_all_series_that_the_share_was_made_of_are_kept(machine: Machine) -> None:
    """This process's time, that of the group and the machine's, each with its values at the marks."""
    with machine.collector() as collector:
        collector.attach(Workload(()))
        shared(collector, machine, 2.0, 3.0, 4.0)
        found = collector.samples().series
    assert [series.device.id for series in found] == ["own-process", "other-processes", "all-processes"]
    assert found[2].device == Device("cpu", "all-processes", "the whole machine")
    assert [(series.quantity, series.meter) for series in found] == [("cpu_time_s", "cpu_share")] * 3
    assert [list(series.values)[-1] for series in found] == [0.0, 3.0, pytest.approx(7.0)]
    assert [list(series.after_s)[-1] for series in found] == [102.0] * 3


def test_the_machine_is_read_at_every_mark_whoever_works(machine: Machine) -> None:
    """Also for an engine in this process, whose own time needs no reading."""
    with CpuShareCollector(proc=machine.proc) as collector:
        collector.attach(Workload((os.getpid(),)))
        machine.work(5.0, 1.0, 1.0)
        collector.mark()
        (series,) = (each for each in collector.samples().series if each.device.id == "all-processes")
        assert (series.before_s[-1], series.values[-1]) == (105.0, pytest.approx(2.0))


def test_one_processor_is_assumed_where_their_number_is_not_known(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then 1.15 s of work in 1 s, with a tenth that came late and five ticks, is what it could do, and 1.2 s is not."""
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    with machine.collector() as collector:
        collector.attach(Workload(()))
        assert bounds(shared(collector, machine, 1.0, 0.5, 0.64))[1] == pytest.approx(0.5 / 1.14)
        jumped = {"cpu": ("no CPU share: the machine's processor time jumped during the window",)}
        assert shared(collector, machine, 1.0, 0.5, 0.7).component_notes == jumped


def test_a_system_without_proc_is_refused_with_the_fix(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(CollectorError) as caught, CpuShareCollector(proc=tmp_path / "none"):
        pass
    assert caught.value.message == "cpu_share needs /proc, which only Linux has"
    assert caught.value.remedy == "remove cpu_share from metrics.collectors"


def test_busy_time_between_readings_has_their_bounds() -> None:
    """Readings of 0, 4 and 12 s of work at 0, 2 and 4 s, and of 0, 0.25 and 1 s that the host took.

    From 1 to 3 s, of up to 4 processors: the level at 1 s is between 0 and 4, at 3 s between 8 and 8 (12 less 4, and 4
    and 4 more); half way they are 2 and 8. Stolen: 0 to 0.25 at first, 0.25 to 1 then, so up to 1 s.
    """
    machine = counter((0.0, 0.0, 0.0), (2.0, 2.0, 4.0), (4.0, 4.0, 12.0))
    stolen = counter((0.0, 0.0, 0.0), (2.0, 2.0, 0.25), (4.0, 4.0, 1.0))
    assert busy_between(machine, stolen, 1.0, 3.0, processors=4, slack_s=0.5) == Bounds(4 - 1.5, 6.0, 8 + 1.5)
    assert busy_between(machine, stolen, 1.0, 3.0, processors=4, slack_s=3.5) == Bounds(0.0, 6.0, 8 + 4.5)


@pytest.mark.parametrize(
    ("own", "busy", "share"),
    [
        (Bounds(1.0, 3.0, 4.0), Bounds(5.0, 6.0, 8.0), Bounds(1 / 8, 0.5, 0.8)),
        (Bounds(1.0, 6.0, 6.0), Bounds(6.0, 6.0, 8.0), Bounds(1 / 8, 1.0, 1.0)),
        (Bounds(0.0, 0.0, 0.0), Bounds(0.0, 0.5, 1.0), Bounds(0.0, 0.0, 1.0)),
    ],
)
def test_the_part_of_own_work_is_at_most_all_of_it(own: Bounds, busy: Bounds, share: Bounds) -> None:
    """Lowest over highest and the reverse; of what may have been no work at all it may be all."""
    assert share_of(own, busy) == share
