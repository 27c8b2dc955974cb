"""Which meters this machine has, found without the collectors themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.environment import software
from ai_energy_benchmarks.environment.boards import Boards
from ai_energy_benchmarks.environment.lines import Line
from ai_energy_benchmarks.machine import hardware

_NVIDIA_VENDOR = "0x10de"
_DISPLAY_CLASS = "0x03"  # PCI base class of display controllers, which accelerators without a screen share
_MOUNT_RAPL = (
    "start the container with -v /sys/class/powercap/intel-rapl:/rapl:ro and set options.root: /rapl of the meter rapl "
    "(metrics.collectors)"
)
_OPTIONAL = (
    ("zeus", ("zeus", "zeus-ml"), ""),
    ("codecarbon", ("codecarbon",), "; a run with it needs metrics.country_iso_code"),
)


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def meter_lines(root: Path, seen: Boards, readable: Callable[[Path], bool] = _readable) -> tuple[Line, ...]:
    """One line per meter, with the reason and the cure where it cannot be used.

    Args:
        root: where ``/proc``, ``/sys`` and ``/dev`` stand.
        readable: whether this process may read a file.
    """
    own = (nvml_line(root, seen), rapl_line(root, readable), modelled_line(root), share_line(root))
    return (*map(_as_registered, own), *optional_lines())


def nvml_line(root: Path, seen: Boards) -> Line:
    """The boards' own counters."""
    if seen.boards:
        without = [board for board in seen.boards if not board.has_energy_counter]
        if without:
            names = ", ".join(f"board {board.index} ({board.name})" for board in without)
            return Line("nvml", "limited", f"no energy counter on {names}; their power is integrated instead")
        return Line("nvml", "ready", f"{len(seen.boards)} with an energy counter, driver {seen.driver_version}")
    if seen.problem is None:
        return Line(
            "nvml",
            "missing",
            f"driver {seen.driver_version} shows no board to this process",
            "check CUDA_VISIBLE_DEVICES and, in a container, start it with --gpus all",
        )
    return Line("nvml", "missing", *_nvml_gap(root, seen.problem))


def _nvml_gap(root: Path, problem: str) -> tuple[str, str | None]:
    """Why NVML does not answer, as precisely as files tell, and what helps."""
    if "shadows" in problem:
        return problem, "pip uninstall pynvml && pip install --force-reinstall nvidia-ml-py"
    if "not installed" in problem:
        return problem, "pip install nvidia-ml-py"
    if (root / "proc/driver/nvidia/version").exists() or (root / "dev/nvidiactl").exists():
        cure = (
            "start the container with the boards and their utilities: docker run --gpus all …"
            if hardware.container(root)
            else "reinstall the driver's libraries (libnvidia-ml.so.1), or reboot if the driver was just updated"
        )
        return f"the NVIDIA driver is loaded, but {problem}", cure
    if _nvidia_on_bus(root):
        return "there is an NVIDIA board, but no driver for it", "install the NVIDIA driver, then check with nvidia-smi"
    return f"no NVIDIA board is seen ({problem})", None


def _nvidia_on_bus(root: Path) -> bool:
    return any(
        hardware.read_text(device / "vendor") == _NVIDIA_VENDOR
        and (hardware.read_text(device / "class") or "").startswith(_DISPLAY_CLASS)
        for device in (root / "sys/bus/pci/devices").glob("*")
    )


def rapl_line(root: Path, readable: Callable[[Path], bool] = _readable) -> Line:
    """The processor's energy counters under ``/sys/class/powercap``."""
    powercap = root / "sys/class/powercap"
    zones = sorted(powercap.glob("intel-rapl:*"))
    domains = [zone for zone in zones if (zone / "energy_uj").exists()]
    if not domains:
        if zones or hardware.container(root):
            why = "its links lead nowhere, as in containers" if zones else "no counters are visible in this container"
            return Line("rapl", "missing", why, _MOUNT_RAPL)
        if hardware.virtual(root):
            return Line("rapl", "missing", "no counters: a virtual machine does not show them", None)
        return Line("rapl", "missing", "no counters under /sys/class/powercap", "sudo modprobe intel_rapl_msr")
    names = {domain: hardware.read_text(domain / "name") or domain.name for domain in domains}
    closed = {domain for domain in domains if not readable(domain / "energy_uj")}
    if not closed:
        return Line("rapl", "ready", f"counters of {', '.join(names.values())}")
    cure = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next boot)"
    if any(names[domain].startswith("package") for domain in closed):
        return Line("rapl", "missing", f"counters of {', '.join(names.values())}, but only root may read them", cure)
    read = ", ".join(names[domain] for domain in domains if domain not in closed)
    return Line("rapl", "limited", f"counters of {read}; not of {', '.join(names[each] for each in closed)}", cure)


def modelled_line(root: Path) -> Line:
    """CPU energy from CPU time, which works wherever there is a processor."""
    name = hardware.cpu_model(root) or "unknown processor"
    return Line("modelled", "ready", f"CPU time of {name} × an assumed power; an estimate, not a measurement")


def share_line(root: Path) -> Line:
    """The workload's part of the processor time, which only Linux tells of other processes."""
    if (root / "proc/stat").exists():
        return Line("cpu_share", "ready", "beside a meter of the CPU: the workload's share of the processor time")
    return Line("cpu_share", "missing", "needs /proc, which only Linux has", None)


def optional_lines() -> tuple[Line, ...]:
    """Meters that other packages bring, of those that this version has a collector for."""
    known = registry.names("collectors")
    return tuple(_optional_line(*each) for each in _OPTIONAL if each[0] in known)


def _optional_line(name: str, distributions: tuple[str, ...], needs: str) -> Line:
    for distribution in distributions:
        version = software.installed_version(distribution)
        if version:
            return Line(name, "ready", f"{distribution} {version}{needs}")
    return Line(name, "missing", "not installed; optional", f'pip install "ai_energy_benchmarks[{name}]"')


def _as_registered(line: Line) -> Line:
    """A meter that the machine has but this version cannot read is no meter."""
    if line.subject in registry.names("collectors"):
        return line
    return Line(line.subject, "missing", f"{line.detail}; this version has no collector for it", None)
