"""The RAPL meter on a directory tree like the kernel's, whose counters a thread moves at known powers."""

from __future__ import annotations

import math
import os
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import pytest

from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Recipe, Series, Workload
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.rapl.collector import RaplCollector, RaplOptions
from ai_energy_benchmarks.metrics.rapl.zones import CEILING_W, STALE_S, Zone, Zones, open_zones

RANGE_UJ = 262_143_328_850


class Tree:
    """``/sys/class/powercap`` in a directory; each zone draws constant power once the tree runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._power_w: dict[Path, float] = {}
        self._start_uj: dict[Path, int] = {}
        self._range_uj: dict[Path, int] = {}
        self._leaving = Event()
        self._thread = Thread(target=self._run)

    def zone(self, directory: str, name: str, power_w: float, start_uj: int = 0, range_uj: int = RANGE_UJ) -> Path:
        zone = self.root / directory
        zone.mkdir(parents=True)
        (zone / "name").write_text(f"{name}\n")
        (zone / "max_energy_range_uj").write_text(f"{range_uj}\n")
        (zone / "energy_uj").write_text(f"{start_uj:020d}\n")
        self._power_w[zone], self._start_uj[zone], self._range_uj[zone] = power_w, start_uj, range_uj
        return zone

    def run(self) -> None:
        self.begin_s = time.perf_counter()
        self._thread.start()

    def reset(self, zone: Path) -> None:
        """The counter begins at zero again."""
        grown_uj = int(self._power_w[zone] * (time.perf_counter() - self.begin_s) * 1e6)
        self._start_uj[zone] = -grown_uj

    def stop(self) -> None:
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join()

    def empty(self, zone: Path) -> None:
        """Leave its counter without a number, also once the others run."""
        del self._power_w[zone]
        (zone / "energy_uj").write_text("")

    def _run(self) -> None:
        files = {zone: os.open(zone / "energy_uj", os.O_WRONLY) for zone in self._power_w}
        while not self._leaving.wait(0.001):
            for zone, file in files.items():
                grown_uj = int(self._power_w[zone] * (time.perf_counter() - self.begin_s) * 1e6)
                now_uj = (self._start_uj[zone] + grown_uj) % (self._range_uj[zone] + 1)
                os.pwrite(file, f"{now_uj:020d}\n".encode(), 0)
        for file in files.values():
            os.close(file)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path)
    yield made
    made.stop()


def measure(collector: RaplCollector, seconds: float) -> Measurement:
    start = collector.mark()
    time.sleep(seconds)
    return collector.read(start, collector.mark())


def test_packages_and_memory_are_measured(tree: Tree) -> None:
    """Each package and its memory by its own counter; parts, twins and the platform are in no sum."""
    tree.zone("intel-rapl:0", "package-0", 100.0)
    tree.zone("intel-rapl:0:0", "core", 60.0)
    tree.zone("intel-rapl:0:1", "dram", 10.0)
    tree.zone("intel-rapl:1", "package-1", 50.0)
    tree.zone("intel-rapl:1:0", "dram", 5.0)
    tree.zone("intel-rapl:2", "psys", 300.0)
    tree.zone("intel-rapl-mmio:0", "package-0", 100.0)
    tree.run()
    with RaplCollector(RaplOptions(tree.root)) as collector:
        assert collector.components() == ("cpu", "dram")
        measurement = measure(collector, 0.5)
        sampled = {series.device.id for series in collector.samples().series}
    power_w = {"package-0": 100.0, "package-0/dram": 10.0, "package-1": 50.0, "package-1/dram": 5.0}
    assert {reading.device.id for reading in measurement.readings} == set(power_w)
    assert sampled == {*power_w, "psys"}
    for reading in measurement.readings:
        truth_j = power_w[reading.device.id] * measurement.duration_s
        assert reading.bounds_j.low <= truth_j <= reading.bounds_j.high
        assert reading.energy_j == pytest.approx(truth_j, rel=0.1)
        assert (reading.provenance, reading.meter) == ("measured", "rapl")


def test_a_counter_that_wraps_goes_on(tree: Tree) -> None:
    """Its range is known, so nothing is lost: 300 J through a counter that holds 40."""
    range_uj = 40_000_000
    tree.zone("intel-rapl:0", "package-0", 600.0, start_uj=range_uj - 5_000_000, range_uj=range_uj)
    tree.run()
    with RaplCollector(RaplOptions(tree.root, poll_s=0.01)) as collector:
        measurement = measure(collector, 0.5)
    (reading,) = measurement.readings
    assert reading.energy_j == pytest.approx(600.0 * measurement.duration_s, rel=0.1)


def test_one_wrap_is_exact(tmp_path: Path) -> None:
    """The value after the highest one is 0."""
    zone_at = Tree(tmp_path).zone("intel-rapl:0", "package-0", 0.0, start_uj=999_990, range_uj=999_999)
    zone = Zone(zone_at, "cpu", "package-0")
    (zone_at / "energy_uj").write_text("10\n")
    assert zone.energy_j() == pytest.approx(20e-6)
    zone.close()


def test_a_window_with_a_reset_is_lost_with_its_reason(tree: Tree) -> None:
    """The package has no figure, its memory keeps its own, and the next window is measured again."""
    package = tree.zone("intel-rapl:0", "package-0", 250.0, start_uj=1_000_000_000)
    tree.zone("intel-rapl:0:0", "dram", 10.0)
    tree.run()
    with RaplCollector(RaplOptions(tree.root, poll_s=0.01)) as collector:
        start = collector.mark()
        time.sleep(0.1)
        tree.reset(package)
        time.sleep(0.1)
        lost = collector.read(start, collector.mark())
        found = measure(collector, 0.2)
    assert [reading.device.component for reading in lost.readings] == ["dram"]
    assert "reset" in lost.absent["cpu"]
    assert "package-0" in lost.absent["cpu"]
    energies_j = {reading.device.component: reading.energy_j for reading in found.readings}
    assert energies_j == {
        "cpu": pytest.approx(250 * found.duration_s, rel=0.1),
        "dram": pytest.approx(10 * found.duration_s, rel=0.1),
    }


def test_every_edge_has_two_readings(tree: Tree) -> None:
    """One at once and one that is surely younger than the edge, however rarely the counters are polled."""
    tree.zone("intel-rapl:0", "package-0", 100.0)
    tree.run()
    with RaplCollector(RaplOptions(tree.root, poll_s=30.0)) as collector:

        def since_s(mark: Mark) -> list[float]:
            return [begin_s for begin_s in collector.samples().series[0].before_s if begin_s >= mark.time_s]

        start = collector.mark()
        give_up_s = time.perf_counter() + 10
        while len(since_s(start)) < 2 and time.perf_counter() < give_up_s:  # late on a busy machine
            time.sleep(0.01)
        time.sleep(0.3)
        stop = collector.mark()
        (reading,) = collector.read(start, stop).readings
        begins_s = since_s(start)
    for mark in (start, stop):
        assert sum(begin_s >= mark.time_s + STALE_S for begin_s in begins_s) >= 1
    # One more would be a poll.
    assert sum(begin_s < stop.time_s for begin_s in begins_s) == 2
    assert reading.bounds_j.low <= 100.0 * (stop.time_s - start.time_s) <= reading.bounds_j.high


@pytest.mark.parametrize("window_s", [1.0, 3.0])
def test_work_that_begins_at_the_edge_is_not_drawn_as_a_ramp(window_s: float) -> None:
    """From 100 to 250 W and back: off by less than 0.1 %, with bounds of at most 1 % that hold."""

    def energy_j(time_s: float) -> float:
        return 100 * time_s + 150 * min(max(0.0, time_s - 1.03), window_s)

    edges_s = (1.03, 1.03 + window_s)
    times_s = sorted(
        [0.1 * poll for poll in range(60)] + [edge_s + late_s for edge_s in edges_s for late_s in (1e-4, 2.6e-3)]
    )
    values = array("d", (energy_j(math.floor(1e3 * time_s) / 1e3) for time_s in times_s))
    device = Device("cpu", "package-0")
    series = Series(device, "energy_j", "rapl", array("d", times_s), array("d", (t + 2e-5 for t in times_s)), values)
    recipe = Recipe("fresh", "energy_j", "package-0", *edges_s, ceiling_per_s=CEILING_W, stale_s=STALE_S)
    low_j, best_j, high_j = follow(recipe, series).bounds_j
    truth_j = 250 * window_s
    assert best_j == pytest.approx(truth_j, rel=1e-3)
    assert low_j <= truth_j <= high_j
    assert (high_j - low_j) / 2 <= 0.01 * truth_j


def test_counters_that_stand_still_are_refused(tree: Tree) -> None:
    """As in some virtual machines: an error, so that another meter may see the CPU."""
    tree.zone("intel-rapl:0", "package-0", 0.0)
    with pytest.raises(CollectorError, match="stand still"), RaplCollector(RaplOptions(tree.root)):
        pass


def test_a_dead_memory_counter_is_absent(tree: Tree) -> None:
    """Not 0 J."""
    tree.zone("intel-rapl:0", "package-0", 100.0)
    tree.zone("intel-rapl:0:0", "dram", 0.0)
    tree.run()
    with RaplCollector(RaplOptions(tree.root)) as collector:
        measurement = measure(collector, 0.2)
    assert [reading.device.component for reading in measurement.readings] == ["cpu"]
    assert set(measurement.absent) == {"dram"}


def test_an_engine_elsewhere_is_absent(tree: Tree) -> None:
    """This machine's packages say nothing of another's."""
    tree.zone("intel-rapl:0", "package-0", 100.0)
    tree.run()
    with RaplCollector(RaplOptions(tree.root)) as collector:
        collector.attach(Workload((), elsewhere="another machine"))
        measurement = collector.read(collector.mark(), collector.mark())
    assert (measurement.readings, set(measurement.absent)) == ((), {"cpu"})


@pytest.mark.parametrize("name", [None, "core", "psys"])
def test_no_package_is_an_error_with_a_cure(tree: Tree, name: str | None) -> None:
    """Neither an empty tree nor parts or the platform alone make a meter."""
    if name is not None:
        tree.zone("intel-rapl:0", name, 10.0)
    with pytest.raises(CollectorError, match="no RAPL counter") as caught, RaplCollector(RaplOptions(tree.root)):
        pass
    assert caught.value.remedy is not None


@contextmanager
def without_privileges() -> Iterator[None]:
    """As a user who may not read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="RAPL is Linux only")
