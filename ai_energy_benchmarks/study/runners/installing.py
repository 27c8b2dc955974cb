"""What has to be installed in another environment."""

from __future__ import annotations

from collections.abc import Iterable

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.environment.software import package_version
from ai_energy_benchmarks.errors import ConfigError


def requirement(engines: Iterable[str]) -> str:
    """This package in this version, with the extras of engines: ``ai_energy_benchmarks[vllm]==0.1.0``."""
    extras = ",".join(sorted({extra for engine in engines for extra in _extras(engine)}))
    version = package_version()
    pinned = f"=={version}" if version[:1].isdigit() else ""
    return f"ai_energy_benchmarks[{extras}]{pinned}" if extras else f"ai_energy_benchmarks{pinned}"


def _extras(engine: str) -> set[str]:
    try:
        member = registry.load("backends", engine)
    except (ConfigError, ImportError, AttributeError):  # a plugin that is not installed here
        return set()
    return {package.extra for package in getattr(member, "REQUIRES", ())}
