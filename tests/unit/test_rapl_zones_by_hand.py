"""The directory of RAPL's counters, file by file: what is opened, refused or noted, and what is named as the fix."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.rapl.collector import RaplOptions
from ai_energy_benchmarks.metrics.rapl.zones import CEILING_W, POWERCAP, STALE_S, Zone, Zones, no_packages, open_zones

MOUNT = "docker run -v /sys/class/powercap/intel-rapl:/rapl:ro"


def zone(root: Path, key: str, name: str | None, energy: str = "1000", range_uj: str | None = "999999") -> Path:
    """A zone's directory; None leaves a file out."""
    directory = root / key
    directory.mkdir(parents=True)
    for file, text in (("name", name), ("energy_uj", energy), ("max_energy_range_uj", range_uj)):
        if text is not None:
            (directory / file).write_text(f"{text}\n")
    return directory


def packages(topology: Path, *numbers: int) -> Path:
    """The processors that the kernel lists, each of a package."""
    for processor, package in enumerate(numbers):
        directory = topology / f"cpu{processor}" / "topology"
        directory.mkdir(parents=True)
        (directory / "physical_package_id").write_text(f"{package}\n")
    return topology


def opened(root: Path, *numbers: int) -> Zones:
    """The zones of a machine with these packages; its files are closed again."""
    found = open_zones(root, packages(root / "cpus", *numbers) if numbers else root / "none")
    for each in found.opened:
        each.close()
    return found


def test_packages_memories_and_the_platform_are_opened_in_order(tmp_path: Path) -> None:
    """By the names of their directories; parts of a package are not, nor are its twins, and psys is in no sum."""
    for key, name in (
        ("intel-rapl:1", "package-1"),
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:0:2", "dram"),
        ("intel-rapl:2", "psys"),
        ("intel-rapl-mmio:0", "package-0"),
    ):
        zone(tmp_path, key, name)
    found = opened(tmp_path)
    shown = [(each.device.component, each.device.id, each.whole, each.has_range) for each in found.opened]
    assert shown == [
        ("cpu", "package-0", False, True),
        ("dram", "package-0/dram", False, True),
        ("cpu", "package-1", False, True),
        ("cpu", "psys", True, True),
    ]
    assert (found.absent, found.notes) == ({}, ())


@pytest.mark.parametrize("layout", ["{0}", "intel-rapl/{0}", "intel-rapl:0/{0}", "intel-rapl/intel-rapl:0/{0}"])
def test_memory_is_found_next_to_its_package_or_in_it(tmp_path: Path, layout: str) -> None:
    """In the class directory, in that of the driver, and in the parent of either."""
    parent = "intel-rapl/intel-rapl:0" if layout.startswith("intel-rapl/") else "intel-rapl:0"
    zone(tmp_path, parent, "package-0")
    zone(tmp_path, layout.format("intel-rapl:0:1"), "dram")
    assert [each.device.id for each in opened(tmp_path).opened] == ["package-0", "package-0/dram"]


