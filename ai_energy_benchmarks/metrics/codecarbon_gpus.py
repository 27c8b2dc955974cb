"""CodeCarbon's GPUs one by one: it publishes only their sum, but keeps the energy of each."""

from __future__ import annotations

import math
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
        self._counters_kwh = [_counter_kwh(device) for device in self._devices]
        self._guessed: set[int] = set()  # places
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

        Call it after every measurement of CodeCarbon: an object holds only what its last one added. From version 3.3
        on it multiplies the power of a GPU by time while it cannot read its counter, and once after a reset. Nothing
        bounds what that gives: a GPU has no new value meanwhile, a reset sets its total to 0, and the total of a GPU
        without a counter stays 0, so that the windows around have no figure.

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
            counter_kwh = _counter_kwh(device)
            if counter_kwh < self._counters_kwh[place] or not math.isfinite(counter_kwh):
                self._totals_kwh[place] = 0.0
            self._counters_kwh[place] = counter_kwh
        guessed = {place for place, device in enumerate(self._devices) if _guesses(device)}
        self._guessed |= guessed
        skipped = {place for place in guessed if math.isfinite(self._counters_kwh[place])}
        totals = enumerate(zip(self._gpus, self._totals_kwh, strict=True))
        return {gpu.id: total for place, (gpu, total) in totals if place not in skipped}

    def notes(self) -> tuple[str, ...]:
        """Which GPUs have windows without a figure because CodeCarbon did not read their counter."""
        return tuple(
            f"CodeCarbon could not read the energy counter of {self._gpus[place].id}, or not always, and then "
            "multiplies its power by time, which is no measurement; fix: name nvml in metrics.collectors, which "
            "integrates power within bounds"
            for place in sorted(self._guessed)
        )


def _guesses(device: Any) -> bool:
    """Whether CodeCarbon's last figure of a GPU, or a part of it, came from its power."""
    return bool(getattr(device, "_use_power_fallback", False))


def _counter_kwh(device: Any) -> float:
    """What CodeCarbon last read of a GPU's counter; minus infinity for one that it has not read."""
    last = getattr(device, "last_energy", None)
    return -math.inf if last is None else float(last.kWh)


def _described(device: Any) -> Gpu:
    name = device.get_static_details().get("name", "")
    return described(device, f"codecarbon-gpu-{device.gpu_index}", str(name))
