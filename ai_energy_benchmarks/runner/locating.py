"""Where the engine runs, and whether the meters of this machine may speak of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ai_energy_benchmarks.backends.base import Backend, Located
from ai_energy_benchmarks.backends.location import of_tree
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.engine import Location
from ai_energy_benchmarks.domain.verdict import Finding


def location_of(backend: Backend) -> Location:
    """What the backend shows of it; an engine in process is here, but may be one of several processes elsewhere."""
    if isinstance(backend, Located):
        return backend.location()
    pids = backend.process_ids()
    return of_tree(pids[0]) if pids == (os.getpid(),) else Location(pids)


def elsewhere(config: BenchmarkConfig, location: Location, *, gpus_named: bool) -> str | None:
    """Why the meters here have no figure for the engine, unless the user has overruled that; None if they have one."""
    return location.missed(assume_local=config.metrics.assume_local, gpus_named=gpus_named)


def location_findings(config: BenchmarkConfig, location: Location, missed: str | None) -> Iterator[Finding]:
    """What the reader must know of where the engine runs."""
    if not config.metrics.enabled:
        return
    if missed is not None:
        yield Finding("FAIL", "engine location", missed)
    elif location.elsewhere is not None:
        keys = "metrics.assume_local" if config.metrics.assume_local else "backend.device_ids"
        yield Finding("INFO", "engine location", f"{location.elsewhere.partition('; fix:')[0]}; {keys} overrules this")
    elif location.unknown is not None:
        message = f"the engine's processes are unknown: {location.unknown}; other work cannot be separated from theirs"
        yield Finding("WARN", "engine location", message)
