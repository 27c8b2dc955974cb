"""What of a machine must stay the same for the cells of a study to be comparable."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from ai_energy_benchmarks.domain.environment import Environment

_FACTS = (
    "platform",
    "python",
    "package_version",
    "cpu_model",
    "cpu_threads",
    "cpu_governor",
    "memory_bytes",
    "driver_version",
    "cuda_version",
    "container",
    "cgroup_memory_bytes",
    "cgroup_cpus",
)


def fingerprint(environment: Environment) -> dict[str, object]:
    """Name → value of everything that can change a figure, as JSON holds it."""
    facts: dict[str, object] = {"host": socket.gethostname()}
    facts.update({name: getattr(environment, name) for name in _FACTS})
    facts.update({f"library {name}": version for name, version in environment.libraries.items()})
    facts.update({f"variable {name}": value for name, value in environment.variables.items()})
    for gpu in environment.boards:
        facts[f"GPU {gpu.index}"] = f"{gpu.name} {gpu.id}"
        facts[f"power limit of GPU {gpu.index} (W)"] = gpu.power_limit_w
    return facts


def fingerprint_of_driver(environment: Environment) -> dict[str, object]:
    """What of a machine counts that only hands cells over to others; each of these has a fingerprint of its own."""
    return {name: getattr(environment, name) for name in ("python", "package_version")}


def drift(before: Mapping[str, object], now: Mapping[str, object]) -> tuple[str, ...]:
    """What has changed, one sentence each, in the order of the names."""
    changed = (name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name))
    return tuple(f"{name}: was {_shown(before.get(name))}, is {_shown(now.get(name))}" for name in changed)


def _shown(value: object) -> str:
    return "absent" if value is None else str(value)
