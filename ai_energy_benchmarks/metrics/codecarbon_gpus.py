"""CodeCarbon's GPUs one by one: it publishes only their sum, but keeps the energy of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.metrics.gpu_bindings import cuda_visible, described, hip_visible, is_nvidia
from ai_energy_benchmarks.metrics.gpu_choice import Gpu

# Objects of CodeCarbon have no types.
Hardware = Any


class CodeCarbonGpus:
    """Running totals of each GPU, from what CodeCarbon's own measurements left in its objects.

    Args:
        hardware: CodeCarbon's ``GPU``.
    """

    def __init__(self, hardware: Hardware) -> None:
        devices = getattr(getattr(hardware, "devices", None), "devices", None)
        self._devices = list(devices) if devices and all(hasattr(device, "energy_delta") for device in devices) else []
        self._last = [device.energy_delta for device in self._devices]
        self._totals_kwh = [0.0] * len(self._devices)
        count = int(getattr(hardware, "num_gpus", 1))
        self._gpus: tuple[Gpu, ...] = (Gpu("codecarbon-gpu", "all GPUs", parts=count),)
        if self._devices:
            self._gpus = tuple(_described(device) for device in self._devices)

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """What is known of each; one for all where this version of CodeCarbon does not keep them apart."""
        return self._gpus

    def devices(self) -> tuple[Device, ...]:
        """What readings are of."""
        return tuple(Device("gpu", gpu.id, gpu.label) for gpu in self._gpus)

    def visible(self) -> Sequence[str | None]:
        """Device id at each index as this process counts GPUs."""
        if not self._devices:
            return [gpu.id for gpu in self._gpus]
        by_index = {int(device.gpu_index): gpu for device, gpu in zip(self._devices, self._gpus, strict=True)}
        return (cuda_visible if is_nvidia(self._devices[0]) else hip_visible)(by_index, os.environ)

    def totals_kwh(self, sum_kwh: float) -> Mapping[str, float]:
        """Energy of each by its device id, since the start.

        Call it after every measurement of CodeCarbon: an object holds only what its last one added.

        Args:
            sum_kwh: CodeCarbon's own total, for versions that keep no others.
        """
        if not self._devices:
            return {self._gpus[0].id: sum_kwh}
        for place, device in enumerate(self._devices):
            # A measurement that failed leaves the old object there; each one that did not makes a new one.
            if device.energy_delta is not self._last[place]:
                self._last[place] = device.energy_delta
                self._totals_kwh[place] += device.energy_delta.kWh
        return {gpu.id: total for gpu, total in zip(self._gpus, self._totals_kwh, strict=True)}


def _described(device: Any) -> Gpu:
    name = device.get_static_details().get("name", "")
    return described(device, f"codecarbon-gpu-{device.gpu_index}", str(name))
