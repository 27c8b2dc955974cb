"""Measure what AI inference costs in energy.

Every public name, ``__version__`` too, is resolved when it is first used: importing this package loads no
engine, frame, numeric or HTTP library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_energy_benchmarks.config.loading import load_config
    from ai_energy_benchmarks.config.model import BenchmarkConfig
    from ai_energy_benchmarks.domain.result import BenchmarkResult
    from ai_energy_benchmarks.errors import (
        BackendError,
        BenchmarkError,
        CollectorError,
        ConfigError,
        DatasetError,
        ReporterError,
    )
    from ai_energy_benchmarks.results.reading import load_results
    from ai_energy_benchmarks.runner import BenchmarkRunner, create_benchmark, run_benchmark_from_config

    __version__: str

_HOMES = {
    "BackendError": "errors",
    "BenchmarkConfig": "config.model",
    "BenchmarkError": "errors",
    "BenchmarkResult": "domain.result",
    "BenchmarkRunner": "runner",
    "CollectorError": "errors",
    "ConfigError": "errors",
    "DatasetError": "errors",
    "ReporterError": "errors",
    "create_benchmark": "runner",
    "load_config": "config.loading",
    "load_results": "results.reading",
    "run_benchmark_from_config": "runner",
}

__all__ = [
    "BackendError",
    "BenchmarkConfig",
    "BenchmarkError",
    "BenchmarkResult",
    "BenchmarkRunner",
    "CollectorError",
    "ConfigError",
    "DatasetError",
    "ReporterError",
    "__version__",
    "create_benchmark",
    "load_config",
    "load_results",
    "run_benchmark_from_config",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("ai_energy_benchmarks")
    elif name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
