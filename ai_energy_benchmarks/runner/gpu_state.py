"""Which GPUs a benchmark sets to what, by its config and by what their driver allows."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ai_energy_benchmarks.config.checks import needs_endpoint
from ai_energy_benchmarks.config.model import BenchmarkConfig, GpuConfig
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.gpu_control import GpuControl, control_of
from ai_energy_benchmarks.machine.gpu_settings import GpuTarget
from ai_energy_benchmarks.machine.nvml import Nvml, open_nvml, shut_down
from ai_energy_benchmarks.metrics.nvml.library import board_at
from ai_energy_benchmarks.metrics.nvml.visible import visible

_NEIGHBOURS = 2


def gpu_targets(config: BenchmarkConfig, *, probe: bool = False) -> tuple[GpuTarget, ...]:
    """What to set each GPU of the workload to; empty where the config sets nothing.

    Args:
        probe: set every limit to what it is, which changes nothing and shows whether this user may change it.

    Raises:
        ConfigError: a GPU does not have what the config asks for, or it is not clear which GPUs are meant.
        BenchmarkError: the driver cannot be reached, or this user may set nothing.
    """
    if not (config.gpu.power_limited or config.gpu.clock_locked):
        return ()
    nvml = open_nvml()
    try:
        controls = [control_of(nvml, uuid) for uuid in _uuids(config, nvml)]
        if probe:
            for control in controls:
                control.set_power_limit_w(control.power_limit_w())
        return tuple(_target(config.gpu, control) for control in controls)
    finally:
        shut_down(nvml)


def gpu_state_findings(targets: tuple[GpuTarget, ...]) -> Iterator[Finding]:
    """What was set, for whoever reads the result."""
    for target in targets:
        limit = [] if target.power_limit_w is None else [f"a power limit of {target.power_limit_w:g} W"]
        clock = [] if target.sm_clock_mhz is None else [f"an SM clock of {target.sm_clock_mhz} MHz"]
        message = f"{target.uuid} was set to {' and '.join((*limit, *clock))} for this run"
        yield Finding("INFO", "GPU state", message, "gpu")


def _uuids(config: BenchmarkConfig, nvml: Nvml) -> list[str]:
    boards = [board_at(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    seen = visible(boards, os.environ)
    if seen.notes:
        raise ConfigError(
            f"which GPUs gpu.* is about is not clear: {'; '.join(seen.notes)}",
            remedy="name them by UUID in CUDA_VISIBLE_DEVICES; `nvidia-smi -L` lists them",
        )
    here = config.backend.launch or not needs_endpoint(config.backend.type)
    wanted = config.backend.device_ids or ((0,) if here else range(len(seen.indices)))
    missing = [index for index in wanted if index >= len(seen.indices)]
    if missing or not wanted:
        index = missing[0] if missing else 0
        raise ConfigError(
            f"there is no GPU {index} to set: this process sees {len(seen.indices)}, counted from 0",
            remedy="correct backend.device_ids or CUDA_VISIBLE_DEVICES",
        )
    places = [seen.indices[index] for index in wanted]
    for place in places:
        if place in seen.shared:
            raise ConfigError(
                f"{boards[place].device.id} is cut into MIG slices, and a limit would hold for all of them",
                remedy="remove the keys under gpu, or switch MIG off",
            )
    return [boards[place].device.id for place in places]


def _target(gpu: GpuConfig, control: GpuControl) -> GpuTarget:
    limit_w = _limit_w(gpu, control) if gpu.power_limited else None
    return GpuTarget(control.id, limit_w, _clock_mhz(gpu, control) if gpu.clock_locked else None)


def _limit_w(gpu: GpuConfig, control: GpuControl) -> float:
    allowed = control.power_range()
    if gpu.power_limit_w is not None:
        limit_w, asked = gpu.power_limit_w, f"gpu.power_limit_w: {gpu.power_limit_w:g}"
    else:
        percent = gpu.power_limit_percent or 100.0
        limit_w, asked = allowed.default_w * percent / 100, f"gpu.power_limit_percent: {percent:g}"
    if not allowed.lowest_w <= limit_w <= allowed.highest_w:
        raise ConfigError(
            f"{asked} is {limit_w:g} W, but {control.name} takes {allowed.lowest_w:g} to {allowed.highest_w:g} W",
            remedy=f"choose a limit in that range; its default is {allowed.default_w:g} W",
        )
    return limit_w


def _clock_mhz(gpu: GpuConfig, control: GpuControl) -> int:
    clocks = control.supported_mhz()
    if gpu.sm_clock_mhz is None:
        wanted_mhz = control.highest_mhz() * (gpu.sm_clock_percent or 100.0) / 100
        return min(clocks, key=lambda mhz: abs(mhz - wanted_mhz)) if clocks else round(wanted_mhz)
    if clocks and gpu.sm_clock_mhz not in clocks:
        nearest = sorted(sorted(clocks, key=lambda mhz: abs(mhz - (gpu.sm_clock_mhz or 0)))[:_NEIGHBOURS])
        raise ConfigError(
            f"{control.name} has no SM clock of {gpu.sm_clock_mhz} MHz",
            remedy=f"take {' or '.join(map(str, nearest))}; its clocks go from {clocks[0]} to {clocks[-1]} MHz",
        )
    return gpu.sm_clock_mhz
