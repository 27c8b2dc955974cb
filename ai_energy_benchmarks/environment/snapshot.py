"""A snapshot of the machine for the result: nothing secret, no names of users, no paths."""

from __future__ import annotations

import platform
from pathlib import Path

from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.environment import software
from ai_energy_benchmarks.environment.boards import look_for_boards
from ai_energy_benchmarks.environment.work_tree import git_revision
from ai_energy_benchmarks.machine import hardware


def take_snapshot(root: Path = hardware.ROOT) -> Environment:
    """What this machine is; a fact that is not available is None, never an exception.

    Args:
        root: where ``/proc`` and ``/sys`` stand.
    """
    seen = look_for_boards()
    return Environment(
        platform=platform.platform(),
        python=platform.python_version(),
        package_version=software.package_version(),
        cpu_model=hardware.cpu_model(root),
        cpu_threads=hardware.cpu_threads(),
        cpu_governor=hardware.cpu_governor(root),
        memory_bytes=hardware.memory_bytes(root),
        driver_version=seen.driver_version,
        boards=seen.boards,
        libraries=software.library_versions(),
        git_revision=git_revision(),
        container=hardware.container(root),
        cgroup_memory_bytes=hardware.cgroup_memory_bytes(root),
        cgroup_cpus=hardware.cgroup_cpus(root),
        cuda_version=seen.cuda_version,
        variables=software.variables(),
        image=software.image(),
        virtual=hardware.virtual(root),
    )
