"""The modelled CPU: processor time of the right processes, times a stated power."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

import pytest

from ai_energy_benchmarks.domain.power import Mark, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.processes import hold_gpu
from ai_energy_benchmarks.metrics.cpu.modelled import ModelledCpuCollector, ModelledCpuOptions
from ai_energy_benchmarks.metrics.cpu.power import rated_cpus, thread_power
from ai_energy_benchmarks.metrics.cpu.time import Growth
from ai_energy_benchmarks.metrics.cpu.worker_doubts import WorkerDoubts, no_gpu_held
from tests.fake_proc import FakeProc

WATTS = 4.0
BURN = """
import time
input()
begin = time.process_time()
while time.process_time() - begin < {cpu_s}: pass
print("done", flush=True)
input()
"""
needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of other processes")


@pytest.fixture
def collector() -> Iterator[ModelledCpuCollector]:
    with ModelledCpuCollector(ModelledCpuOptions(watts_per_thread=WATTS)) as entered:
        yield entered


def burn(cpu_s: float) -> None:
    begin_s = time.process_time()
    while time.process_time() - begin_s < cpu_s:
        pass


def start_burning(cpu_s: float, nested: bool = False) -> subprocess.Popen[str]:
    """A process, or a child of one, that works after one line of input and ends after another."""
    code = BURN.format(cpu_s=cpu_s)
    if nested:
        code = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {code!r}])"
    # Without site, so that no measuring of coverage works in it too.
    return subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("model", "guessed"), [("AMD EPYC", True), (rated_cpus()[0].model, False)])
def test_a_reading_knows_whether_its_watts_are_a_guess(model: str, guessed: bool) -> None:
    """A part of the table is rated; any other of its family has the median of its relatives."""
    with ModelledCpuCollector(cpu_model=model) as collector:
        (seen,) = collector.read(collector.mark(), collector.mark()).readings
    assert seen.recipe is not None
    assert seen.recipe.guessed is guessed


def test_own_work_is_exact(collector: ModelledCpuCollector) -> None:
    """This process's part is read at the marks themselves: no bounds are needed."""
    collector.attach(Workload((os.getpid(),)))
    begin_s = time.process_time()
    start = collector.mark()
    burn(0.1)
    stop = collector.mark()
    end_s = time.process_time()
    (reading,) = collector.read(start, stop).readings
    assert 0.1 * WATTS <= reading.energy_j <= (end_s - begin_s) * WATTS
    assert reading.bounds_j.low == reading.energy_j == reading.bounds_j.high
    assert (reading.provenance, reading.estimator, reading.counted) == ("modelled", "exact", True)


def test_idle_time_costs_nothing(collector: ModelledCpuCollector) -> None:
    """A sleeping process uses no processor time to speak of."""
    start = collector.mark()
    time.sleep(0.2)
    (reading,) = collector.read(start, collector.mark()).readings
    assert reading.energy_j < 0.1 * 0.2 * WATTS


@needs_proc
@pytest.mark.parametrize("nested", [False, True], ids=["process", "its child"])
def test_the_tree_of_another_process_counts_without_our_own(collector: ModelledCpuCollector, nested: bool) -> None:
    """A server's processes count with all their descendants; the client that drives it does not."""
    server = start_burning(0.3, nested)
    try:
        collector.attach(Workload((server.pid,)))
        start = collector.mark()
        burn(0.1)
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write("go\n")
        server.stdin.flush()
        server.stdout.readline()
        (reading,) = collector.read(start, collector.mark()).readings
    finally:
        server.communicate("\n")
    assert reading.bounds_j.low <= 0.33 * WATTS
    assert reading.bounds_j.high >= 0.25 * WATTS
    assert reading.bounds_j.low < reading.energy_j < reading.bounds_j.high


@needs_proc
def test_a_child_that_ended_is_not_lost(collector: ModelledCpuCollector) -> None:
    """What it used has moved to its parent's account by then."""
    collector.attach(Workload((os.getpid(),)))
    start = collector.mark()
    child = start_burning(0.2)
    child.communicate("go\nend\n")
    (reading,) = collector.read(start, collector.mark()).readings
    assert reading.energy_j >= 0.19 * WATTS


@needs_proc
def test_unknown_processes_have_no_figure(collector: ModelledCpuCollector) -> None:
    """The whole machine's time is not the engine's; the reason says why they are unknown, and what helps."""
    collector.attach(Workload((), unknown="no process listens"))
    measurement = collector.read(collector.mark(), collector.mark())
    assert measurement.readings == ()
    assert "unknown (no process listens); fix: " in measurement.absent["cpu"]


