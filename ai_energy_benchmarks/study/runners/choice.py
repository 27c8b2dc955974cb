"""From the keys of a study to its runners."""

from __future__ import annotations

from collections.abc import Mapping

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.runners.base import CellRunner
from ai_energy_benchmarks.study.runners.config import RunnerConfig, VenvConfig
from ai_energy_benchmarks.study.runners.process import ProcessRunner
from ai_energy_benchmarks.study.runners.venv import VenvRunner

PROCESS = ProcessRunner()


def runners_of(configs: Mapping[str, RunnerConfig]) -> dict[str, CellRunner]:
    """Engine → its runner, as far as its config says; engines without one run in this environment."""
    together: dict[RunnerConfig, tuple[str, ...]] = {}
    for engine, config in configs.items():
        together[config] = (*together.get(config, ()), engine)
    return {engine: _runner(config, together[config]) for engine, config in configs.items()}


def _runner(config: RunnerConfig, engines: tuple[str, ...]) -> CellRunner:
    if isinstance(config, VenvConfig):
        return VenvRunner(config.venv, engines)
    if config != "process":
        raise ConfigError("containers cannot run cells yet", remedy="use a venv")
    return PROCESS
