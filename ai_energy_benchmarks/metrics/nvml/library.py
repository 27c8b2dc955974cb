"""One board, with the calls of NVML in our units."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from ai_energy_benchmarks.domain.power import Device, Quantity
from ai_energy_benchmarks.machine.nvml import Handle, Nvml

AVERAGED_S = 1.0
# NVML_FI_DEV_POWER_AVERAGE and NVML_FI_DEV_POWER_INSTANT, in mW; driver 530 and newer
AVERAGE_POWER_FIELD, INSTANT_POWER_FIELD = 185, 186
# Of the GPUs since Ampere only those with the GA100 chip report instantaneous power (NVML API reference,
# nvmlDeviceGetPowerUsage); the recording of an A100 in docs/validation.md shows it too.
_GA100 = re.compile(r"\b(A100|A30|A800)\b")


class NvmlBoard:
    """One physical board.

    Attributes:
        device: its UUID and name.
        power_limit_w: the enforced limit; None if the board does not report it.
        counter_problem: why its energy counter cannot be read; None if it can.
        power_problem: the same for its power.
        power_average_s: over what time its power is averaged.
        gauges: what else it reports, each with its call.
        supported_reasons: the bits of its throttle reasons that it can report; None if it does not say.
        reachable: false for a board that the driver counts, but cannot speak to.
    """

    reachable = True

    def __init__(self, nvml: Nvml, handle: Handle) -> None:
        self._nvml = nvml
        self._handle = handle
        self.device = Device("gpu", nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle))
        self._instant = self._problem(self.instant_power_w) is None
        self.counter_problem = self._problem(self.energy_j)
        self.power_problem = self._problem(self.power_w)
        self.power_average_s = 0.0 if self._instant or not self._averages() else AVERAGED_S
        gauges: dict[Quantity, Callable[[], float]] = {
            "temperature_celsius": self.temperature_celsius,
            "clock_hz": self.clock_hz,
            "throttle_reasons": self.throttle_reasons,
            "average_power_w": self.average_power_w,
            "thermal_violation_s": partial(self._violation_s, "NVML_PERF_POLICY_THERMAL"),
            "power_violation_s": partial(self._violation_s, "NVML_PERF_POLICY_POWER"),
            "board_violation_s": partial(self._violation_s, "NVML_PERF_POLICY_BOARD_LIMIT"),
            "memory_used_bytes": self.memory_used_bytes,
            "utilization_percent": self.utilization_percent,
            "power_limit_w": self.limit_w,
            "performance_state": self.performance_state,
        }
        self.gauges = {name: call for name, call in gauges.items() if self._problem(call) is None}
        self.power_limit_w = self.limit_w() if "power_limit_w" in self.gauges else None
        known = self._problem(self.supported_throttle_reasons) is None
        self.supported_reasons = self.supported_throttle_reasons() if known else None

    def _problem(self, call: Callable[[], float]) -> str | None:
        try:
            call()
        except self._nvml.NVMLError as error:
            return str(error)
        return None

    def _averages(self) -> bool:
        """NVML API reference, nvmlDeviceGetPowerUsage: instantaneous before Ampere, then a mean over one second."""
        if _GA100.search(self.device.label):
            return False
        try:
            architecture: int = self._nvml.nvmlDeviceGetArchitecture(self._handle)
        except self._nvml.NVMLError:
            return True
        ampere: int = self._nvml.NVML_DEVICE_ARCH_AMPERE
        return architecture >= ampere

    def energy_j(self) -> float:
        """Total energy since the driver was loaded. Raises NVMLError, as every call here."""
        millijoules: int = self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        return millijoules / 1000

    def power_w(self) -> float:
        """Power now, where the driver reports it; else its own average."""
        if self._instant:
            return self.instant_power_w()
        milliwatts: int = self._nvml.nvmlDeviceGetPowerUsage(self._handle)
        return milliwatts / 1000

    def instant_power_w(self) -> float:
        """The field of newer drivers that is not averaged."""
        return self._field_w(INSTANT_POWER_FIELD)

    def average_power_w(self) -> float:
        """The field of newer drivers that is the mean of the last second."""
        return self._field_w(AVERAGE_POWER_FIELD)

    def _field_w(self, number: int) -> float:
        (field,) = self._nvml.nvmlDeviceGetFieldValues(self._handle, [number])
        if field.nvmlReturn:
            raise self._nvml.NVMLError(field.nvmlReturn)
        milliwatts: int = field.value.uiVal
        return milliwatts / 1000

    def _violation_s(self, policy: str) -> float:
        """How long a limit has held the clocks down so far (NVML API reference, nvmlViolationTime_t: nanoseconds)."""
        nanoseconds: int = self._nvml.nvmlDeviceGetViolationStatus(
            self._handle, getattr(self._nvml, policy)
        ).violationTime
        return nanoseconds * 1e-9

    def temperature_celsius(self) -> float:
        """Temperature of the chip."""
        celsius: int = self._nvml.nvmlDeviceGetTemperature(self._handle, self._nvml.NVML_TEMPERATURE_GPU)
        return float(celsius)

    def clock_hz(self) -> float:
        """Clock of the streaming multiprocessors."""
        megahertz: int = self._nvml.nvmlDeviceGetClockInfo(self._handle, self._nvml.NVML_CLOCK_SM)
        return megahertz * 1e6

    def throttle_reasons(self) -> float:
        """Why the clock is lower than it could be: the bits of ``nvmlClocksThrottleReasons``."""
        return float(self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle))

    def supported_throttle_reasons(self) -> float:
        """Which of those bits this GPU can report; the others are 0 whatever happens."""
        return float(self._nvml.nvmlDeviceGetSupportedClocksThrottleReasons(self._handle))

    def memory_used_bytes(self) -> float:
        """Memory in use, whoever uses it."""
        return float(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used)

    def utilization_percent(self) -> float:
        """Share of the driver's last sampling period in which a kernel ran."""
        return float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)

    def performance_state(self) -> float:
        """From 0, the fastest, to 15."""
        return float(self._nvml.nvmlDeviceGetPerformanceState(self._handle))

    def limit_w(self) -> float:
        """The power limit in force."""
        milliwatts: int = self._nvml.nvmlDeviceGetEnforcedPowerLimit(self._handle)
        return milliwatts / 1000

    def process_ids(self) -> frozenset[int] | None:
        """Processes with a compute context on this GPU, as the driver numbers them; None if it does not list them.

        ``machine.namespaces.listed_as`` finds those of the engine among them.
        """
        lists = [self._listed(handle) for handle in (self._handle, *self._slices())]
        known = [listed for listed in lists if listed is not None]
        return frozenset[int]().union(*known) if known else None

    def _listed(self, handle: Handle) -> frozenset[int] | None:
        """Of a GPU or a MIG slice; only the privileged see those of all slices at the GPU (NVML API reference)."""
        try:
            return frozenset(each.pid for each in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        except self._nvml.NVMLError:
            return None

    def mig_slices(self) -> tuple[str, ...]:
        """UUIDs of the board's MIG slices; empty where MIG is off or unknown."""
        return tuple(self._nvml.nvmlDeviceGetUUID(handle) for handle in self._slices())

    def _slices(self) -> tuple[Handle, ...]:
        nvml = self._nvml
        try:
            current, _ = nvml.nvmlDeviceGetMigMode(self._handle)
            count = nvml.nvmlDeviceGetMaxMigDeviceCount(self._handle) if current else 0
        except nvml.NVMLError:
            return ()
        slices = []
        for index in range(count):
            try:
                slices.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(self._handle, index))
            except nvml.NVMLError:
                continue  # indices of slices that do not exist are refused
        return tuple(slices)


class UnreachableBoard(NvmlBoard):
    """A board that has fallen off the bus: it keeps its place among the others; it reports nothing."""

    reachable = False

    def __init__(self, index: int, reason: str) -> None:
        self.device = Device("gpu", f"board-{index}", "GPU that cannot be reached")
        self.counter_problem = self.power_problem = reason
        self.power_average_s = 0.0
        self.power_limit_w = self.supported_reasons = None
        self.gauges = {}

    def process_ids(self) -> frozenset[int] | None:
        return None

    def mig_slices(self) -> tuple[str, ...]:
        return ()


def board_at(nvml: Nvml, index: int) -> NvmlBoard:
    """The board at a place in the order of the bus."""
    try:
        return NvmlBoard(nvml, nvml.nvmlDeviceGetHandleByIndex(index))
    except nvml.NVMLError as error:
        return UnreachableBoard(index, str(error))