def test_memory_without_a_package_of_its_key_is_named_by_the_key(tmp_path: Path) -> None:
    """So that two of them are told apart."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:7:0", "dram")
    assert [each.device.id for each in opened(tmp_path).opened] == ["package-0", "intel-rapl:7:0/dram"]


@pytest.mark.parametrize(
    ("range_uj", "last", "now", "energy_j"),
    [
        ("999999", "1000", "3000", 0.002),
        ("999999", "999999", "0", 1e-6),  # the counter holds range + 1 values
        ("999999", "999000", "1000", 0.002),
        ("999999", "1000", "1000", 0.0),
        ("0", "1000", "999", 1e10),
        (None, "1000", "999", 1e10),
        ("-5", "1000", "999", 1e10),
        ("much", "1000", "999", 1e10),
        ("1", "1", "0", 1e-6),
    ],
)
def test_a_counter_becomes_a_sum_that_never_falls(
    tmp_path: Path, range_uj: str | None, last: str, now: str, energy_j: float
) -> None:
    """A fall is a wrap at the stated range; of an unknown one it adds more than anything draws."""
    directory = zone(tmp_path, "intel-rapl:0", "package-0", last, range_uj)
    counter = Zone(directory, "cpu", "package-0")
    assert counter.energy_j() == 0.0
    (directory / "energy_uj").write_text(now)
    assert counter.energy_j() == pytest.approx(energy_j, rel=1e-12)
    assert counter.energy_j() == pytest.approx(energy_j, rel=1e-12)
    assert counter.has_range is (range_uj in ("999999", "1"))
    counter.close()


def test_the_limits_of_a_counter_are_those_of_the_page() -> None:
    """2 kW at most, renewed within 2 ms; both are in every recipe, so that stored results follow them too."""
    assert (CEILING_W, STALE_S) == (2000.0, 0.002)


@pytest.mark.parametrize(
    ("numbers", "accepted"), [((0,), True), ((0, 0), True), ((0, 1), False), ((1,), False), ((), False)]
)
def test_a_nameless_zone_is_no_package_where_every_package_has_a_counter(
    tmp_path: Path, numbers: tuple[int, ...], accepted: bool
) -> None:
    """Of the packages that the kernel lists; where it lists none, or another, it may be one."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:1", "")
    if accepted:
        assert opened(tmp_path, *numbers).notes == ("rapl: intel-rapl:1 cannot be read; it is in no figure",)
        return
    with pytest.raises(CollectorError, match="intel-rapl:1 has no name and may be a further package") as error:
        opened(tmp_path, *numbers)
    assert MOUNT in (error.value.remedy or "")


def test_packages_whose_number_cannot_be_read_are_not_known(tmp_path: Path) -> None:
    """Then a nameless zone may be one of them."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:1", None)
    (packages(tmp_path / "cpus", 0) / "cpu0" / "topology" / "physical_package_id").write_text("none")
    with pytest.raises(CollectorError, match="may be a further package"):
        open_zones(tmp_path, tmp_path / "cpus")


@pytest.mark.parametrize(
    ("nameless", "with_dram", "absent", "noted"),
    [
        ("intel-rapl:0:3", False, True, False),  # it may be the memory
        ("intel-rapl:0:3", True, False, True),  # the memory of this package is known
        ("intel-rapl:1:0", True, True, False),  # that of another package is not
    ],
)
def test_a_nameless_part_may_be_the_memory(
    tmp_path: Path, nameless: str, with_dram: bool, absent: bool, noted: bool
) -> None:
    """Unless its package has one already."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    if with_dram:
        zone(tmp_path, "intel-rapl:0:0", "dram")
    zone(tmp_path, nameless, None)
    found = opened(tmp_path, 0)
    why = f"the RAPL counter {nameless} cannot be read, and may be that of the memory"
    assert dict(found.absent) == ({"dram": why} if absent else {})
    assert found.notes == ((f"rapl: {nameless} cannot be read; it is in no figure",) if noted else ())
    assert any(each.device.component == "dram" for each in found.opened) is (with_dram and not absent)


def test_counters_that_hold_no_number_are_an_error_an_absence_or_a_note(tmp_path: Path) -> None:
    """Of a package, of a memory, which leaves all memory out, and of the platform."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:1", "package-1", range_uj=None)
    zone(tmp_path, "intel-rapl:0:0", "dram")
    zone(tmp_path, "intel-rapl:1:0", "dram", "")
    zone(tmp_path, "intel-rapl:2", "psys", "broken")
    found = opened(tmp_path, 0, 1)
    assert [each.device.id for each in found.opened] == ["package-0", "package-1"]
    assert dict(found.absent) == {
        "dram": "the RAPL counter of package-1/dram cannot be read: energy_uj holds no number"
    }
    assert found.notes == (
        "rapl: the kernel does not state at which value the counter of package-1 wraps (max_energy_range_uj), so a "
        "window in which it does has no figure",
        "the RAPL counter of psys cannot be read: energy_uj holds no number; it is in no figure",
    )
    missing = tmp_path / "intel-rapl:1" / "energy_uj"
    missing.unlink()
    with pytest.raises(CollectorError) as error:
        opened(tmp_path)
    assert error.value.message == f"RAPL cannot be read: package-1: {missing}: No such file or directory"
    assert MOUNT in (error.value.remedy or "")


def test_no_file_is_left_open_where_zones_are_refused_or_left_out(tmp_path: Path) -> None:
    """Neither those opened before the one that failed, nor memory that is not complete, nor a counter of no number."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "dram")
    broken = zone(tmp_path, "intel-rapl:1", "package-1", "none")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for energy, refused in (("none", True), ("5", False)):
        (broken / "energy_uj").write_text(energy)
        if refused:
            with pytest.raises(CollectorError, match="energy_uj holds no number"):
                opened(tmp_path)
        else:
            zone(tmp_path, "intel-rapl:1:0", "dram", "none")
            opened(tmp_path)
    assert (len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0) == before


