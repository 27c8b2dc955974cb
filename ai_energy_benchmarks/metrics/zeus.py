"""Zeus as a meter: the counters of AMD and NVIDIA GPUs, of Apple and Jetson chips, and RAPL through its daemon.

Only its device layer is used. Its monitor takes seconds to import, and reports 0 J or twice the truth for
windows near a counter's tick; here its counters get the same bounds as all others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import gt

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.packages import Package
from ai_energy_benchmarks.metrics.base import DOCTOR, CollectorSettings
from ai_energy_benchmarks.metrics.gpu_bindings import cuda_visible, described, hip_visible, is_nvidia
from ai_energy_benchmarks.metrics.gpu_choice import Gpu
from ai_energy_benchmarks.metrics.options import chosen
from ai_energy_benchmarks.metrics.polled import Counter, PolledCollector, PolledCounters
from ai_energy_benchmarks.metrics.rapl.zones import STALE_S
from ai_energy_benchmarks.metrics.zeus_packages import daemon_elsewhere, packages_among

METER = "zeus"
REQUIRES = (Package("zeus", ("zeus", "zeus-ml"), "zeus"),)
INSTALL_LINE = REQUIRES[0].install
# Zeus' field of a chip's running totals → component; Apple's and Jetson's names differ.
_SOC_FIELDS: dict[str, Component] = {
    "cpu_total_mj": "cpu",
    "cpu_energy_mj": "cpu",
    "gpu_mj": "gpu",
    "gpu_energy_mj": "gpu",
    "dram_mj": "dram",
}
_Totals = Callable[[], Mapping[str, float]]


@frozen
class ZeusOptions:
    """How Zeus is read.

    Attributes:
        poll_s: seconds between two readings; each also right after a window's edge.
    """

    poll_s: float = field(default=0.02, validator=gt(0))


@frozen
class _Found:
    """Counters of one kind of device, and how all of them are read, in joules by device id.

    Attributes:
        gpus: what is known of the GPUs among them.
        visible: device id of the GPU at each index as this process counts them, None for one without a counter.
    """

    counters: tuple[Counter, ...]
    read_j: _Totals
    gpus: tuple[Gpu, ...] = ()
    visible: tuple[str | None, ...] = ()


class ZeusCollector(PolledCollector):
    """The meters of the library Zeus: GPUs of NVIDIA and AMD, processors through its daemon, Jetson, Apple."""

    Options: ClassVar[type] = ZeusOptions
    AUTO: ClassVar[Mapping[Component, int]] = {"gpu": 20, "cpu": 20}
    REQUIRES: ClassVar[tuple[Package, ...]] = REQUIRES

    def __init__(self, options: ZeusOptions | None = None) -> None:
        self._options = options or ZeusOptions()
        self._found: tuple[_Found, ...] = ()
        self._reasons: list[str] = []

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> ZeusCollector:
        return cls(chosen(settings, ZeusOptions))

    def __enter__(self) -> ZeusCollector:
        try:
            import zeus.device
            from zeus.device.exception import ZeusBaseCPUError, ZeusBaseGPUError, ZeusBaseSoCError
        except ImportError as error:
            raise CollectorError(f"Zeus is not installed: {error}", remedy=INSTALL_LINE) from error
        found = []
        for find in (_gpus, _packages, _chip):
            try:
                found.append(find())
            except (ZeusBaseGPUError, ZeusBaseCPUError, ZeusBaseSoCError, OSError, ValueError) as error:
                self._reasons.append(str(error) or type(error).__name__)
        self._found = tuple(monitor for monitor in found if monitor.counters)
        if not self._found:
            raise CollectorError(
                f"Zeus {zeus.__version__} finds nothing to measure: {'; '.join(self._reasons)}",
                remedy=f"name another meter in metrics.collectors; {DOCTOR}",
            )
        counters = tuple(counter for monitor in self._found for counter in monitor.counters)
        unseen = "; ".join(self._reasons) or "Zeus does not see it"
        gpus = [gpu for monitor in self._found for gpu in monitor.gpus]
        visible = [name for monitor in self._found for name in monitor.visible]
        self.polled = PolledCounters(
            METER, counters, unseen, self._read_j, self._options.poll_s, gpus=gpus, visible=visible
        )
        return self

    def _read_j(self) -> dict[str, float]:
        from zeus.device.exception import ZeusBaseCPUError, ZeusBaseGPUError, ZeusBaseSoCError

        try:
            return {device_id: energy_j for monitor in self._found for device_id, energy_j in monitor.read_j().items()}
        except (ZeusBaseGPUError, ZeusBaseCPUError, ZeusBaseSoCError) as error:
            raise CollectorError(
                f"Zeus was lost: {str(error) or type(error).__name__}",
                remedy="check the GPU with nvidia-smi, and measure again",
            ) from error

    def notes(self) -> tuple[str, ...]:
        labels = ", ".join(counter.device.label for monitor in self._found for counter in monitor.counters)
        return (f"Zeus reads {labels}", *super().notes())


def _gpus() -> _Found:
    from zeus.device import get_gpus

    gpus = get_gpus()
    with_counter = [index for index in range(len(gpus)) if gpus.supports_get_total_energy_consumption(index)]
    counters = tuple(
        Counter(Device("gpu", f"zeus-gpu-{index}", gpus.get_name(index)), "measured", edges.UNKNOWN_DELAY)
        for index in with_counter
    )

    def read_j() -> dict[str, float]:
        return {f"zeus-gpu-{index}": gpus.get_total_energy_consumption(index) / 1e3 for index in with_counter}

    known = {
        gpus.gpus[index].gpu_index: described(gpus.gpus[index], f"zeus-gpu-{index}", gpus.get_name(index))
        for index in with_counter
    }
    visible = cuda_visible if any(map(is_nvidia, gpus.gpus)) else hip_visible
    return _Found(counters, read_j, tuple(known.values()), visible(known, os.environ))


def _packages() -> _Found:
    from zeus.device import get_cpus

    if (elsewhere := daemon_elsewhere(os.environ)) is not None:
        raise ValueError(elsewhere)
    cpus = get_cpus()
    zones = [cpus.cpus[index].cpu_index for index in range(len(cpus))]
    packages = packages_among(zones, Path(getattr(cpus, "rapl_dir", "")))
    counters = []
    for index in packages:
        counters.append(Counter(Device("cpu", f"zeus-cpu-{index}", f"package {index}"), "measured", stale_s=STALE_S))
        if cpus.supports_get_dram_energy_consumption(index):
            memory = Device("dram", f"zeus-dram-{index}", f"memory of package {index}")
            counters.append(Counter(memory, "measured", stale_s=STALE_S))
    known = {counter.device.id for counter in counters}

    def read_j() -> dict[str, float]:
        totals: dict[str, float] = {}
        for index in packages:
            total = cpus.get_total_energy_consumption(index)
            totals[f"zeus-cpu-{index}"] = total.cpu_mj / 1e3
            if total.dram_mj is not None:
                totals[f"zeus-dram-{index}"] = total.dram_mj / 1e3
        return {name: energy_j for name, energy_j in totals.items() if name in known}

    return _Found(tuple(counters), read_j)


def _chip() -> _Found:
    from zeus.device import get_soc

    soc = get_soc()

    def totals_j() -> dict[str, float]:
        total = soc.get_total_energy_consumption()
        values = {name: getattr(total, name, None) for name in _SOC_FIELDS}
        return {f"zeus-soc-{_SOC_FIELDS[name]}": value / 1e3 for name, value in values.items() if value is not None}

    present: tuple[Component, ...] = tuple(
        component for component in ("gpu", "cpu", "dram") if f"zeus-soc-{component}" in totals_j()
    )
    counters = tuple(
        Counter(Device(component, f"zeus-soc-{component}", f"{component} of the chip"), "measured", edges.UNKNOWN_DELAY)
        for component in present
    )
    gpus = tuple(
        Gpu(counter.device.id, counter.device.label) for counter in counters if counter.device.component == "gpu"
    )
    return _Found(counters, totals_j, gpus, tuple(gpu.id for gpu in gpus))