def test_a_forbidden_counter_says_how_to_allow_it() -> None:
    """Kernels since 2020 let only root read them."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        (Tree(Path(directory)).zone("intel-rapl:0", "package-0", 10.0) / "energy_uj").chmod(0o400)
        with without_privileges(), pytest.raises(CollectorError, match="may not be read") as caught:
            open_zones(Path(directory))
    assert caught.value.remedy is not None
    assert "chmod" in caught.value.remedy


def topology(root: Path, *packages: int) -> Path:
    for cpu, package in enumerate(packages):
        (root / f"cpu{cpu}/topology").mkdir(parents=True)
        (root / f"cpu{cpu}/topology/physical_package_id").write_text(f"{package}\n")
    return root


def opened(root: Path, topology_at: Path | None = None) -> tuple[set[str], Zones]:
    """The devices whose counters were opened; everything is closed again."""
    zones = open_zones(root) if topology_at is None else open_zones(root, topology_at)
    for zone in zones.opened:
        zone.close()
    return {zone.device.id for zone in zones.opened}, zones


@pytest.mark.parametrize("inside", [".", "intel-rapl"])
def test_the_directory_of_the_driver_has_its_memory_too(tree: Tree, inside: str) -> None:
    """Mounted into a container, it holds each subzone within its package, and perhaps one level further down."""
    tree.zone(f"{inside}/intel-rapl:0", "package-0", 50.0)
    tree.zone(f"{inside}/intel-rapl:0/intel-rapl:0:0", "core", 20.0)
    tree.zone(f"{inside}/intel-rapl:0/intel-rapl:0:1", "dram", 5.0)
    tree.run()
    with RaplCollector(RaplOptions(tree.root)) as collector:
        assert collector.components() == ("cpu", "dram")
        measurement = measure(collector, 0.3)
    power_w = {reading.device.id: reading.energy_j / measurement.duration_s for reading in measurement.readings}
    assert power_w == {
        "package-0": pytest.approx(50.0, rel=0.1),
        "package-0/dram": pytest.approx(5.0, rel=0.1),
    }


def test_a_zone_that_is_linked_and_nested_counts_once(tree: Tree) -> None:
    """The class directory links to zones that lie within their packages as well."""
    tree.zone("devices/intel-rapl:0", "package-0", 50.0)
    tree.zone("devices/intel-rapl:0/intel-rapl:0:0", "dram", 5.0)
    powercap = tree.root / "class"
    powercap.mkdir()
    (powercap / "intel-rapl:0").symlink_to(tree.root / "devices/intel-rapl:0")
    (powercap / "intel-rapl:0:0").symlink_to(tree.root / "devices/intel-rapl:0/intel-rapl:0:0")
    assert [zone.device.id for zone in opened(powercap)[1].opened] == ["package-0", "package-0/dram"]


def test_links_that_lead_nowhere_name_the_mount_that_works(tmp_path: Path) -> None:
    """So docker leaves them; the message and the fix name the other place and the setting."""
    (tmp_path / "intel-rapl:0").symlink_to("../../devices/virtual/powercap/intel-rapl/intel-rapl:0")
    with pytest.raises(CollectorError, match=r"leads nowhere.*options\.root") as caught:
        open_zones(tmp_path)
    assert "-v /sys/class/powercap/intel-rapl:/rapl:ro" in str(caught.value.remedy)
    assert "root: /rapl" in str(caught.value.remedy)


@pytest.mark.parametrize("broken", ["no energy", "no number", "no zone"])
def test_a_platform_that_cannot_be_read_is_a_note(tree: Tree, tmp_path: Path, broken: str) -> None:
    """It is in no sum, so the packages are measured all the same."""
    tree.zone("rapl/intel-rapl:0", "package-0", 100.0)
    if broken == "no zone":
        (tree.root / "rapl/intel-rapl:1").symlink_to("nowhere")
    else:
        psys = tree.zone("rapl/intel-rapl:1", "psys", 100.0)
        (psys / "energy_uj").write_text("")
        if broken == "no energy":
            (psys / "energy_uj").unlink()
    found, zones = opened(tree.root / "rapl", topology(tmp_path / "cpu", 0, 0))
    assert found == {"package-0"}
    assert not zones.absent
    assert "cannot be read" in zones.notes[0]


@pytest.mark.parametrize("packages", [(0, 1), ()])
def test_a_nameless_zone_may_be_a_package(tree: Tree, tmp_path: Path, packages: tuple[int, ...]) -> None:
    """Where the kernel lists more packages than can be read, or none, the sum could lack one: no meter."""
    tree.zone("rapl/intel-rapl:0", "package-0", 100.0)
    (tree.root / "rapl/intel-rapl:1").symlink_to("nowhere")
    with pytest.raises(CollectorError, match=r"intel-rapl:1 .* may be a further package"):
        open_zones(tree.root / "rapl", topology(tmp_path / "cpu", *packages))


def test_a_package_that_cannot_be_read_is_an_error_with_a_fix(tree: Tree) -> None:
    """A sum without it would be too small."""
    tree.zone("intel-rapl:0", "package-0", 100.0)
    (tree.zone("intel-rapl:1", "package-1", 100.0) / "energy_uj").write_text("")
    with pytest.raises(CollectorError, match="package-1: energy_uj holds no number") as caught:
        open_zones(tree.root)
    assert caught.value.remedy


@pytest.mark.parametrize("broken", ["memory", "no name", "one of two"])
def test_memory_that_cannot_be_read_is_absent_with_its_reason(tree: Tree, broken: str) -> None:
    """The packages are measured; of the memory, a part would be no figure."""
    tree.zone("intel-rapl:0", "package-0", 100.0)
    if broken == "no name":
        (tree.root / "intel-rapl:0:1").symlink_to("nowhere")
    else:
        tree.empty(tree.zone("intel-rapl:0:1", "dram", 5.0))
    if broken == "one of two":
        tree.zone("intel-rapl:1", "package-1", 100.0)
        tree.zone("intel-rapl:1:1", "dram", 5.0)
    tree.run()
    with RaplCollector(RaplOptions(tree.root)) as collector:
        assert collector.components() == ("cpu",)
        assert [limit.partition(":")[0] for limit in collector.limits()] == ["no dram"]
        measurement = measure(collector, 0.1)
    assert {reading.device.component for reading in measurement.readings} == {"cpu"}
    assert "0:1" in measurement.absent["dram"] or "package-0/dram" in measurement.absent["dram"]


@pytest.mark.parametrize("text", ["0\n", "", None])
def test_a_counter_without_a_range_is_measured_until_it_falls(tree: Tree, text: str | None) -> None:
    """Some kernels state 0: a window in which it grows has its energy, one in which it falls has none."""
    zone = tree.zone("intel-rapl:0", "package-0", 100.0)
    tree.run()
    time.sleep(0.02)
    if text is None:
        (zone / "max_energy_range_uj").unlink()
    else:
        (zone / "max_energy_range_uj").write_text(text)
    with RaplCollector(RaplOptions(tree.root)) as collector:
        measurement = measure(collector, 0.2)
        assert any("does not state" in note or "max_energy_range_uj" in note for note in collector.notes())
        start = collector.mark()
        tree.reset(zone)
        time.sleep(0.05)
        fallen = collector.read(start, collector.mark())
    (reading,) = measurement.readings
    assert reading.energy_j == pytest.approx(100.0 * measurement.duration_s, rel=0.1)
    assert fallen.readings == ()
    assert "reset" in fallen.absent["cpu"]


def test_a_counter_that_breaks_is_an_error(tree: Tree) -> None:
    """Something else than a number: the meter is lost, and no figure is made up."""
    zone = tree.zone("intel-rapl:0", "package-0", 100.0)
    tree.run()
    with RaplCollector(RaplOptions(tree.root)) as collector:
        tree.stop()
        (zone / "energy_uj").write_text("broken\n")
        with pytest.raises(CollectorError, match="lost"):
            measure(collector, 0.05)