@needs_proc
def test_a_router_beside_the_worker_has_no_figure(collector: ModelledCpuCollector) -> None:
    """The router used 0 J while a worker beside it used 8 J: where that shows, nothing is reported instead of 0 J."""
    router, worker = start_burning(0.0), start_burning(0.6)
    try:
        collector.attach(Workload((router.pid,), by_port=True))
        assert worker.stdin is not None
        assert worker.stdout is not None
        start = collector.mark()
        worker.stdin.write("go\n")
        worker.stdin.flush()
        worker.stdout.readline()
        measurement = collector.read(start, collector.mark())
    finally:
        worker.communicate("\n")
        router.communicate("go\n\n")
    assert measurement.readings == ()
    assert f"(process {router.pid}) listens on the port, but did only" in measurement.absent["cpu"]


class Machine:
    """A machine on which nothing works but what a test says."""

    slack_s = 0.0
    busy = True

    def __init__(self) -> None:
        self.busy_s = 0.0

    def read_s(self) -> float:
        return self.busy_s + time.process_time()


def doubt(doubts: WorkerDoubts, machine: Machine, own_s: float, others_s: float) -> str | None:
    """What is said of processes that worked so long in a window of 0.3 s, and others next to them."""
    doubts.sample()
    start = Mark(time.perf_counter())
    time.sleep(0.3)
    machine.busy_s += own_s + others_s
    stop = Mark(time.perf_counter())
    doubts.sample()
    return doubts.doubt(start, stop, own_s)


@needs_proc
@pytest.mark.parametrize(("own_s", "others_s", "doubted"), [(0.3, 0.0, False), (0.3, 0.3, False), (0.01, 0.6, True)])
def test_a_server_is_doubted_if_others_did_the_work(own_s: float, others_s: float, doubted: bool) -> None:
    """One that did a part of the machine's work is the engine; one next to which nearly all was done is a router."""
    doubts = WorkerDoubts("modelled", Workload((os.getppid(),), by_port=True), machine := Machine())
    assert (doubt(doubts, machine, own_s, others_s) is not None) is doubted


@needs_proc
def test_a_server_that_rests_after_its_work_is_not_doubted() -> None:
    """What others then do on the machine says nothing of it; without that work it is doubted."""
    workload = Workload((os.getppid(),), by_port=True)
    doubts = WorkerDoubts("modelled", workload, machine := Machine())
    assert doubt(doubts, machine, 0.3, 0.0) is None
    assert doubt(doubts, machine, 0.0, 0.6) is None
    assert doubt(WorkerDoubts("modelled", workload, machine), machine, 0.0, 0.6) is not None


class NothingElse:
    """A machine on which this process and another work, and nothing else."""

    slack_s = 0.0
    busy = True

    def __init__(self, pid: int) -> None:
        self.file, self.other_s = Path(f"/proc/{pid}/stat"), 0.0

    def read_s(self) -> float:
        with suppress(OSError):  # the other has ended
            user, system = self.file.read_text().rpartition(")")[2].split()[11:13]
            self.other_s = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        return self.other_s + time.process_time()


@needs_proc
def test_a_server_that_does_its_own_work_has_a_figure(collector: ModelledCpuCollector) -> None:
    """Found by its port or not, and whatever else works on the machine of this test."""
    server = start_burning(0.6)
    workload = Workload((server.pid,), by_port=True)
    try:
        with ModelledCpuCollector(ModelledCpuOptions(watts_per_thread=WATTS)) as by_id:
            collector.attach(workload)
            assert isinstance(collector._watch._doubts, WorkerDoubts)
            collector._watch._doubts = WorkerDoubts("modelled", workload, NothingElse(server.pid))
            by_id.attach(Workload((server.pid,)))
            start, start_by_id = collector.mark(), by_id.mark()
            server_in, server_out = server.stdin, server.stdout
            assert server_in is not None
            assert server_out is not None
            server_in.write("go\n")
            server_in.flush()
            server_out.readline()
            measurements = (collector.read(start, collector.mark()), by_id.read(start_by_id, by_id.mark()))
    finally:
        server.communicate("\n")
    for measurement in measurements:
        (reading,) = measurement.readings
        assert reading.bounds_j.high >= 0.55 * WATTS


