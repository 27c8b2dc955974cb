"""Several meters as one, with one clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import ClassVar

from attrs import evolve, frozen

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Mark, Measurement, Samples, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import DOCTOR, CollectorSettings, MetricsCollector, keep_readings


@frozen
class CombinedOptions:
    """No options: the members bring theirs."""


@frozen
class CombinedMark(Mark):
    """One edge of a window, with each member's own mark of it."""

    members: tuple[Mark, ...] = ()


class CombinedCollector:
    """Reads every member; a component that two of them see counts by its owner, else by the first that has it."""

    Options: ClassVar[type] = CombinedOptions

    def __init__(
        self, members: Sequence[MetricsCollector], owners: Mapping[Component, MetricsCollector] | None = None
    ) -> None:
        self._members = tuple(members)
        self._owners = owners or {}
        self._stack = ExitStack()

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> CombinedCollector:
        return cls(())

    def __enter__(self) -> CombinedCollector:
        with ExitStack() as stack:
            for member in self._members:
                stack.enter_context(member)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def components(self) -> tuple[Component, ...]:
        return tuple(dict.fromkeys(component for member in self._members for component in member.components()))

    def attach(self, workload: Workload) -> None:
        for member in self._members:
            member.attach(workload)

    def counted_devices(self) -> frozenset[str] | None:
        of_gpus = [member.counted_devices() for member in self._members if "gpu" in member.components()]
        return next((devices for devices in of_gpus if devices is None or devices), frozenset())

    def guard_s(self) -> float:
        return max((member.guard_s() for member in self._members), default=0.0)

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        firsts = [None] * len(self._members) if start is None else self._of_members(start)
        marks = zip(self._members, firsts, self._of_members(stop), strict=True)
        return max((member.further_rest_s(first, last) for member, first, last in marks), default=0.0)

    def _of_members(self, mark: Mark) -> Sequence[Mark]:
        """Each member's own mark of an edge; a rest before a window begins at no edge, but at the same time for all."""
        if not isinstance(mark, CombinedMark):
            return [mark] * len(self._members)
        return [evolve(member, quiet_s=mark.quiet_s) for member in mark.members]

    def mark(self) -> CombinedMark:
        return CombinedMark(time.perf_counter(), 0.0, tuple(member.mark() for member in self._members))

    def read(self, start: Mark, stop: Mark) -> Measurement:
        if not isinstance(start, CombinedMark) or not isinstance(stop, CombinedMark):
            raise CollectorError("the marks of a window must come from the collector that reads it")
        measurements: list[tuple[MetricsCollector, Measurement]] = []
        lost: dict[Component, str] = {}
        for member, first, last in zip(self._members, start.members, stop.members, strict=True):
            try:
                read = member.read(evolve(first, quiet_s=start.quiet_s), evolve(last, quiet_s=stop.quiet_s))
            except CollectorError as error:
                lost.update(dict.fromkeys(member.components(), error.message))
            else:
                measurements.append((member, read))
        if not measurements:
            raise CollectorError(
                "; ".join(dict.fromkeys(lost.values())) or "no meter is named",
                remedy=f"name a meter that works in metrics.collectors; {DOCTOR}",
            )
        return self._merged(start.time_s, stop.time_s, measurements, lost)

    def keep_readings(self, times_s: Sequence[float]) -> None:
        for member in self._members:
            keep_readings(member, times_s)

    def samples(self) -> Samples:
        return Samples(tuple(series for member in self._members for series in member.samples().series))

    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for member in self._members for note in member.notes()))

    def _merged(
        self,
        start_s: float,
        stop_s: float,
        measurements: Sequence[tuple[MetricsCollector, Measurement]],
        lost: dict[Component, str],
    ) -> Measurement:
        """All readings; of each component only those of one meter count."""
        having: dict[Component, list[MetricsCollector]] = {}
        reasons: dict[Component, list[str]] = {component: [reason] for component, reason in lost.items()}
        for member, measurement in measurements:
            for reading in measurement.readings:
                if reading.counted:
                    having.setdefault(reading.device.component, []).append(member)
            for component, reason in measurement.absent.items():
                reasons.setdefault(component, []).append(reason)
        counts = {component: _one_of(members, self._owners.get(component)) for component, members in having.items()}
        parts = tuple(measurement for _, measurement in measurements)
        return Measurement(
            start_s,
            stop_s,
            readings=tuple(
                evolve(reading, counted=reading.counted and counts[reading.device.component] is member)
                for member, measurement in measurements
                for reading in measurement.readings
            ),
            absent={
                component: "; ".join(dict.fromkeys(why))
                for component, why in reasons.items()
                if component not in counts
            },
            notes=tuple(
                dict.fromkeys(
                    note for member, measurement in measurements if _sees(member) is None for note in measurement.notes
                )
            ),
            foreign_processes=tuple(dict.fromkeys(line for part in parts for line in part.foreign_processes)),
            shares=tuple(share for part in parts for share in part.shares),
            strangers=tuple(check for part in parts for check in part.strangers),
            component_notes=_component_notes(measurements),
            gpu_choice=next(
                (measurement.gpu_choice for measurement in _gpus_first(measurements, counts.get("gpu"))), None
            ),
        )


def _gpus_first(
    measurements: Sequence[tuple[MetricsCollector, Measurement]], owner: MetricsCollector | None
) -> Iterator[Measurement]:
    """Those that chose GPUs, that of the meter whose GPUs count before the others."""
    chose = [(member, measurement) for member, measurement in measurements if measurement.gpu_choice is not None]
    yield from (measurement for member, measurement in chose if member is owner)
    yield from (measurement for _, measurement in chose)


def _sees(member: MetricsCollector) -> Component | None:
    """The one component that a meter sees, so that its notes are about that; None if it sees several."""
    components = member.components()
    return components[0] if len(components) == 1 else None


def _component_notes(
    measurements: Sequence[tuple[MetricsCollector, Measurement]],
) -> dict[Component, tuple[str, ...]]:
    merged: dict[Component, list[str]] = {}
    for member, measurement in measurements:
        if measurement.notes and (only := _sees(member)) is not None:
            merged.setdefault(only, []).extend(measurement.notes)
        for component, notes in measurement.component_notes.items():
            merged.setdefault(component, []).extend(notes)
    return {component: tuple(dict.fromkeys(notes)) for component, notes in merged.items()}


def _one_of(members: Sequence[MetricsCollector], owner: MetricsCollector | None) -> MetricsCollector:
    return next((member for member in members if member is owner), members[0])
