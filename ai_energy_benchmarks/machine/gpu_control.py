"""Setting a GPU's power limit and clocks through NVML: what the driver allows, and what it refuses, in words.

Source of all limits and return codes: NVML API reference, "Device Commands" and "Device Queries".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import frozen

from ai_energy_benchmarks.errors import BenchmarkError, ConfigError
from ai_energy_benchmarks.machine.nvml import Handle, Nvml

# Drivers keep limits in mW, but some of their own tools round to a watt.
_SAME_W = 1.0
_T = TypeVar("_T")


@frozen
class PowerRange:
    """What the driver accepts as a power limit."""

    lowest_w: float
    highest_w: float
    default_w: float


@frozen
class GpuControl:
    """One GPU of an open NVML."""

    nvml: Nvml
    handle: Handle
    id: str
    name: str

    def power_range(self) -> PowerRange:
        """The limits of the limit. Raises ``ConfigError`` where the GPU has none."""
        low_mw, high_mw = self._ask("power limit", self.nvml.nvmlDeviceGetPowerManagementLimitConstraints)
        default_mw = self._ask("power limit", self.nvml.nvmlDeviceGetPowerManagementDefaultLimit)
        return PowerRange(low_mw / 1000, high_mw / 1000, default_mw / 1000)

    def power_limit_w(self) -> float:
        """The limit that is set."""
        milliwatts: int = self._ask("power limit", self.nvml.nvmlDeviceGetPowerManagementLimit)
        return milliwatts / 1000

    def set_power_limit_w(self, limit_w: float) -> None:
        """Set the limit and read it back.

        Raises:
            BenchmarkError: the driver refuses it, or keeps another one.
        """
        milliwatts = round(limit_w * 1000)
        self._ask("power limit", lambda handle: self.nvml.nvmlDeviceSetPowerManagementLimit(handle, milliwatts))
        kept_w = self.power_limit_w()
        if abs(kept_w - limit_w) > _SAME_W:
            raise BenchmarkError(
                f"{self.id} keeps a power limit of {kept_w:g} W, though {limit_w:g} W were set",
                remedy="another program sets it too, such as a power capping daemon; stop that",
            )

    def supported_mhz(self) -> tuple[int, ...]:
        """Clocks of the multiprocessors at the highest memory clock, ascending; empty where the driver lists none."""
        try:
            memory_mhz = max(self.nvml.nvmlDeviceGetSupportedMemoryClocks(self.handle), default=None)
            clocks = self.nvml.nvmlDeviceGetSupportedGraphicsClocks(self.handle, memory_mhz) if memory_mhz else ()
        except self.nvml.NVMLError:
            return ()
        return tuple(sorted(clocks))

    def highest_mhz(self) -> int:
        """The highest clock of the multiprocessors. Raises ``ConfigError`` where the GPU does not report it."""
        clock_mhz: int = self._ask(
            "SM clock", lambda handle: self.nvml.nvmlDeviceGetMaxClockInfo(handle, self.nvml.NVML_CLOCK_SM)
        )
        return clock_mhz

    def lock_clock_mhz(self, clock_mhz: int) -> None:
        """Hold the multiprocessors at one clock. There is no call that reads a lock back; the trials' clocks show it.

        Raises:
            BenchmarkError: the driver refuses it.
        """
        self._ask("SM clock", lambda handle: self.nvml.nvmlDeviceSetGpuLockedClocks(handle, clock_mhz, clock_mhz))

    def unlock_clock(self) -> None:
        """Let the driver choose the clock again."""
        self._ask("SM clock", self.nvml.nvmlDeviceResetGpuLockedClocks)

    def _ask(self, what: str, call: Callable[[Handle], _T]) -> _T:
        nvml = self.nvml
        try:
            return call(self.handle)
        except nvml.NVMLError as error:
            gpu = f"{self.name} ({self.id})"
            if error.value == nvml.NVML_ERROR_NO_PERMISSION:
                raise BenchmarkError(
                    f"the {what} of {gpu} cannot be changed: {error}",
                    remedy="run as root (in a container also with --cap-add SYS_ADMIN), or let an administrator set it "
                    f"with nvidia-smi -i {self.id} and remove the keys under gpu",
                ) from error
            if error.value in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND):
                raise ConfigError(f"{gpu} has no {what} that can be set: {error}", remedy="remove the key") from error
            raise BenchmarkError(
                f"the {what} of {gpu} cannot be set or read: {error}",
                remedy=f"check the GPU with nvidia-smi -i {self.id} -q, or remove the keys under gpu",
            ) from error


def control_of(nvml: Nvml, uuid: str) -> GpuControl:
    """The GPU with a UUID.

    Raises:
        BenchmarkError: the driver does not know it, or it has fallen off the bus.
    """
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        return GpuControl(nvml, handle, uuid, str(nvml.nvmlDeviceGetName(handle)))
    except nvml.NVMLError as error:
        raise BenchmarkError(f"GPU {uuid} cannot be reached: {error}", remedy="check nvidia-smi -L") from error
