"""Which GPUs count, and how that is known."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

# By default CUDA counts the fastest GPU first, NVML by the PCI bus; with this order both count alike (CUDA C++
# Programming Guide, "CUDA Environment Variables").
ORDER_VARIABLE, BUS_ORDER = "CUDA_DEVICE_ORDER", "PCI_BUS_ID"

GpuBasis = Literal["engine", "device_ids", "processes", "activity", "unknown"]


@frozen
class GpuChoice:
    """How a meter knows which of its GPUs are the workload's.

    Attributes:
        basis: ``engine``: the engine reports the GPUs that it uses. ``device_ids``: the config names them.
            ``processes``: the driver lists the engine's processes on them. ``activity``: they worked in the trials
            and rested before. ``unknown``: no GPU counts yet; after the trials this may become ``activity``.
        engine_gpus: device ids of the GPUs on which the driver lists processes of the engine; empty where it lists
            none, or cannot be asked.
        why: where the basis is ``unknown`` or ``activity``, why no earlier one could be used.
        by_activity: whether the GPUs that worked may count after the trials, where the basis is ``unknown``.
    """

    basis: GpuBasis
    engine_gpus: tuple[str, ...] = ()
    why: str = ""
    by_activity: bool = False
