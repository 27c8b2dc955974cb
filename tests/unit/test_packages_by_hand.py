"""The meter of processor packages with its counters and the clock set by hand: every bound, limit and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai_energy_benchmarks.domain.power import Device, Measurement, Recipe, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.rapl import collector as rapl
from ai_energy_benchmarks.metrics.rapl.collector import RaplCollector, RaplOptions
from ai_energy_benchmarks.metrics.rapl.zones import POWERCAP

RANGE_UJ = 2**40


class Packages:
    """Counters of constant power, and time that passes only when somebody sleeps or a test lets it."""

    def __init__(self, root: Path) -> None:
        self.root, self.now_s, self.slept_s = root, -1.0, list[float]()
        self.power_w: dict[str, float] = {}
        self.energy_j: dict[str, float] = {}
        self.alive_from_s = -1.0

    def zone(self, key: str, name: str, power_w: float, range_uj: int = RANGE_UJ) -> None:
        (self.root / key).mkdir()
        (self.root / key / "name").write_text(name)
        (self.root / key / "max_energy_range_uj").write_text(str(range_uj))
        self.power_w[key], self.energy_j[key] = power_w, 1000.0
        self.write(key, "1000000000")

    def write(self, key: str, text: str) -> None:
        (self.root / key / "energy_uj").write_text(text)

    def perf_counter(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.until(self.now_s + seconds)

    def until(self, time_s: float, **further_j: float) -> None:
        """Everything draws its power until then; of some zones, by their names without what is always there, more."""
        seconds, self.now_s = time_s - self.now_s, time_s
        for key, power_w in self.power_w.items():
            if time_s >= self.alive_from_s:
                self.energy_j[key] += power_w * seconds + further_j.get(key.replace("intel-rapl:", "z"), 0.0)
            self.write(key, str(round(self.energy_j[key] * 1e6) % RANGE_UJ))


class Sampler:
    """Reads at once when it is told to, and never by itself."""

    def __init__(self, sample: Callable[[], None], poll_s: float, name: str) -> None:
        self.poke, self.named, self.again_s, self.has_stopped = sample, (poll_s, name), 0.0, False
        made.append(self)

    def stop(self) -> None:
        """Nothing runs."""
        self.has_stopped = True


made: list[Sampler] = []


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    """A package of 100 W with 10 W of memory."""
    found = Packages(tmp_path)
    found.zone("intel-rapl:0", "package-0", 100.0)
    found.zone("intel-rapl:0:0", "dram", 10.0)
    with monkeypatch.context() as patch:
        patch.setattr(rapl, "time", found)
        patch.setattr(rapl, "Sampler", Sampler)
        made.clear()
        yield found


def window(
    collector: RaplCollector, packages: Packages, stop_s: float, start_s: float = 0.0, **further_j: float
) -> Measurement:
    """From one moment to another, in which some zones counted more."""
    packages.until(start_s)
    start = collector.mark()
    packages.until(stop_s, **further_j)
    return collector.read(start, collector.mark())


def opened(packages: Packages) -> RaplCollector:
    return RaplCollector(RaplOptions(packages.root))


def test_a_window_has_what_its_counters_grew_by(packages: Packages) -> None:
    """2 s at 100, 10 and 50 W. At an edge a value may be 2 ms old, in which a package draws up to 2 kW, 4 J.

    So a level lies up to 4 J above a reading at the edge, and at the end up to what the reading 2.5 ms later showed.
    """
    packages.zone("intel-rapl:1", "package-1", 50.0)
    packages.zone("intel-rapl:2", "psys", 300.0)
    with opened(packages) as collector:
        assert collector.components() == ("cpu", "dram")
        packages.slept_s.clear()
        found = window(collector, packages, 2.0)
        assert packages.slept_s == [pytest.approx(0.0025)]
        assert (found.start_s, found.stop_s, dict(found.absent), found.shares) == (0.0, 2.0, {}, ())
        for reading, name, power_w in zip(
            found.readings, ("package-0", "package-0/dram", "package-1"), (100.0, 10.0, 50.0), strict=True
        ):
            energy_j = 2 * power_w
            assert reading.device == Device("dram" if "dram" in name else "cpu", name)
            assert tuple(reading.bounds_j) == pytest.approx((energy_j - 4, energy_j, energy_j + power_w * 0.0025))
            assert (reading.provenance, reading.meter, reading.estimator) == ("measured", "rapl", "continuous")
            assert reading.counted
            assert reading.recipe == Recipe(
                "fresh", "energy_j", name, 0.0, 2.0, ceiling_per_s=2000.0, stale_s=0.002, look_back_s=2.0
            )
        series = collector.samples().series
    assert [each.device.id for each in series] == ["package-0", "package-0/dram", "package-1", "psys"]
    assert {(each.quantity, each.meter) for each in series} == {("energy_j", "rapl")}
    assert list(series[0].before_s) == list(series[0].after_s) == [-1.0, -0.998, 0.0, 2.0, 2.0025]
    assert list(series[3].values) == pytest.approx([0.0, 0.6, 300.0, 900.0, 900.75])
    assert (made[0].named, made[0].again_s, made[0].has_stopped) == ((0.1, "rapl"), 0.0025, True)


def test_what_the_reader_must_know_is_in_the_notes(packages: Packages) -> None:
    """Whose energy it is; and what was found of the counters."""
    whole = "rapl counts whole packages: whatever else runs on this machine is in its figures"
    with opened(packages) as collector:
        assert collector.notes() == (whole,)
        assert (collector.limits(), collector.counted_devices()) == ((), frozenset())
        mark = collector.mark()
        assert (collector.guard_s(), collector.further_rest_s(None, mark)) == (0.0, 0.0)
    packages.zone("intel-rapl:1", "package-1", 50.0, range_uj=0)
    with opened(packages) as collector:
        first, second = collector.notes()
    assert first == whole
    assert second.startswith("rapl: the kernel does not state at which value the counter of package-1 wraps")
    assert (RaplOptions().root, RaplOptions().poll_s) == (POWERCAP, 0.1)
    assert RaplCollector.AUTO == {"cpu": 10, "dram": 10}


@pytest.mark.parametrize(("alive_after_s", "accepted"), [(0.0, True), (0.048, True), (0.056, False), (10.0, False)])
def test_a_counter_has_to_move_within_50_ms(packages: Packages, alive_after_s: float, accepted: bool) -> None:
    """It is looked at every 2 ms; in virtual machines it never moves, and another meter may see the CPU."""
    packages.alive_from_s = packages.now_s + alive_after_s - 1e-9
    if accepted:
        with opened(packages) as collector:
            assert window(collector, packages, 1.0).readings
        assert set(packages.slept_s[:-1]) <= {0.002}
        return
    with pytest.raises(CollectorError) as caught, opened(packages):
        pass
    assert caught.value.message == "the RAPL counters stand still"
    assert caught.value.remedy == "virtual machines often have none that work"
    assert len(packages.slept_s) in (25, 26)
    assert set(packages.slept_s) == {0.002}


def test_a_counter_may_move_at_the_last_look(packages: Packages) -> None:
    """On a clock that moves by 50 ms the second look is not too late yet."""
    packages.now_s, packages.alive_from_s = 0.0, 0.06

    def coarse(_: float) -> None:
        packages.until(packages.now_s + 0.05)

    packages.sleep = coarse  # type: ignore[method-assign] # a clock of this kind
    with opened(packages) as collector:
        assert collector.components() == ("cpu", "dram")


@pytest.mark.parametrize(("stop_s", "absent"), [(0.049, False), (0.05, True), (3.0, True)])
def test_memory_that_counts_nothing_in_50_ms_is_absent(packages: Packages, stop_s: float, absent: bool) -> None:
    """In a shorter window it may have drawn too little to count; no growth is no 0 J."""
    packages.power_w["intel-rapl:0:0"] = 0.0
    with opened(packages) as collector:
        found = window(collector, packages, stop_s)
    assert [reading.device.component for reading in found.readings] == (["cpu"] if absent else ["cpu", "dram"])
    assert dict(found.absent) == ({"dram": "its RAPL counter stands still"} if absent else {})


@pytest.mark.parametrize(
    ("zone", "jump_j", "absent", "component"),
    [
        ("z0", 3898.0, None, "cpu"),
        ("z0", 3902.0, "package-0", "cpu"),
        ("z0", 1e6, "package-0", "cpu"),
        ("z0:0", 3988.0, None, "dram"),
        ("z0:0", 3992.0, "package-0/dram", "dram"),
        ("z1", 1e6, None, "cpu"),
    ],
)
def test_a_counter_that_grew_by_more_than_2_kw_was_reset(
    packages: Packages, zone: str, jump_j: float, absent: str | None, component: str
) -> None:
    """From 2 ms before the reading before, at -0.998 s, to that at 1 s: 4 kJ, of which 100 and 10 J are its own.

    The platform, which is in no sum, leaves no figure out.
    """
    packages.zone("intel-rapl:1", "psys", 300.0)
    with opened(packages) as collector:
        found = window(collector, packages, 1.0, **{zone: jump_j})
        reason = f"the RAPL counter of {absent} was reset during the window"
        assert dict(found.absent) == ({} if absent is None else {component: reason})
        left = {"cpu", "dram"} - ({component} if absent else set())
        assert {reading.device.component for reading in found.readings} == left
        later = window(collector, packages, 12.0, 11.0)
        assert [reading.energy_j for reading in later.readings] == pytest.approx([100.0, 10.0])
        assert dict(later.absent) == {}


def test_a_dead_counter_that_jumps_was_reset(packages: Packages) -> None:
    """Of one package that stands still and another that jumps, the jump is the reason."""
    packages.zone("intel-rapl:1", "package-1", 0.0)
    with opened(packages) as collector:
        found = window(collector, packages, 1.0, z0=1e6)
    assert dict(found.absent) == {"cpu": "the RAPL counter of package-0 was reset during the window"}
    assert [reading.device.component for reading in found.readings] == ["dram"]


@pytest.mark.parametrize("broken", ["memory", "elsewhere", "both"])
def test_what_is_absent_has_its_reason(packages: Packages, broken: str) -> None:
    """Memory that cannot be read; and everything, also that memory, of an engine on another machine."""
    if broken != "elsewhere":
        packages.write("intel-rapl:0:0", "no number")
        del packages.power_w["intel-rapl:0:0"]
    why = "the RAPL counter of package-0/dram cannot be read: energy_uj holds no number"
    with opened(packages) as collector:
        assert collector.limits() == (() if broken == "elsewhere" else (f"no dram: {why}",))
        if broken != "memory":
            collector.attach(Workload((), elsewhere="far away"))
        found = window(collector, packages, 1.0)
        assert (found.start_s, found.stop_s) == (0.0, 1.0)
        assert dict(found.absent) == ({"dram": why} if broken == "memory" else {"cpu": "far away", "dram": "far away"})
        assert [reading.device.component for reading in found.readings] == (["cpu"] if broken == "memory" else [])
        collector.attach(Workload(()))
        assert window(collector, packages, 3.0, 2.0).readings


def test_a_counter_that_is_lost_ends_the_meter_and_leaves_no_row(packages: Packages) -> None:
    """Neither of itself nor of those that are read after it; the error says which and what helps."""
    packages.zone("intel-rapl:1", "package-1", 50.0)
    with opened(packages) as collector:
        packages.until(0.0)
        start = collector.mark()
        packages.until(1.0)
        packages.write("intel-rapl:0:0", "broken")
        del packages.power_w["intel-rapl:0:0"]
        with pytest.raises(CollectorError) as caught:
            collector.read(start, collector.mark())
        lengths = [len(series.values) for series in collector.samples().series]
    assert caught.value.message.startswith("RAPL was lost: package-0/dram can no longer be read: ")
    assert caught.value.remedy == "make energy_uj readable, and measure again"
    assert lengths == [5, 3, 3]


def test_a_counter_that_is_lost_before_it_moves_is_not_called_still(packages: Packages) -> None:
    """The error says what happened to it."""
    packages.alive_from_s = 10.0

    def breaks(seconds: float) -> None:
        packages.now_s += seconds
        packages.write("intel-rapl:0", "broken")

    packages.sleep = breaks  # type: ignore[method-assign] # the counter breaks while it is waited for
    with pytest.raises(CollectorError, match="RAPL was lost: package-0 can no longer be read"), opened(packages) as it:
        it.read(it.mark(), it.mark())


def test_a_platform_that_is_lost_leaves_all_others_measured(packages: Packages) -> None:
    """Also those that are read after it."""
    packages.zone("intel-rapl:1", "psys", 300.0)
    packages.zone("intel-rapl:2", "package-2", 50.0)
    with opened(packages) as collector:
        packages.write("intel-rapl:1", "broken")
        del packages.power_w["intel-rapl:1"]
        found = window(collector, packages, 1.0)
        lengths = [len(series.values) for series in collector.samples().series]
    assert [reading.energy_j for reading in found.readings] == pytest.approx([100.0, 10.0, 50.0])
    assert lengths == [5, 5, 2, 5]


def test_leaving_closes_the_counters_and_entering_again_begins_anew(packages: Packages) -> None:
    """It waits for growth again, and what was lost before is no reason any more."""
    collector = opened(packages)
    for _ in range(2):
        packages.until(packages.now_s + 1.0)
        with collector:
            assert len(collector.samples().series[0].values) == 2
        with pytest.raises(OSError, match="Bad file descriptor"):
            collector._zones[0].energy_j()
    with collector:
        packages.write("intel-rapl:0", "broken")
        collector.mark()
    packages.until(packages.now_s + 1.0)
    with collector:
        assert window(collector, packages, packages.now_s + 2.0, packages.now_s + 1.0).readings
