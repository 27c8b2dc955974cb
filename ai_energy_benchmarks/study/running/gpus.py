"""Which GPUs a study uses: named by UUID, since indices mean another GPU to CUDA than to the driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from attrs import frozen

from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.errors import CollectorError, ConfigError
from ai_energy_benchmarks.machine.nvml import open_nvml, shut_down


@frozen
class StudyGpus:
    """The GPUs of a study.

    Attributes:
        locked: UUIDs of those that no other study may use meanwhile.
        visible: UUIDs that its cells are restricted to, in this order; empty leaves them what this process sees.
    """

    locked: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()


def study_gpus(wanted: Sequence[str | int] | None, boards: Sequence[Board]) -> StudyGpus:
    """The GPUs that ``execution.gpus`` names; all that the driver shows are locked where it names none.

    Raises:
        ConfigError: one that it names is not there.
    """
    if wanted is None:
        return StudyGpus(tuple(board.id for board in boards))
    known: dict[str | int, str] = {board.index: board.id for board in boards} | {board.id: board.id for board in boards}
    missing = [str(each) for each in wanted if each not in known]
    if missing or not wanted:
        here = ", ".join(f"{board.index}: {board.id}" for board in boards) or "none"
        raise ConfigError(
            f"execution.gpus names {', '.join(missing) or 'no GPU'}; the driver shows {here}",
            remedy="name GPUs by UUID or index, as `nvidia-smi -L` lists them",
        )
    chosen = tuple(dict.fromkeys(known[each] for each in wanted))
    return StudyGpus(chosen, chosen)


def temperatures_celsius(gpus: Sequence[str]) -> Mapping[str, float]:
    """GPU → its temperature now; empty where NVML cannot be opened or a GPU reports none."""
    try:
        nvml = open_nvml()
    except CollectorError:
        return {}
    found = {}
    try:
        for uuid in gpus:
            with suppress(nvml.NVMLError):
                handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
                found[uuid] = float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
    finally:
        shut_down(nvml)
    return found
