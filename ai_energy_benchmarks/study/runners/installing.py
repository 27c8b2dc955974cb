"""What has to be installed in another environment."""

from __future__ import annotations

from collections.abc import Iterable

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.environment.software import package_version
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.installing import arguments


def requirement(engines: Iterable[str]) -> str:
    """What ``pip install`` is given there: this package, from where this copy came, with the extras of engines."""
    version = package_version()
    extras = {extra for engine in engines for extra in _extras(engine)}
    return arguments(extras, version=version if version[:1].isdigit() else "")


def _extras(engine: str) -> set[str]:
    try:
        member = registry.load("backends", engine)
    except (ConfigError, ImportError, AttributeError):  # a plugin that is not installed here
        return set()
    return {package.extra for package in getattr(member, "REQUIRES", ())}
