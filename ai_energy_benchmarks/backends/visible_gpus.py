"""Which GPUs an engine's own processes see."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ai_energy_benchmarks.domain.gpu_choice import BUS_ORDER, ORDER_VARIABLE
from ai_energy_benchmarks.errors import BackendError


def visible_gpus(device_ids: Sequence[int], device: str = "auto") -> Mapping[str, str]:
    """The variables that show a child only these GPUs, which are counted as this process sees them.

    The child counts them in the order of the PCI bus, as the meters do, unless the user has set another order. With
    ``device: cpu`` it sees none.

    Raises:
        BackendError: this process does not see so many.
    """
    if device.partition(":")[0] == "cpu":
        return {"CUDA_VISIBLE_DEVICES": ""}
    seen, order = os.environ.get("CUDA_VISIBLE_DEVICES"), {ORDER_VARIABLE: os.environ.get(ORDER_VARIABLE, BUS_ORDER)}
    if seen is None:
        return {**order, "CUDA_VISIBLE_DEVICES": ",".join(map(str, device_ids))}
    names = [name.strip() for name in seen.split(",") if name.strip()]
    missing = [gpu for gpu in device_ids if gpu >= len(names)]
    if missing and names:
        raise BackendError(
            f"backend.device_ids: GPU {missing[0]} does not exist; CUDA_VISIBLE_DEVICES={seen!r} shows {len(names)}",
            remedy="count the GPUs from 0 as this process sees them",
        )
    return {**order, "CUDA_VISIBLE_DEVICES": ",".join(names[gpu] for gpu in device_ids) if names else seen}


def too_few_gpus(device_ids: Sequence[int], *sizes: int | None) -> tuple[str, ...]:
    """The problem of parallel sizes that need more GPUs than there are; empty if they do not."""
    wanted = 1
    for size in sizes:
        wanted *= size or 1
    if wanted <= len(device_ids):
        return ()
    return (
        f"backend.device_ids: names {len(device_ids)} GPUs, but the parallel sizes of the options need {wanted}; "
        "fix: name as many GPUs, or make the sizes smaller",
    )
