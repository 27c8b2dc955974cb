"""What the operating system says of processor, memory and container."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.machine import hardware

CPUINFO = """processor\t: 0
model name\t: Test CPU 9000   @ 2.50GHz
flags\t\t: fpu vme hypervisor sse

processor\t: 1
model name\t: Test CPU 9000   @ 2.50GHz
flags\t\t: fpu vme hypervisor sse
"""
GIB = 2**30


def write(root: Path, **files: str) -> Path:
    """A tree of files; ``__`` in a name stands for ``/`` and ``_dot_`` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_an_empty_tree_tells_nothing(tmp_path: Path) -> None:
    """What no file tells is None, not zero."""
    assert hardware.cpu_model(tmp_path) is None
    assert hardware.cpu_governor(tmp_path) is None
    assert hardware.memory_bytes(tmp_path) is None
    assert hardware.container(tmp_path, {}) is None
    assert not hardware.virtual(tmp_path)


def test_the_processor_names_itself(tmp_path: Path) -> None:
    """The name is read once, with single spaces; the hypervisor flag marks a virtual machine."""
    write(tmp_path, proc__cpuinfo=CPUINFO)
    assert hardware.cpu_model(tmp_path) == "Test CPU 9000 @ 2.50GHz"
    assert hardware.virtual(tmp_path)


def test_a_processor_on_the_bare_machine_is_not_virtual(tmp_path: Path) -> None:
    """The word must be a flag of its own."""
    write(tmp_path, proc__cpuinfo=CPUINFO.replace("hypervisor", "nohypervisor"))
    assert not hardware.virtual(tmp_path)


def test_the_governors_of_all_threads_are_told(tmp_path: Path) -> None:
    """One name if they agree, each once if they do not."""
    write(tmp_path, sys__devices__system__cpu__cpu0__cpufreq__scaling_governor="powersave\n")
    assert hardware.cpu_governor(tmp_path) == "powersave"
    write(tmp_path, sys__devices__system__cpu__cpu10__cpufreq__scaling_governor="performance\n")
    assert hardware.cpu_governor(tmp_path) == "performance, powersave"


@pytest.mark.parametrize(
    ("files", "expected_bytes"),
    [
        ({}, 8 * GIB),
        ({"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__memory_dot_max": f"{2 * GIB}\n"}, 2 * GIB),
        ({"proc__self__cgroup": "0::/a/b\n", "sys__fs__cgroup__a__memory_dot_max": f"{3 * GIB}\n"}, 3 * GIB),
        ({"proc__self__cgroup": "0::/a\n", "sys__fs__cgroup__a__memory_dot_max": "max\n"}, 8 * GIB),
        ({"proc__self__cgroup": "0::/a\n", "sys__fs__cgroup__a__memory_dot_max": f"{64 * GIB}\n"}, 8 * GIB),
        (
            {
                "proc__self__cgroup": "4:cpu:/x\n5:hugetlb,memory:/box/1\n",
                "sys__fs__cgroup__memory__memory_dot_limit_in_bytes": f"{GIB}\n",
            },
            GIB,
        ),
        ({"proc__self__cgroup": "not of that shape\n::\n"}, 8 * GIB),
    ],
    ids=["no group", "seen from inside", "parent's limit", "no limit", "limit above", "version 1", "unreadable"],
)
def test_memory_is_what_this_process_may_use(tmp_path: Path, files: dict[str, str], expected_bytes: int) -> None:
    """The machine's memory, or the lowest limit of its control groups if that is less."""
    write(tmp_path, proc__meminfo=f"MemTotal:  {8 * GIB // 1024} kB\nMemFree: 1 kB\n", **files)
    assert hardware.memory_bytes(tmp_path) == expected_bytes


@pytest.mark.parametrize(
    ("files", "variables", "kind"),
    [
        ({"_dot_dockerenv": ""}, {}, "docker"),
        ({"run__.containerenv": ""}, {}, "podman"),
        ({"_dot_dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({}, {"APPTAINER_CONTAINER": "/image.sif"}, "apptainer"),
        ({"run__systemd__container": "systemd-nspawn\n"}, {}, "systemd-nspawn"),
        ({"proc__self__cgroup": "12:memory:/kubepods/pod1\n"}, {}, "kubernetes"),
        ({"proc__self__cgroup": "0::/user.slice\n"}, {}, None),
    ],
)
def test_a_container_is_told_by_its_traces(
    tmp_path: Path, files: dict[str, str], variables: dict[str, str], kind: str | None
) -> None:
    """The engine's own marks, or the name of the control group."""
    assert hardware.container(write(tmp_path, **files), variables) == kind


def test_at_least_one_thread_is_usable() -> None:
    """This process runs on something."""
    threads = hardware.cpu_threads()
    assert threads is not None
    assert threads >= 1


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, None),
        ({"proc__self__cgroup": "0::/a\n", "sys__fs__cgroup__a__cpu_dot_max": "150000 100000\n"}, 1.5),
        ({"proc__self__cgroup": "0::/a\n", "sys__fs__cgroup__a__cpu_dot_max": "max 100000\n"}, None),
        (
            {
                "proc__self__cgroup": "4:cpu,cpuacct:/box\n",
                "sys__fs__cgroup__cpu__cpu_dot_cfs_quota_us": "200000\n",
                "sys__fs__cgroup__cpu__cpu_dot_cfs_period_us": "50000\n",
            },
            4.0,
        ),
        ({"proc__self__cgroup": "0::/a\n", "sys__fs__cgroup__a__cpu_dot_max": "nonsense\n"}, None),
    ],
)
def test_the_share_of_processors_is_the_groups(tmp_path: Path, files: dict[str, str], cpus: float | None) -> None:
    """Quota over period, of either version of control groups; None where there is no limit."""
    assert hardware.cgroup_cpus(write(tmp_path, **files)) == cpus


def test_no_limit_of_the_first_version_is_none(tmp_path: Path) -> None:
    """It is written as a number of pages that no machine has."""
    files = {"proc__self__cgroup": "4:memory:/\n"}
    root = write(tmp_path, **files, sys__fs__cgroup__memory__memory_dot_limit_in_bytes="9223372036854771712\n")
    assert hardware.cgroup_memory_bytes(root) is None
    write(root, sys__fs__cgroup__memory__memory_dot_limit_in_bytes=f"{GIB}\n")
    assert hardware.cgroup_memory_bytes(root) == GIB
