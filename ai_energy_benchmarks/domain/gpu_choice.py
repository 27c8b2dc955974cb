"""Which GPUs count, and how that is known."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

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
        why: where the basis is ``unknown``, why no earlier one could be used.
    """

    basis: GpuBasis
    engine_gpus: tuple[str, ...] = ()
    why: str = ""
