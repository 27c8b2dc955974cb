"""The workload's share of the machine's processor time: real work of real processes, set against all of it."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Mark, Reading, Workload, WorkloadShare
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.processes import processes
from ai_energy_benchmarks.metrics.cpu.share import CpuShareCollector, CpuShareOptions, share_of
from ai_energy_benchmarks.metrics.cpu.time import CgroupTime, MachineTime
from tests.factories import CPU, reading, trial, verdict
from tests.unit.test_metrics_modelled import burn, start_burning

HALF = WorkloadShare("cpu", Bounds(0.4, 0.5, 0.6))
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of other processes")


def shared(collector: CpuShareCollector, seconds: float, cpu_s: float) -> WorkloadShare:
    """Some work, then idleness, in one window."""
    start = collector.mark()
    burn(cpu_s)
    time.sleep(max(0.0, seconds - cpu_s))
    measurement = collector.read(start, collector.mark())
    assert measurement.readings == ()
    (share,) = measurement.shares
    return share


def test_own_work_is_set_against_the_whole_machines() -> None:
    """The bounds hold what both clocks of the kernel say of the same time."""
    with CpuShareCollector() as collector:
        collector.attach(Workload((os.getpid(),)))
        begin_s = time.perf_counter()
        share = shared(collector, 1.0, 0.7)
        most_s = (time.perf_counter() - begin_s) * (os.cpu_count() or 1)
    assert share.component == "cpu"
    assert 0.0 < share.share.low <= share.share.best <= share.share.high <= 1.0
    # 0.7 s of own work; all processes together cannot have had more than all processors.
    assert share.share.high >= 0.7 / most_s


def test_the_work_of_others_is_not_the_workloads() -> None:
    """What this process does beside the engine's lowers the share, whenever within the window each was let run."""
    engine = start_burning(0.6)
    assert engine.stdin is not None
    assert engine.stdout is not None
    try:
        with CpuShareCollector() as collector:
            collector.attach(Workload((engine.pid,)))
            start, beside_s = collector.mark(), time.process_time()
            engine.stdin.write("go\n")
            engine.stdin.flush()
            burn(0.6)
            assert engine.stdout.readline() == "done\n"
            stop, beside_s = collector.mark(), time.process_time() - beside_s
            (share,) = collector.read(start, stop).shares
    finally:
        engine.communicate("\n")
    assert 0.0 < share.share.low <= 0.6 / (0.6 + beside_s) + 0.01


def test_a_control_group_stands_for_processes_that_cannot_be_seen(tmp_path: Path) -> None:
    """Its own account of processor time counts, and this process's work does not."""
    stat = tmp_path / "cpu.stat"
    stat.write_text("usage_usec 1000000\nuser_usec 900000\n")
    with CpuShareCollector(CpuShareOptions(cgroup=tmp_path)) as collector:
        collector.attach(Workload((os.getpid(),)))
        start = collector.mark()
        burn(0.3)
        stat.write_text("usage_usec 1000000\nuser_usec 900000\n")
        (idle,) = collector.read(start, collector.mark()).shares
    assert idle.share.best == pytest.approx(0.0, abs=0.01)


def test_the_time_of_a_control_group_is_its_whole_usage(tmp_path: Path) -> None:
    """Of lines that grow at different rates, ``usage_usec`` is what all of its processes used, wherever it stands."""
    stat = tmp_path / "cpu.stat"
    stat.write_text("nr_periods 7\nusage_usec 1500000\nuser_usec 900000\nsystem_usec 600000\n")
    group = CgroupTime(tmp_path)
    assert group.read_s() == pytest.approx(1.5)
    stat.write_text("nr_periods 700000\nusage_usec 3500000\nuser_usec 1900000\nsystem_usec 1600000\n")
    assert group.read_s() == pytest.approx(3.5)


def test_no_share_is_above_all_of_the_work() -> None:
    """Bounds go crosswise, and a part that a coarser clock shows as more than the whole is all of it."""
    assert share_of(Bounds(1.0, 2.0, 3.0), Bounds(4.0, 5.0, 8.0)) == Bounds(0.125, 0.4, 0.75)
    assert share_of(Bounds(1.0, 2.1, 3.0), Bounds(0.0, 2.0, 4.0)) == Bounds(0.25, 1.0, 1.0)
    assert share_of(Bounds(1.0, 2.0, 3.1), Bounds(3.0, 4.0, 5.0)) == Bounds(0.2, 0.5, 1.0)


def test_a_control_group_that_ends_takes_the_share_with_it(tmp_path: Path) -> None:
    """A note says why, and the thread that looks goes on."""
    stat = tmp_path / "cpu.stat"
    stat.write_text("usage_usec 1000000\n")
    with CpuShareCollector(CpuShareOptions(cgroup=tmp_path, poll_s=0.02)) as collector:
        collector.attach(Workload((os.getpid(),)))
        stat.unlink()
        start = collector.mark()
        burn(0.1)
        collector.read(start, collector.mark())
        measurement = collector.read(start, collector.mark())
        alive = {thread.name for thread in threading.enumerate()}
    assert measurement.shares == ()
    assert str(stat) in measurement.component_notes["cpu"][0]
    assert "cpu_share-cpu" in alive