def test_a_listener_without_a_gpu_is_not_the_engine_of_a_gpu(tmp_path: Path) -> None:
    """Its processor time is that of a router; one whose open files are not shown may be the engine."""
    proc, dev = FakeProc(tmp_path / "proc"), tmp_path / "dev"
    dev.mkdir()
    workload = Workload((100,), device_ids=(0,), by_port=True)
    files = proc.add(100, 1, "router") / "fd"
    assert no_gpu_held(workload, proc.root, dev) is None  # there is no GPU at all
    (dev / "nvidia0").touch()
    assert "router (process 100)" in (no_gpu_held(workload, proc.root, dev) or "")
    (files / "5").symlink_to("/dev/nvidia0")
    assert no_gpu_held(workload, proc.root, dev) is None
    assert hold_gpu([100], proc.root)
    assert hold_gpu([101], proc.root) is None


@needs_proc
def test_an_engine_that_cannot_be_seen_is_absent(collector: ModelledCpuCollector) -> None:
    """No process of that number: a reason, and no 0 J."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    collector.attach(Workload((gone.pid,)))
    measurement = collector.read(collector.mark(), collector.mark())
    assert measurement.readings == ()
    assert str(gone.pid) in measurement.absent["cpu"]


def test_an_engine_elsewhere_is_absent(collector: ModelledCpuCollector) -> None:
    """This machine's processors say nothing of another's."""
    collector.attach(Workload((), elsewhere="another machine"))
    assert "another machine" in collector.read(collector.mark(), collector.mark()).absent["cpu"]


def test_a_foreign_mark_is_refused(collector: ModelledCpuCollector) -> None:
    """Marks hold this meter's own reading and cannot be made up."""
    with pytest.raises(CollectorError, match="marks"):
        collector.read(Mark(0.0), Mark(1.0))


def test_marks_are_cheap(collector: ModelledCpuCollector) -> None:
    """At most 20 µs on average."""
    begin_s = time.perf_counter()
    for _ in range(2000):
        collector.mark()
    assert (time.perf_counter() - begin_s) / 2000 < 20e-6


class Told:
    """A source that says what it is told to."""

    slack_s = 0.0
    busy = True

    def __init__(self, *readings_s: float) -> None:
        self._readings_s = iter(readings_s)

    def read_s(self) -> float:
        return next(self._readings_s)


def test_a_single_fall_is_taken_for_a_gap_in_the_reading() -> None:
    """A process that ended while the tree was read is missed once; nothing is counted twice after it."""
    growth = Growth(Told(10.0, 12.0, 5.0, 13.0))
    assert [growth.read_s() for _ in range(3)] == [2.0, 2.0, 3.0]


def test_a_lasting_fall_is_believed() -> None:
    """A process that nobody waited for takes its time with it; the others' growth counts from there."""
    growth = Growth(Told(10.0, 12.0, 5.0, 6.0, 7.5))
    assert [growth.read_s() for _ in range(4)] == [2.0, 2.0, 2.0, 3.5]


def test_a_process_that_comes_with_a_past_adds_none_of_it() -> None:
    """An hour of processor time within an instant is no work of the window: it is not added, and the time is kept."""
    began_s = time.perf_counter()
    growth = Growth(Told(10.0, 10.1, 3610.0, 3610.1), processors=8)
    assert [growth.read_s() for _ in range(3)] == [pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.2)]
    assert growth.broken_within(began_s, time.perf_counter())
    assert not growth.broken_within(time.perf_counter(), time.perf_counter() + 1)


def test_a_window_with_such_a_jump_has_no_figure() -> None:
    """Absent with the reason; the window after it is measured."""
    with ModelledCpuCollector(ModelledCpuOptions(watts_per_thread=4.0)) as collector:
        collector.attach(Workload((os.getpid(),)))
        start = collector.mark()
        collector._watch._others.source = Told(1e6, 1e6, 1e6, 1e6, 1e6, 1e6)
        lost = collector.read(start, collector.mark())
        measured = collector.read(collector.mark(), collector.mark())
    assert "more than all processors can work" in lost.absent["cpu"]
    assert (len(lost.readings), len(measured.readings)) == (0, 1)


def test_another_source_goes_on_from_the_level_reached() -> None:
    """Attaching to another workload neither adds nor removes anything."""
    growth = Growth(Told(10.0, 12.0, 12.0))
    assert growth.read_s() == 2.0
    growth.follow(Told(700.0, 701.0))
    assert growth.read_s() == 3.0


