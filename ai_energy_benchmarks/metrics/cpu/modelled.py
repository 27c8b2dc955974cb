"""A model of the CPU's energy, for machines where nothing measures it: processor time times rated power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import ClassVar

from attrs import evolve, field, frozen, validators

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Reading, Samples, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.metrics.cpu.power import ThreadPower, thread_power
from ai_energy_benchmarks.metrics.cpu.watch import CpuMark, CpuWatch
from ai_energy_benchmarks.metrics.options import chosen

METER = "modelled"


@frozen
class ModelledCpuOptions:
    """How processor time becomes energy.

    Attributes:
        watts_per_thread: power of one busy hardware thread; None takes it from the table of rated powers.
        poll_s: seconds between two readings of the other processes on the machine.
    """

    watts_per_thread: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    poll_s: float = field(default=1.0, validator=validators.gt(0))


class ModelledCpuCollector:
    """A model of the processor's energy: processor time of the workload times rated power; for orientation."""

    Options: ClassVar[type] = ModelledCpuOptions
    AUTO: ClassVar[Mapping[Component, int]] = {"cpu": 90}

    def __init__(
        self, options: ModelledCpuOptions | None = None, cpu_model: str | None = None, platform: str = ""
    ) -> None:
        self._options = options or ModelledCpuOptions()
        self._cpu_model, self._platform = cpu_model, platform
        self._device = Device("cpu", "cpu", cpu_model or "CPU")
        self._power = ThreadPower(0.0, "")

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> ModelledCpuCollector:
        machine = settings.environment
        return cls(chosen(settings, ModelledCpuOptions), machine.cpu_model, machine.platform)

    def __enter__(self) -> ModelledCpuCollector:
        self._power = thread_power(self._cpu_model, self._options.watts_per_thread, self._platform)
        self._watch = CpuWatch(METER, self._options.poll_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.stop()

    def components(self) -> tuple[Component, ...]:
        return ("cpu",)

    def attach(self, workload: Workload) -> None:
        self._watch.attach(workload)

    def counted_devices(self) -> frozenset[str] | None:
        return frozenset()

    def guard_s(self) -> float:
        return 0.0

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return 0.0

    def mark(self) -> CpuMark:
        return self._watch.mark()

    def keep_readings(self, times_s: Sequence[float]) -> None:
        self._watch.keep_readings(times_s)

    def read(self, start: Mark, stop: Mark) -> Measurement:
        if not isinstance(start, CpuMark) or not isinstance(stop, CpuMark):
            raise CollectorError("the marks of a window must come from the collector that reads it")
        if self._watch.absent is None:
            self._watch.sample()
        absent = self._watch.absent or self._watch.lost(start.time_s, stop.time_s)
        if absent is not None:
            return Measurement(start.time_s, stop.time_s, (), {"cpu": absent})
        recipe = evolve(self._watch.recipe(start, stop, self._power.watts), guessed=self._power.guessed)
        outcome = self._watch.follow(recipe)
        if (doubt := self._watch.doubt(start, stop, outcome.bounds_j.best / self._power.watts)) is not None:
            return Measurement(start.time_s, stop.time_s, (), {"cpu": doubt})
        reading = Reading(
            device=self._device,
            bounds_j=outcome.bounds_j,
            provenance="modelled",
            meter=METER,
            estimator=outcome.estimator,
            recipe=recipe,
        )
        return Measurement(start.time_s, stop.time_s, (reading,))

    def samples(self) -> Samples:
        return self._watch.samples()

    def notes(self) -> tuple[str, ...]:
        return (self._power.note, *self._watch.said())
