"""The counters that Linux keeps for processor packages and memory, as files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from attrs import evolve, field, frozen

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.hardware import ROOT, container, virtual

POWERCAP = Path("/sys/class/powercap")
TOPOLOGY = Path("/sys/devices/system/cpu")
# The class directory holds links, the directory of the driver holds the zones themselves, each within its package; a
# container may have been given either, or the parent of the latter.
_LAYOUTS = ("intel-rapl:*", "intel-rapl:*/intel-rapl:*", "intel-rapl/intel-rapl:*", "intel-rapl/*/intel-rapl:*")
_MOUNT = (
    "in a container: docker run -v /sys/class/powercap/intel-rapl:/rapl:ro …, and in the config "
    "metrics.collectors: [{type: rapl, options: {root: /rapl}}]"
)
# The counters are renewed about every millisecond (Intel SDM vol. 3B, "RAPL Interfaces").
STALE_S = 0.002
# No package or memory of today draws more, even for a moment.
CEILING_W = 2000.0
# What a fall of a counter of unknown range adds: more than CEILING_W brings in 57 days, so no window takes it.
_UNKNOWN_RANGE_UJ = 10**16


class Zone:
    """One counter, held open; it wraps, and is made into a sum that does not.

    A counter that was set back to zero looks like one that wrapped, so that its sum jumps by almost its range: more
    than any processor draws, by which ``edges.impossible`` knows it.

    Attributes:
        device: the package or its memory.
        whole: whether it counts the whole platform, packages included; such a zone is never part of a sum.
        has_range: whether the kernel states at which value the counter wraps.
    """

    def __init__(self, directory: Path, component: Component, name: str) -> None:
        self.device = Device(component, name)
        self.whole = name.startswith("psys")
        self._range_uj = _range_uj(directory)
        self.has_range = self._range_uj > 0
        self._file = os.open(directory / "energy_uj", os.O_RDONLY)
        self._sum_uj = 0
        try:
            self._last_uj = self._read_uj()
        except BaseException:
            os.close(self._file)
            raise

    def _read_uj(self) -> int:
        return int(os.pread(self._file, 32, 0))

    def energy_j(self) -> float:
        """Energy since the zone was opened. Must be called more often than the counter wraps.

        Raises:
            OSError: the zone has gone.
        """
        now_uj = self._read_uj()
        grown_uj = now_uj - self._last_uj
        if grown_uj < 0:
            # The counter holds range + 1 values, from 0 to range.
            grown_uj = grown_uj % (self._range_uj + 1) if self.has_range else _UNKNOWN_RANGE_UJ
        self._sum_uj += grown_uj
        self._last_uj = now_uj
        return self._sum_uj / 1e6

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


@frozen
class Zones:
    """The counters of a machine.

    Attributes:
        opened: packages, memories and platforms that can be read, in order of their names.
        absent: component → why it is not measured, although the machine counts it or may count it.
        notes: counters that are not read without harm to a figure, and why.
    """

    opened: tuple[Zone, ...]
    absent: Mapping[Component, str] = field(factory=dict)
    notes: tuple[str, ...] = ()


def open_zones(root: Path = POWERCAP, topology: Path = TOPOLOGY) -> Zones:
    """Packages, memories and platforms.

    Cores and graphics are parts of a package, and the memory-mapped twins (``intel-rapl-mmio``) count the same
    packages again: neither is opened. Every package must be readable, or the sum would lack one; memory of which one
    counter cannot be read is absent for the same reason. A platform's counter is in no sum, so it may be missing.

    Args:
        topology: where the kernel lists the processors, to know how many packages there must be.

    Raises:
        CollectorError: there are no packages, or one of them cannot be read.
    """
    directories = _directories(root)
    names = {key: _name(directory) for key, directory in directories.items()}
    packages = [name for name in names.values() if name and name.startswith("package")]
    nameless = [key for key, name in names.items() if name is None]
    if not packages and nameless:
        raise CollectorError(
            f"the RAPL counters in {root} cannot be read ({nameless[0]} leads nowhere): containers hide them; mount "
            "/sys/class/powercap/intel-rapl at another place and name that in options.root of the meter rapl",
            remedy=_MOUNT,
        )
    if not packages:
        raise no_packages(root)
    top = next((key for key in nameless if key.count(":") == 1), None)
    if top is not None and not _complete(packages, topology):
        raise CollectorError(f"RAPL cannot be read: {top} has no name and may be a further package", remedy=_MOUNT)
    zones = _opened(directories, names)
    if "dram" not in zones.absent:
        return zones
    for zone in zones.opened:
        if zone.device.component == "dram":
            zone.close()
    return evolve(zones, opened=tuple(zone for zone in zones.opened if zone.device.component != "dram"))


def no_packages(powercap: Path, root: Path = ROOT) -> CollectorError:
    """Why there is no counter of a package, and what helps.

    Args:
        root: where ``/proc``, ``/sys`` and ``/dev`` are.
    """
    if powercap == POWERCAP and container(root):
        return CollectorError("no RAPL counters are visible in this container", remedy=_MOUNT)
    if virtual(root):
        remedy = "measure on the host, or name another meter in metrics.collectors"
        return CollectorError("no RAPL counters: a virtual machine does not show them", remedy=remedy)
    return CollectorError(f"no RAPL counter of a package in {powercap}", remedy="sudo modprobe intel_rapl_msr")


def _directories(root: Path) -> dict[str, Path]:
    """The zones by their names in sysfs, such as ``intel-rapl:0:1``; of one that is found twice, one that leads on."""
    found: dict[str, Path] = {}
    for directory in (each for layout in _LAYOUTS for each in sorted(root.glob(layout))):
        earlier = found.get(directory.name)
        if earlier is None or _name(earlier) is None:
            found[directory.name] = directory
    return dict(sorted(found.items()))


def _name(directory: Path) -> str | None:
    """What the kernel calls a zone; None where the link leads nowhere or the file is empty."""
    try:
        return (directory / "name").read_text().strip() or None
    except OSError:
        return None


def _range_uj(directory: Path) -> int:
    """The value at which a counter wraps; 0 where the kernel does not state it."""
    try:
        return max(0, int((directory / "max_energy_range_uj").read_text()))
    except (OSError, ValueError):
        return 0


def _complete(packages: Sequence[str], topology: Path) -> bool:
    """Whether there is a counter for every package that the kernel lists; unknown where dies are counted."""
    try:
        listed = {
            f"package-{int(file.read_text())}" for file in topology.glob("cpu[0-9]*/topology/physical_package_id")
        }
    except (OSError, ValueError):
        return False
    return bool(listed) and listed <= set(packages)


def _opened(directories: Mapping[str, Path], names: Mapping[str, str | None]) -> Zones:
    opened: list[Zone] = []
    absent: dict[Component, str] = {}
    notes: list[str] = []
    with ExitStack() as stack:
        for key, directory in directories.items():
            component, label = _meaning(key, names)
            if component is None:
                continue
            try:
                zone = Zone(directory, component, label)
            except (OSError, ValueError) as error:
                if label.startswith("package") and component == "cpu":
                    raise _refusal(label, directory, error) from error
                reason = f"the RAPL counter of {label} cannot be read: {_briefly(error)}"
                if component == "dram":
                    absent["dram"] = reason
                else:
                    notes.append(f"{reason}; it is in no figure")
                continue
            stack.callback(zone.close)
            opened.append(zone)
            if not zone.has_range:
                notes.append(
                    f"rapl: the kernel does not state at which value the counter of {label} wraps "
                    "(max_energy_range_uj), so a window in which it does has no figure"
                )
        stack.pop_all()
    counted = {key.rpartition(":")[0] for key in names if _meaning(key, names)[0] == "dram"}
    for key in (key for key, name in names.items() if name is None):
        if key.count(":") == 1 or key.rpartition(":")[0] in counted:
            notes.append(f"rapl: {key} cannot be read; it is in no figure")
        else:
            absent.setdefault("dram", f"the RAPL counter {key} cannot be read, and may be that of the memory")
    return Zones(tuple(opened), absent, tuple(notes))


def _meaning(key: str, names: Mapping[str, str | None]) -> tuple[Component | None, str]:
    """What a zone counts, and the name of its device; None for what is part of another, or has no name."""
    name = names[key] or ""
    if name.startswith(("package", "psys")):
        return "cpu", name
    if name == "dram":
        return "dram", f"{names.get(key.rpartition(':')[0]) or key}/dram"
    return None, name


def _refusal(label: str, directory: Path, error: Exception) -> CollectorError:
    if isinstance(error, PermissionError):
        files = f"{directory.parent}/intel-rapl:*/energy_uj"
        return CollectorError(
            f"RAPL is there but may not be read: {directory}/energy_uj",
            remedy=f"run as root, or until the machine restarts: sudo chmod a+r {files}",
        )
    return CollectorError(f"RAPL cannot be read: {label}: {_briefly(error)}", remedy=_MOUNT)


def _briefly(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'energy_uj'}: {error.strerror}"
    return "energy_uj holds no number"