@pytest.mark.parametrize(
    ("name", "thread_w"),
    [
        ("AMD EPYC 7763 64-Core Processor", 280 / 128),
        ("Intel(R) Xeon(R) Platinum 8480+", 350 / 112),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", 120 / 28),
        ("Intel(R) Xeon(R) CPU E5-2680 0 @ 2.70GHz", 130 / 16),
        ("13th Gen Intel(R) Core(TM) i7-13700K", 125 / 24),
        ("AMD Ryzen 9 7950X3D 16-Core Processor", 120 / 32),
    ],
)
def test_a_known_cpu_has_its_published_power(name: str, thread_w: float) -> None:
    """The processor's own name finds its row, and no other part's whose name is a part of it."""
    power = thread_power(name, None)
    assert power.watts == pytest.approx(thread_w)
    assert "product specifications" in power.note


@pytest.mark.parametrize("name", ["AMD EPYC", "Intel(R) Xeon(R) Processor @ 2.70GHz", None])
def test_an_unknown_cpu_is_a_guess_that_says_so(name: str | None) -> None:
    """A stated fallback within the range of real parts, with the setting that replaces it."""
    power = thread_power(name, None)
    watts = [each.thread_w for each in rated_cpus()]
    assert min(watts) < power.watts < max(watts)
    assert "guess" in power.note
    assert "watts_per_thread" in power.note


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_later_version_of_a_part_is_another_part(version: str) -> None:
    """E5-2660 v2 has ten cores and not the eight of its first version; it never takes that row's figure or name."""
    name = {"v2": "E5-2660 v2", "v4": "E5-2670 v4"}[version]
    power = thread_power(f"Intel(R) Xeon(R) CPU {name} @ 2.20GHz", None)
    alike = [each for each in rated_cpus() if each.model.startswith("Xeon E5-") and each.model.endswith(version)]
    assert power.watts == median(each.thread_w for each in alike)
    assert "guess" in power.note
    assert "product specifications" not in power.note


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("AMD EPYC 7V13 64-Core Processor", ("EPYC 7713", "EPYC 7763", "EPYC 7773X")),
        ("AMD EPYC 9V84 96-Core Processor", ("EPYC 9654", "EPYC 9684X")),
        ("Intel(R) Xeon(R) Platinum 8480C", ("Xeon Platinum 84",)),
        ("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", ("Xeon Platinum 84",)),
    ],
)
def test_a_cloud_part_is_guessed_from_its_own_generation(name: str, like: tuple[str, ...]) -> None:
    """Providers' own parts are in no public table: the guess is that of their public relatives, and is called one."""
    power = thread_power(name, None)
    assert power.watts == median(each.thread_w for each in rated_cpus() if each.model.startswith(like))
    assert "guess" in power.note


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("Neoverse-V2", ""),
        ("Apple M2", ""),
        (None, "Linux-6.5.0-1014-nvidia-64k-aarch64-with-glibc2.35"),
        ("Unknown", "macOS-14.5-arm64-arm-64bit"),
    ],
)
def test_an_arm_cpu_is_guessed_from_arm_parts(name: str | None, platform: str) -> None:
    """A Grace or an Apple chip has no relatives among x86 processors; it is called an order of magnitude."""
    power = thread_power(name, None, platform)
    assert power.watts == median(part.thread_w for part in rated_cpus() if part.model.startswith("Altra"))
    assert "order of magnitude" in power.note
    assert thread_power(name, 2.5, platform).watts == 2.5
    x86 = thread_power(None, None, "Linux-6.5.0-x86_64-with-glibc2.35")
    assert x86.watts == median(part.thread_w for part in rated_cpus() if not part.model.startswith("Altra"))


def test_a_cpu_of_neither_kind_is_not_guessed() -> None:
    """The table has no part like it; only the user's figure counts."""
    with pytest.raises(CollectorError, match="watts_per_thread"):
        thread_power(None, None, "Linux-6.1.0-ppc64le-with-glibc2.36")


def test_the_users_figure_wins() -> None:
    """Even for a known processor."""
    assert thread_power("AMD EPYC 7763 64-Core Processor", 9.5).watts == 9.5


def test_every_row_of_the_table_is_found_by_its_own_name() -> None:
    """And is a plausible part: its threads draw between half a watt and 25 W each."""
    for each in rated_cpus():
        assert thread_power(f"Some(R) {each.model} CPU @ 1.00GHz", None).watts == each.thread_w, each.model
        assert 0.5 < each.thread_w < 25
