"""From the keys of a study to its runners."""

from __future__ import annotations

from collections.abc import Mapping

from ai_energy_benchmarks.study.plan.runner import ContainerConfig, RunnerConfig, VenvConfig
from ai_energy_benchmarks.study.runners.base import CellRunner
from ai_energy_benchmarks.study.runners.container import ContainerRunner
from ai_energy_benchmarks.study.runners.process import ProcessRunner
from ai_energy_benchmarks.study.runners.venv import VenvRunner

PROCESS = ProcessRunner()


def runners_of(configs: Mapping[str, RunnerConfig], *, has_gpus: bool = False) -> dict[str, CellRunner]:
    """Engine → its runner, as far as its config says; engines without one run in this environment.

    Args:
        has_gpus: whether this machine has NVIDIA GPUs.
    """
    together: dict[RunnerConfig, tuple[str, ...]] = {}
    for engine, config in configs.items():
        together[config] = (*together.get(config, ()), engine)
    return {engine: _runner(config, together[config], has_gpus) for engine, config in configs.items()}


def _runner(config: RunnerConfig, engines: tuple[str, ...], has_gpus: bool) -> CellRunner:
    if isinstance(config, VenvConfig):
        return VenvRunner(config.venv, engines)
    if isinstance(config, ContainerConfig):
        return ContainerRunner(config, engines, has_gpus)
    return PROCESS
