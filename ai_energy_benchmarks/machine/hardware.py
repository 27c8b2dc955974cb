"""What the operating system says of processor, memory and container.

``root`` is where ``/proc`` and ``/sys`` are looked for, so that tests bring a tree of their own.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path("/")
_NO_LIMIT_BYTES = 2**62

# Traces that container engines leave; the outermost that is known comes first.
_CONTAINER_PATHS = {
    "var/run/secrets/kubernetes.io": "kubernetes",
    "run/.containerenv": "podman",
    ".dockerenv": "docker",
    ".singularity.d": "apptainer",
}
_CONTAINER_VARIABLES = {
    "KUBERNETES_SERVICE_HOST": "kubernetes",
    "APPTAINER_CONTAINER": "apptainer",
    "SINGULARITY_CONTAINER": "apptainer",
}
# Makers and products in the firmware of virtual machines (systemd, src/basic/virt.c, dmi_vendor_table); the clouds
# whose machines may be real ones too, such as those of Amazon and Google, are left to the processor's flag.
_HYPERVISORS = (
    *("KVM", "QEMU", "VMware", "innotek", "VirtualBox", "Xen", "Bochs", "Parallels", "BHYVE", "OpenStack"),
    "Virtual Machine",  # Microsoft's Hyper-V and Azure
)
_CONTAINER_CGROUPS = {"kubepods": "kubernetes", "libpod": "podman", "docker": "docker", "lxc": "lxc"}


def read_text(path: Path) -> str | None:
    """A small file's text without the spaces around it; None if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def cpu_model(root: Path = ROOT) -> str | None:
    """The processor's name for itself, spaces tidied."""
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model") and value.strip():
            return " ".join(value.split())
    if sys.platform == "darwin" and root == ROOT:
        return _macos_cpu_model()
    return platform.processor() or None if sys.platform == "win32" else None


def _macos_cpu_model() -> str | None:
    command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=2, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def cpu_threads() -> int | None:
    """Hardware threads that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def cpu_governor(root: Path = ROOT) -> str | None:
    """The frequency governor, all of them if the threads differ; None where there is none, as in most VMs."""
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    found = {text for file in files if (text := read_text(file))}
    return ", ".join(sorted(found)) or None


def virtual(root: Path = ROOT) -> bool | None:
    """Whether a hypervisor stands below this system, as the processor or the firmware says; None if neither does.

    A hypervisor may hide its flag from guests that are given a GPU, but its firmware still has its name. Processors
    other than x86 have no such flag.
    """
    firmware = " ".join(read_text(root / "sys/class/dmi/id" / name) or "" for name in ("sys_vendor", "product_name"))
    if (root / "sys/hypervisor/type").exists() or any(name in firmware for name in _HYPERVISORS):
        return True
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        if line.startswith("flags"):
            return "hypervisor" in line.split()
    return None


def nvidia_gpus(dev: Path = ROOT / "dev") -> int:
    """How many NVIDIA GPUs have a device file."""
    return sum(re.fullmatch(r"nvidia\d+", file.name) is not None for file in dev.glob("nvidia*"))


def memory_bytes(root: Path = ROOT) -> int | None:
    """Memory that this process may use: the machine's, or the control group's limit if that is lower."""
    known = [size for size in (_machine_memory_bytes(root), cgroup_memory_bytes(root)) if size]
    return min(known, default=None)


def _machine_memory_bytes(root: Path) -> int | None:
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        words = line.split()
        if words[:1] == ["MemTotal:"] and len(words) > 1 and words[1].isdigit():
            return int(words[1]) * 1024
    if root != ROOT or not hasattr(os, "sysconf"):
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def cgroup_memory_bytes(root: Path = ROOT) -> int | None:
    """The control group's limit of memory; None without one."""
    places = _cgroups(root, "memory")
    names = ("memory.max", "memory.limit_in_bytes")  # of the second and the first version
    texts = [read_text(place / name) for place in places for name in names]
    limits = [int(text) for text in texts if text and text.isdigit()]
    # The first version writes "no limit" as the largest number of pages.
    return min((limit for limit in limits if limit < _NO_LIMIT_BYTES), default=None)


def cgroup_cpus(root: Path = ROOT) -> float | None:
    """How many processors' time the control group may use; None without a limit."""
    shares = []
    for place in _cgroups(root, "cpu"):
        quota, period = (*(read_text(place / "cpu.max") or "").split(), "", "")[:2]
        if not quota:
            quota, period = (read_text(place / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit() and int(period):
            shares.append(int(quota) / int(period))
    return min(shares, default=None)


def _cgroups(root: Path, controller: str) -> list[Path]:
    """The directories from the mount point down to our group; a container may see only the first."""
    found = []
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            mount = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" / controller
        else:
            continue
        parts = [part for part in group.split("/") if part not in ("", "..")]
        found += [mount.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return found


def container(root: Path = ROOT, variables: Mapping[str, str] = os.environ) -> str | None:
    """The kind of container around this process: docker, podman, kubernetes, apptainer, lxc …; None if none is seen."""
    for name, kind in _CONTAINER_VARIABLES.items():
        if name in variables:
            return kind
    for path, kind in _CONTAINER_PATHS.items():
        if (root / path).exists():
            return kind
    told = read_text(root / "run/systemd/container")
    if told:
        return told
    groups = read_text(root / "proc/self/cgroup") or ""
    return next((kind for word, kind in _CONTAINER_CGROUPS.items() if word in groups), None)
