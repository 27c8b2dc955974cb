"""Engines in this process whose threads sleep while they wait."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, MutableMapping

from ai_energy_benchmarks.config.checks import needs_endpoint
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.openmp import POLICY, passive_waiting, spinning
from ai_energy_benchmarks.domain.verdict import Finding

_EFFECT = "OpenMP's threads may keep processors busy while they wait, and the energy of the CPU includes that"


def of_an_engine_here(config: BenchmarkConfig) -> tuple[Finding, ...]:
    """Prepare this process for the engine of a config; nothing where a server, or a child, runs it."""
    return () if needs_endpoint(config.backend.type) else tuple(wait_passively())


def wait_passively(
    environ: MutableMapping[str, str] = os.environ, modules: Collection[str] = sys.modules.keys()
) -> Iterator[Finding]:
    """Let the threads of an engine that is still to be loaded into this process sleep while they wait.

    Args:
        environ: what the engine will read; changed unless the user has decided it.
        modules: what is loaded already; PyTorch brings its OpenMP along and reads the variables once.

    Yields:
        One INFO where they may spin all the same.
    """
    missing = passive_waiting(environ)
    if missing and "torch" in modules:
        message = f"torch was loaded before this run: {_EFFECT}; fix: set {POLICY}=PASSIVE before Python starts"
        yield Finding("INFO", "waiting threads", message, "cpu")
        return
    environ.update(missing)
    if (setting := spinning(environ)) is not None:
        yield Finding("INFO", "waiting threads", f"{setting} is set: {_EFFECT}; fix: set {POLICY}=PASSIVE", "cpu")
