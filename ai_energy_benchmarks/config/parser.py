"""The import path that AI Energy Score's scripts use; the classes live in ``config/aienergyscore/``."""

from ai_energy_benchmarks.config.aienergyscore.classes import (
    BackendConfig,
    BenchmarkConfig,
    ConfigParser,
    MetricsConfig,
    ReporterConfig,
    ScenarioConfig,
)

__all__ = ["BackendConfig", "BenchmarkConfig", "ConfigParser", "MetricsConfig", "ReporterConfig", "ScenarioConfig"]
