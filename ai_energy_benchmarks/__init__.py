"""Measure what AI inference costs in energy.

Every public name, ``__version__`` too, is resolved when it is first used: importing this package loads no
engine, frame, numeric or HTTP library.
"""

from __future__ import annotations

import os
import sys

# As type checkers know it; ``typing`` itself takes longer to import than all else here.
TYPE_CHECKING = False
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
    from ai_energy_benchmarks.study.comparison.shown import compare_results
    from ai_energy_benchmarks.study.frame import load_frame
    from ai_energy_benchmarks.study.view import open_result, open_study

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
    "compare_results": "study.comparison.shown",
    "create_benchmark": "runner",
    "load_config": "config.loading",
    "load_frame": "study.frame",
    "load_results": "results.reading",
    "open_result": "study.view",
    "open_study": "study.view",
    "run_benchmark_from_config": "runner",
}

# Public names that go with the next minor version → what to use instead.
_DEPRECATED: dict[str, str] = {}

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
    "compare_results",
    "create_benchmark",
    "load_config",
    "load_frame",
    "load_results",
    "open_result",
    "open_study",
    "run_benchmark_from_config",
]


def _version() -> str:
    """The version of the installed distribution.

    It is read from the first ``ai_energy_benchmarks-….dist-info`` (or ``ai_energy_benchmarks.egg-info``) on the path,
    where ``importlib.metadata`` would find it too, whose parser of e-mail headers takes several times as long to
    import as all else here. Other kinds of installations are left to it.
    """
    for directory in sys.path:
        try:
            names = os.listdir(directory or ".")
        except OSError:
            continue
        known = [name for name in names if name.startswith(f"{__name__}-") or name == f"{__name__}.egg-info"]
        if not known:
            continue
        file_name = "METADATA" if known[0].endswith(".dist-info") else "PKG-INFO"
        try:
            with open(os.path.join(directory, known[0], file_name), encoding="utf-8") as file:
                for line in file if len(known) == 1 else ():
                    if line.startswith("Version: "):
                        return line.removeprefix("Version: ").strip()
        except (OSError, UnicodeDecodeError):
            pass
        break
    from importlib.metadata import version

    return version(__name__)


def __getattr__(name: str) -> object:
    if name in _DEPRECATED:
        import warnings

        warnings.warn(
            f"{__name__}.{name} is deprecated and goes with the next minor version; use {_DEPRECATED[name]}",
            DeprecationWarning,
            stacklevel=2,
        )
    if name == "__version__":
        value: object = _version()
    elif name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _DEPRECATED:  # which warn every caller, not the first one alone
        globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
