"""Whether an executor can be used from this machine; nothing is started and no cluster is joined."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.readiness import Readiness
from ai_energy_benchmarks.machine.packages import packages_readiness

_ANSWER_CAP_S = 5.0
# Where `ray start` leaves the address of the cluster that a machine belongs to (Ray's own file, read by address: auto).
_RAY_ADDRESS = Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"


def readiness(member: type, environment: Environment) -> Readiness:
    """The packages of an executor, and whether there is anything that it could hand cells to."""
    installed = packages_readiness(getattr(member, "REQUIRES", ()))
    if installed.state != "ready":
        return installed
    look: Callable[[str], Readiness] | None = getattr(member, "look", None)
    return look(installed.detail) if look else Readiness("ready", "child processes of this machine")


def ray_readiness(installed: str) -> Readiness:
    """Whether ``execution.ray.address: auto`` would find a cluster."""
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        address = address or _RAY_ADDRESS.read_text(encoding="utf-8").strip()
    except OSError:
        remedy = """ray start --head --resources='{"exclusive": 1}', or execution.ray.address"""
        return Readiness("limited", f"{installed}; this machine belongs to no Ray cluster", remedy)
    return Readiness("ready", f"{installed}, cluster at {address}")


def slurm_readiness(installed: str) -> Readiness:
    """Whether Slurm answers, and with which partitions."""
    if shutil.which("sbatch") is None or shutil.which("sinfo") is None:
        return Readiness("missing", f"{installed}; the commands of Slurm are not on the PATH", "use a login node")
    try:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%R"], capture_output=True, text=True, timeout=_ANSWER_CAP_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Readiness("missing", f"{installed}; sinfo does not answer: {error}", "start slurmctld")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["sinfo fails"]
        return Readiness("missing", f"{installed}; {lines[-1]}", "start slurmctld, or use a login node")
    partitions = ", ".join(dict.fromkeys(done.stdout.split())) or "none"
    return Readiness("ready", f"{installed}, partitions: {partitions}")
