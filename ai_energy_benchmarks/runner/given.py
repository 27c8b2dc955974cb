"""Members made by hand: whether each has what its contract names, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from ai_energy_benchmarks.backends.base import Backend
from ai_energy_benchmarks.datasets.base import Dataset
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.metrics.base import MetricsCollector
from ai_energy_benchmarks.reporters.base import Reporter

# Only what makes a member from a config calls these.
_OF_CONFIGS = {"from_settings", "Options"}
_ENTERED = {"__enter__", "__exit__"}
_PAGES = {"backend": "docs/add-a-backend.md", "collector": "docs/add-a-meter.md"}


def check_given(
    backend: object = None,
    collector: object = None,
    reporters: Sequence[object] | None = None,
    dataset: object = None,
) -> None:
    """Refuse members that lack a part of their contract; None is not looked at.

    Raises:
        ConfigError: with the names of what is missing.
    """
    _check("backend", backend, Backend)
    _check("collector", collector, MetricsCollector)
    _check("dataset", dataset, Dataset)
    for reporter in reporters or ():
        _check("reporter", reporter, Reporter)


def _check(what: str, member: object, contract: type) -> None:
    if member is None:
        return
    page = _PAGES.get(what)
    see = f"; {page} shows one" if page else ""
    if isinstance(member, type):
        raise ConfigError(
            f"{what}={member.__name__} is a class, not a {what}", remedy=f"make one: {member.__name__}(…){see}"
        )
    if missing := [name for name in _parts(contract) if not hasattr(member, name)]:
        raise ConfigError(
            f"{type(member).__name__} is not a {what}: it has no {', '.join(missing)}",
            remedy=f"add what is missing, as {contract.__module__}.{contract.__name__} describes it{see}",
        )


def _parts(contract: type) -> list[str]:
    """What a protocol asks of an object, in the order in which it does."""
    named = dict.fromkeys((*contract.__annotations__, *vars(contract)))
    return [each for each in named if each in _ENTERED or not (each.startswith("_") or each in _OF_CONFIGS)]