def test_links_that_lead_nowhere_are_named_with_the_mount(tmp_path: Path) -> None:
    """As in a container, where the class directory holds links to what is hidden."""
    zone(tmp_path, "intel-rapl:0", None)
    zone(tmp_path, "intel-rapl:1", "")
    with pytest.raises(CollectorError, match=r"\(intel-rapl:0 leads nowhere\): containers hide them") as error:
        opened(tmp_path)
    assert MOUNT in (error.value.remedy or "")


def test_of_a_zone_that_is_found_twice_the_one_that_leads_on_counts(tmp_path: Path) -> None:
    """Whichever comes first."""
    zone(tmp_path, "intel-rapl:0", None)
    zone(tmp_path, "intel-rapl/intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0/intel-rapl:0:0", "dram", "7")
    zone(tmp_path, "intel-rapl/intel-rapl:0:0", "", "9")
    found = open_zones(tmp_path, tmp_path)
    assert [each.device.id for each in found.opened] == ["package-0", "package-0/dram"]
    for each in found.opened:
        each.close()


def machine(root: Path, *, container: bool, hypervisor: bool) -> Path:
    """The files by which a container and a virtual machine are known."""
    for file, text in (
        ("run/systemd/container", "podman" if container else ""),
        ("proc/cpuinfo", f"flags\t\t: fpu {'hypervisor' if hypervisor else 'vme'}\n"),
    ):
        (root / file).parent.mkdir(parents=True)
        (root / file).write_text(text)
    return root


@pytest.mark.parametrize(
    ("own", "kind", "message", "remedy"),
    [
        (False, "container", "no RAPL counters are visible in this container", MOUNT),
        (False, "container and guest", "no RAPL counters are visible in this container", MOUNT),
        (False, "guest", "a virtual machine does not show them", "measure on the host"),
        (False, "", "no RAPL counter of a package in /sys/class/powercap", "modprobe intel_rapl_msr"),
        (True, "container and guest", "a virtual machine does not show them", "measure on the host"),
        (True, "container", "no RAPL counter of a package in ", "modprobe intel_rapl_msr"),
    ],
)
@pytest.mark.usefixtures("no_container_variables")
def test_the_fix_is_that_of_the_machine(tmp_path: Path, own: bool, kind: str, message: str, remedy: str) -> None:
    """The mount for a container that has none yet, the host for a virtual machine, else the kernel's module."""
    root = machine(tmp_path, container="container" in kind, hypervisor="guest" in kind)
    error = no_packages(tmp_path / "rapl" if own else POWERCAP, root)
    assert message in str(error)
    assert remedy in (error.remedy or "")


@pytest.fixture
def no_container_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those by which a container is known."""
    for variable in ("KUBERNETES_SERVICE_HOST", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", "container"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("poll_s", [0.0, 30.5, 3600.0])
def test_readings_so_far_apart_that_a_counter_may_wrap_twice_are_refused(poll_s: float) -> None:
    """After 33 s at 2 kW a round of a counter of 32 bits would be lost unseen."""
    with pytest.raises(ValueError, match="poll_s"):
        RaplOptions(poll_s=poll_s)
    assert RaplOptions(poll_s=30.0).poll_s == 30.0
