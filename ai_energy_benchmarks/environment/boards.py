"""NVIDIA GPUs and their driver, read once through a library that is closed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.nvml import Handle, Nvml, open_nvml, shut_down


@frozen
class Boards:
    """What NVML says.

    Attributes:
        problem: why there is nothing to say; None if NVML answered.
    """

    boards: tuple[Board, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None
    problem: str | None = None


def look_for_boards() -> Boards:
    """All GPUs that the driver shows to this process; never an exception."""
    try:
        nvml = open_nvml()
    except CollectorError as error:
        return Boards(problem=error.message)
    try:
        count = nvml.nvmlDeviceGetCount()
        found = tuple(board for index in range(count) if (board := _board(nvml, index)) is not None)
        return Boards(found, _driver_version(nvml), _cuda_version(nvml))
    except nvml.NVMLError as error:
        return Boards(problem=f"NVML does not list its GPUs: {error}")
    finally:
        shut_down(nvml)


def _driver_version(nvml: Nvml) -> str | None:
    version = _ask(nvml, nvml.nvmlSystemGetDriverVersion)
    return None if version is None else str(version)


def _cuda_version(nvml: Nvml) -> str | None:
    """1000 × major + 10 × minor, as NVML reports it."""
    version = _ask(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2)
    return None if version is None else f"{version // 1000}.{version % 1000 // 10}"


def _board(nvml: Nvml, index: int) -> Board | None:
    """One GPU; None if the driver gives no handle for it, as for one that fell off the bus."""
    handle = _ask(nvml, lambda: nvml.nvmlDeviceGetHandleByIndex(index))
    if handle is None:
        return None
    memory = _ask(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    limit_mw = _ask(nvml, lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    default_mw = _ask(nvml, lambda: nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle))
    return Board(
        id=str(_ask(nvml, lambda: nvml.nvmlDeviceGetUUID(handle)) or f"board-{index}"),
        index=index,
        name=str(_ask(nvml, lambda: nvml.nvmlDeviceGetName(handle)) or "NVIDIA GPU"),
        memory_bytes=None if memory is None else int(memory.total),
        power_limit_w=None if limit_mw is None else limit_mw / 1000,
        has_energy_counter=_ask(nvml, lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) is not None,
        default_power_limit_w=None if default_mw is None else default_mw / 1000,
        graphics_clock_max_hz=_highest_clock_hz(nvml, handle, nvml.NVML_CLOCK_GRAPHICS),
        memory_clock_max_hz=_highest_clock_hz(nvml, handle, nvml.NVML_CLOCK_MEM),
    )


def _highest_clock_hz(nvml: Nvml, handle: Handle, kind: int) -> float | None:
    clock_mhz = _ask(nvml, lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, kind))
    return None if clock_mhz is None else clock_mhz * 1e6


def _ask(nvml: Nvml, call: Callable[[], Any]) -> Any:
    """The answer, or None where this GPU, driver or user gets none."""
    try:
        return call()
    except nvml.NVMLError:
        return None
