"""A snapshot of the machine for the result: nothing secret, no names of users, no paths."""

from __future__ import annotations

import platform
from pathlib import Path

from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.environment import machine, software
from ai_energy_benchmarks.environment.boards import look_for_boards


def take_snapshot(root: Path = machine.ROOT) -> Environment:
    """What this machine is; a fact that cannot be had is None, never an exception.

    Args:
        root: where ``/proc`` and ``/sys`` stand.
    """
    seen = look_for_boards()
    return Environment(
        platform=platform.platform(),
        python=platform.python_version(),
        package_version=software.package_version(),
        cpu_model=machine.cpu_model(root),
        cpu_threads=machine.cpu_threads(),
        cpu_governor=machine.cpu_governor(root),
        memory_bytes=machine.memory_bytes(root),
        driver_version=seen.driver_version,
        boards=seen.boards,
        libraries=software.library_versions(),
        git_revision=software.git_revision(),
        container=machine.container(root),
        cgroup_memory_bytes=machine.cgroup_memory_bytes(root),
        cgroup_cpus=machine.cgroup_cpus(root),
        cuda_version=seen.cuda_version,
        variables=software.variables(),
    )
