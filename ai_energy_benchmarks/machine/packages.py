"""Which Python distributions are installed, by their metadata: nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from attrs import frozen

from ai_energy_benchmarks.domain.readiness import Readiness
from ai_energy_benchmarks.machine.installing import install_line

VersionOf = Callable[[str], str | None]


@frozen
class Package:
    """A distribution that a member needs; members list them in ``REQUIRES``.

    Attributes:
        module: what is imported of it.
        names: the names under which it may be installed, the usual one first.
        extra: the extra of this package that installs it.
        lowest: the lowest version that works; any, if empty.
        excludes: distributions that pin other versions of what it needs, so that both cannot share an environment.
    """

    module: str
    names: tuple[str, ...]
    extra: str
    lowest: str = ""
    excludes: tuple[str, ...] = ()

    @property
    def install(self) -> str:
        """The command that installs it."""
        return install_line(self.extra)


def installed_version(distribution: str) -> str | None:
    """The installed version; None if it is not installed, or its metadata has none."""
    try:
        found: str | None = version(distribution)
    except (PackageNotFoundError, KeyError):
        return None
    return found


def importable(package: Package) -> bool:
    """Whether its module can be found, however it was installed."""
    return find_spec(package.module) is not None


def version_numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``2.13.0+cpu`` → (2, 13, 0)."""
    numbers = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, numbers.group().split("."))) if numbers else ()


def packages_readiness(packages: Sequence[Package], version_of: VersionOf = installed_version) -> Readiness:
    """Whether all are installed and new enough; the detail is what is installed, or what is wrong with it."""
    present, gaps, old = [], [], []
    for package in packages:
        installed = next(((name, found) for name in package.names if (found := version_of(name))), None)
        if installed is None:
            gaps.append(package.names[0])
            continue
        present.append(" ".join(installed))
        if version_numbers(installed[1]) < version_numbers(package.lowest):
            old.append(f"{package.names[0]} {package.lowest}")
    if gaps:
        return Readiness("missing", f"{' and '.join(gaps)} not installed", _install_line(packages[0], version_of))
    if old:
        detail = f"{', '.join(present)}; at least {' and '.join(old)} is required"
        return Readiness("missing", detail, packages[0].install.replace("install", "install --upgrade", 1))
    return Readiness("ready", ", ".join(present))


def _install_line(package: Package, version_of: VersionOf) -> str:
    """The command that installs a distribution; next to one that it excludes it would break both."""
    rival = next((name for name in package.excludes if version_of(name)), None)
    if rival is None:
        return package.install
    return f"{package.install} in a virtual environment of its own, for {rival} is installed in this one"
