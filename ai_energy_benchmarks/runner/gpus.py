"""What the config and the engine say of the GPUs that the engine uses."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.gpu_choice import BUS_ORDER, ORDER_VARIABLE

# With one of these of its own a launched server does not see the GPUs that backend.device_ids gives it.
_SHOWING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def named_gpus(config: BenchmarkConfig, engine: EngineFacts) -> tuple[int, ...] | None:
    """Indices of the engine's GPUs as this process sees them; None if neither the engine nor the config names them."""
    if any(name in _environment(config) for name in _SHOWING):
        return None
    return config.backend.device_ids if engine.device_ids is None else engine.device_ids


def reported_gpus(config: BenchmarkConfig, engine: EngineFacts) -> tuple[str, ...] | None:
    """UUIDs of the engine's GPUs as it reports them, none if the config says that it runs on a CPU; else None."""
    on_cpu = config.backend.device.partition(":")[0] == "cpu"
    return () if engine.board_ids is None and on_cpu else engine.board_ids


def fastest_first(config: BenchmarkConfig) -> bool:
    """Whether the user lets CUDA count GPUs in an order of its own, for this process or a launched server."""
    return _environment(config).get(ORDER_VARIABLE, os.environ.get(ORDER_VARIABLE, BUS_ORDER)) != BUS_ORDER


def _environment(config: BenchmarkConfig) -> Mapping[str, str]:
    """The variables that a launched server has of its own."""
    own: Mapping[str, str] = getattr(config.backend.options, "environment", {}) if config.backend.launch else {}
    return own
