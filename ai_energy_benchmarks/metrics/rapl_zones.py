"""The counters that Linux keeps for processor packages and memory, as files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ai_energy_benchmarks.domain.power import Component, Device
from ai_energy_benchmarks.errors import CollectorError

POWERCAP = Path("/sys/class/powercap")
# The counters are renewed about every millisecond (Intel SDM vol. 3B, "RAPL Interfaces").
STALE_S = 0.002
# No package or memory of today draws more, even for a moment.
CEILING_W = 2000.0


class Zone:
    """One counter, held open; it wraps, and is made into a sum that does not.

    A counter that was set back to zero looks like one that wrapped, so that its sum jumps by almost its range: more
    than any processor draws, by which ``edges.impossible`` knows it.

    Attributes:
        device: the package or its memory.
        whole: whether it counts the whole platform, packages included; such a zone is never part of a sum.
    """

    def __init__(self, directory: Path, component: Component, name: str) -> None:
        self.device = Device(component, name)
        self.whole = name.startswith("psys")
        self._range_uj = int((directory / "max_energy_range_uj").read_text())
        self._file = os.open(directory / "energy_uj", os.O_RDONLY)
        self._sum_uj = 0
        self._last_uj = self._read_uj()

    def _read_uj(self) -> int:
        return int(os.pread(self._file, 32, 0))

    def energy_j(self) -> float:
        """Energy since the zone was opened. Must be called more often than the counter wraps.

        Raises:
            OSError: the zone has gone.
        """
        now_uj = self._read_uj()
        # The counter holds range + 1 values, from 0 to range.
        self._sum_uj += (now_uj - self._last_uj) % (self._range_uj + 1)
        self._last_uj = now_uj
        return self._sum_uj / 1e6

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def open_zones(root: Path = POWERCAP) -> tuple[Zone, ...]:
    """Packages, memories and platforms, in order of their numbers.

    Cores and graphics are parts of a package, and the memory-mapped twins (``intel-rapl-mmio``) count the same
    packages again: neither is opened.

    Raises:
        CollectorError: there are none, or they may not be read.
    """
    zones: list[Zone] = []
    try:
        directories = sorted(root.glob("intel-rapl:*"))
        names = {directory.name: (directory / "name").read_text().strip() for directory in directories}
        for directory in directories:
            component, name = _meaning(directory.name, names)
            if component is not None:
                zones.append(Zone(directory, component, name))
    except PermissionError as error:
        _close(zones)
        raise CollectorError(
            f"RAPL is there but may not be read: {error.filename}",
            remedy=f"run as root, or until the machine restarts: sudo chmod a+r {root}/intel-rapl:*/energy_uj",
        ) from error
    except (OSError, ValueError) as error:
        _close(zones)
        raise CollectorError(f"RAPL cannot be read: {error}") from error
    if not any(not zone.whole for zone in zones):
        _close(zones)
        raise CollectorError(
            f"no RAPL counter of a package in {root}",
            remedy="on a physical machine: sudo modprobe intel_rapl_msr; virtual machines have none",
        )
    return tuple(zones)


def _meaning(directory: str, names: dict[str, str]) -> tuple[Component | None, str]:
    """What a zone counts, and the name of its device; None for what is part of another."""
    name = names[directory]
    if name.startswith(("package", "psys")):
        return "cpu", name
    if name == "dram":
        return "dram", f"{names.get(directory.rpartition(':')[0], directory)}/dram"
    return None, name


def _close(zones: Sequence[Zone]) -> None:
    for zone in zones:
        zone.close()
