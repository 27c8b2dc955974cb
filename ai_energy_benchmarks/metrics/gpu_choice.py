"""Which of a meter's GPUs are the workload's: one rule for every meter.

In this order: the GPUs that the engine reports, those that the config names, those on which the driver lists the
engine's processes. Where none of these is known, no GPU counts yet: all are read, and after the trials
``analysis/gpu_use.py`` looks for those that worked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from attrs import evolve, frozen

from ai_energy_benchmarks.domain.gpu_choice import GpuBasis, GpuChoice
from ai_energy_benchmarks.domain.power import Measurement, Workload
from ai_energy_benchmarks.machine.namespaces import listed_as

FIX = "fix: name the engine's GPUs in backend.device_ids"


def _unlisted() -> None:
    return None


@frozen
class Gpu:
    """One GPU as a meter sees it.

    Attributes:
        id: the device id of its readings.
        label: its name; GPUs of different names count as unlike.
        uuid: the driver's UUID of it; None if the meter does not report one.
        process_ids: asks the driver which processes it lists there; None if it cannot be asked.
        parts: how many GPUs the meter adds up in this one figure.
    """

    id: str
    label: str = ""
    uuid: str | None = None
    process_ids: Callable[[], frozenset[int] | None] = _unlisted
    parts: int = 1


@frozen
class Counted:
    """Whose energy counts.

    Attributes:
        ids: device ids of the workload's GPUs; None until the meter was told, then all count.
        choice: how they are known; None until the meter was told.
        absent: why none counts; None if some do.
        process_ids: the engine's first processes; empty if they are unknown.
    """

    ids: frozenset[str] | None = None
    choice: GpuChoice | None = None
    absent: str | None = None
    process_ids: tuple[int, ...] = ()

    @property
    def known(self) -> frozenset[str] | None:
        """The workload's GPUs; None while it is unknown which those are."""
        return None if self.open else self.ids

    def has(self, device_id: str) -> bool:
        """Whether the GPU is the workload's."""
        return self.ids is None or device_id in self.ids

    @property
    def open(self) -> bool:
        """Whether it is still unknown which GPUs count, so that asking again may find them."""
        return self.choice is not None and self.choice.basis == "unknown"


def counted(workload: Workload, gpus: Sequence[Gpu], visible: Sequence[str | None] | None = None) -> Counted:
    """Apply the rule.

    Args:
        gpus: all that the meter reads.
        visible: device id at each index as this process counts GPUs, None for one that the meter does not read; by
            default ``gpus`` in their order.
    """
    if workload.elsewhere is not None:
        return Counted(frozenset(), absent=workload.elsewhere)
    engine_gpus, unlisted = _listed(workload, gpus)
    rule = _Rule(workload, gpus, [gpu.id for gpu in gpus] if visible is None else visible, engine_gpus)
    if workload.board_ids is not None and (not workload.board_ids or any(gpu.uuid for gpu in gpus)):
        return rule.reported(workload.board_ids)
    if any(gpu.parts > 1 for gpu in gpus):
        return rule.together()
    # An index that may mean another GPU to the meter than to the engine names none.
    ambiguous = not rule.visible or (workload.fastest_first and len({gpu.label for gpu in gpus}) > 1)
    if workload.device_ids is not None and not ambiguous:
        return rule.named(workload.device_ids)
    if engine_gpus:
        return rule.decided("processes", engine_gpus)
    if workload.device_ids is not None:
        unlisted = f"backend.device_ids may mean other GPUs to the engine than to the meter; {unlisted}"
    return rule.unknown(unlisted)


def _listed(workload: Workload, gpus: Sequence[Gpu]) -> tuple[tuple[str, ...], str]:
    """Device ids of the GPUs on which the driver lists the engine's processes; if there are none, why."""
    pids = workload.process_ids
    if not pids:
        return (), workload.unknown or "the engine's processes are not known"
    lists = {gpu.id: gpu.process_ids() for gpu in gpus}
    if not any(lists.values()):
        return (), "the driver lists no processes"
    matches = {name: listed_as(pids, running) for name, running in lists.items() if running}
    if all(match is None for match in matches.values()):
        return (), "the processes that the driver lists cannot be matched with the engine's"
    return tuple(name for name, match in matches.items() if match), "the driver lists no process of the engine"


@frozen
class _Rule:
    """The parts of the rule on one workload and one meter."""

    workload: Workload
    gpus: Sequence[Gpu]
    visible: Sequence[str | None]
    engine_gpus: tuple[str, ...]

    def decided(self, basis: GpuBasis, ids: Iterable[str]) -> Counted:
        choice = GpuChoice(basis, self.engine_gpus)
        return Counted(frozenset(ids), choice, process_ids=self.workload.process_ids)

    def reported(self, uuids: Sequence[str]) -> Counted:
        """The GPUs with these UUIDs; one that the meter does not read keeps its UUID, and is missed in the figure."""
        by_uuid = {gpu.uuid: gpu.id for gpu in self.gpus}
        return self.decided("engine", [by_uuid.get(uuid, uuid) for uuid in uuids])

    def named(self, indices: Sequence[int]) -> Counted:
        """The GPUs at these indices."""
        missing = [index for index in indices if index >= len(self.visible) or self.visible[index] is None]
        if missing:
            absent = (
                f"backend.device_ids names GPU {missing[0]}, but only {len(self.visible)} can be seen, counted from 0"
            )
            return evolve(self.decided("device_ids", ()), absent=absent)
        return self.decided("device_ids", [name for index in indices if (name := self.visible[index]) is not None])

    def together(self) -> Counted:
        """A meter with one figure for several GPUs: it counts only where the engine uses all of them."""
        (gpu,) = self.gpus
        named = self.workload.board_ids if self.workload.board_ids is not None else self.workload.device_ids
        if named is not None and len(set(named)) == gpu.parts:
            return self.decided("engine" if self.workload.board_ids is not None else "device_ids", [gpu.id])
        why = f"the meter has one figure for all {gpu.parts} GPUs, and not all are known to be the engine's"
        fix = "fix: use a meter that reads each GPU, such as nvml"
        return Counted(frozenset(), GpuChoice("unknown", why=why), f"{why}; {fix}", self.workload.process_ids)

    def unknown(self, why: str) -> Counted:
        choice = GpuChoice("unknown", why=why, by_activity=True)
        absent = f"which GPUs the engine uses is not known: {why}; {FIX}"
        return Counted(frozenset(), choice, absent, self.workload.process_ids)


def chosen_gpus(measurement: Measurement, counts: Counted, required: Iterable[str] = ()) -> Measurement:
    """The measurement with its choice of GPUs, and without a GPU figure where one of them was not read.

    A sum over only some of the workload's GPUs would pass for the whole.

    Args:
        measurement: its readings are marked as the choice says.
        required: device ids that must have been read while the meter has not been told which count.
    """
    measurement = evolve(measurement, gpu_choice=counts.choice)
    if counts.absent is not None:
        return evolve(measurement, absent={**measurement.absent, "gpu": counts.absent})
    needed = frozenset(required) if counts.ids is None else counts.ids
    missing = needed - {reading.device.id for reading in measurement.readings}
    if not missing:
        return measurement
    return evolve(
        measurement,
        readings=tuple(
            evolve(reading, counted=reading.counted and reading.device.component != "gpu")
            for reading in measurement.readings
        ),
        absent={**measurement.absent, "gpu": f"no figure for {', '.join(sorted(missing))}, which the workload uses"},
    )