@pytest.mark.parametrize("text", [None, "", "cpu  1 2 3\n", "cpu  a b c d e f g h\n"])
def test_the_machine_s_time_that_is_not_shown_is_an_error_with_a_fix(tmp_path: Path, text: str | None) -> None:
    """Some sandboxes have a /proc without it, or with less in it."""
    if text is not None:
        (tmp_path / "stat").write_text(text)
    with pytest.raises(CollectorError) as caught:
        MachineTime(tmp_path).read_s()
    assert str(tmp_path / "stat") in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "7", "7 (sh) S 1 7", "7 (sh"])
def test_a_process_without_its_account_is_not_shown(tmp_path: Path, text: str) -> None:
    """The look at all processes goes on with the others."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(text)
    assert processes(tmp_path) == {}


def test_unknown_processes_have_no_share() -> None:
    """The whole machine's work would be all of it; the note tells what helps."""
    with CpuShareCollector() as collector:
        collector.attach(Workload(()))
        start = collector.mark()
        burn(0.1)
        measurement = collector.read(start, collector.mark())
    assert measurement.shares == ()
    assert "options.cgroup" in measurement.component_notes["cpu"][0]


def test_a_longer_poll_looks_less_often() -> None:
    """The pace is the user's."""
    rows = []
    for poll_s in (0.02, 10.0):
        with CpuShareCollector(CpuShareOptions(poll_s=poll_s)) as collector:
            time.sleep(0.3)
            rows.append(max(len(series.values) for series in collector.samples().series))
    assert rows[0] > rows[1]


@pytest.mark.parametrize("text", [None, "", "user_usec 5\n", "usage_usec many\n"])
def test_a_directory_without_an_account_is_an_error_with_a_cure(tmp_path: Path, text: str | None) -> None:
    """It names the directory and what belongs there."""
    if text is not None:
        (tmp_path / "cpu.stat").write_text(text)
    with pytest.raises(CollectorError) as caught, CpuShareCollector(CpuShareOptions(cgroup=tmp_path)):
        pass
    assert str(tmp_path) in caught.value.message
    assert "cpu.stat" in (caught.value.remedy or "")


def test_an_engine_elsewhere_has_no_share_here() -> None:
    """And the window says why."""
    with CpuShareCollector() as collector:
        collector.attach(Workload((), elsewhere="another machine"))
        start = collector.mark()
        measurement = collector.read(start, collector.mark())
        with pytest.raises(CollectorError, match="marks"):
            collector.read(Mark(0.0), Mark(1.0))
    assert measurement.shares == ()
    assert "another machine" in measurement.component_notes["cpu"][0]


PACKAGE = reading(CPU, 50.0, 0, meter="rapl")


def sharing(number: int, of: Reading = PACKAGE, shares: tuple[WorkloadShare, ...] = (HALF,)) -> Trial:
    made = trial(number, of)
    assert made.measurement is not None
    return evolve(made, measurement=evolve(made.measurement, shares=shares))


def test_the_share_stands_beside_the_energy_and_changes_nothing() -> None:
    """Gross stays gross; the part is stated with its bounds and called a convention."""
    trials = [sharing(number) for number in (1, 2)]
    (cpu,) = summarise(trials, ()).components
    assert cpu.energy_j == 50.0
    assert cpu.workload_share == HALF
    (finding,) = [each for each in verdict(trials).findings if each.check == "workload share"]
    assert finding.level == "INFO"
    assert "50.0% [40.0%, 60.0%]" in finding.message
    assert "25.0 J" in finding.message


def test_a_trial_without_a_share_withholds_the_mean() -> None:
    """A mean over some of the trials would pass for all."""
    (cpu,) = summarise([sharing(1), sharing(2, shares=())], ()).components
    assert cpu.workload_share is None


def test_a_modelled_cpu_has_nothing_to_share_out() -> None:
    """It knows only the workload's processes anyway."""
    model = reading(Device("cpu", "cpu"), 50.0, 0, meter="modelled", provenance="modelled")
    trials = [sharing(number, model) for number in (1, 2)]
    (finding,) = [each for each in verdict(trials).findings if each.check == "workload share"]
    assert "nothing to share out" in finding.message


def test_a_control_group_that_begins_again_has_no_share(tmp_path: Path) -> None:
    """Its account fell to zero with a restart of the service: what it worked meanwhile is lost, and that is said."""
    stat = tmp_path / "cpu.stat"
    stat.write_text("usage_usec 5000000\n")
    with CpuShareCollector(CpuShareOptions(cgroup=tmp_path)) as collector:
        collector.attach(Workload((os.getpid(),)))
        start = collector.mark()
        restarted = tmp_path / "new"
        restarted.write_text("usage_usec 0\n")
        restarted.replace(stat)
        measurement = collector.read(start, collector.mark())
    assert measurement.shares == ()
    assert "fell" in measurement.component_notes["cpu"][0]
