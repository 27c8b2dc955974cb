"""A model of the CPU's energy, for machines where nothing measures it: processor time times rated power."""

from __future__ import annotations

import os
import time
from threading import Lock
from types import TracebackType
from typing import ClassVar

from attrs import field, frozen, validators

from ai_energy_benchmarks.domain.power import Component, Device, Mark, Measurement, Reading, Recipe, Samples, Workload
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics import cpu_time
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.metrics.cpu_power import ThreadPower, thread_power
from ai_energy_benchmarks.metrics.options import chosen
from ai_energy_benchmarks.metrics.processes import PROC
from ai_energy_benchmarks.metrics.recording import Recorder
from ai_energy_benchmarks.metrics.sampler import Sampler

METER = "modelled"
_LOOK_BACK_S = 5.0
_OWN = Device("cpu", "own-process", "this process")
_OTHERS = Device("cpu", "other-processes", "other processes")


@frozen
class ModelledCpuOptions:
    """How processor time becomes energy.

    Attributes:
        watts_per_thread: power of one busy hardware thread; None takes it from the table of rated powers.
        poll_s: seconds between two looks at the processes beside our own.
    """

    watts_per_thread: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    poll_s: float = field(default=1.0, validator=validators.gt(0))


@frozen
class CpuMark(Mark):
    """A mark that holds this process's own processor time, so that its part of a window is exact."""

    own_cpu_time_s: float = 0.0


class ModelledCpuCollector:
    """Processor seconds of the workload's processes times the rated power of a hardware thread."""

    Options: ClassVar[type] = ModelledCpuOptions

    def __init__(self, options: ModelledCpuOptions | None = None, cpu_model: str | None = None) -> None:
        self._options = options or ModelledCpuOptions()
        self._cpu_model = cpu_model
        self._device = Device("cpu", "cpu", cpu_model or "CPU")
        self._threads = os.cpu_count() or 1
        self._power = ThreadPower(0.0, "")
        self._absent: str | None = None
        self._notes: list[str] = []
        self._lock = Lock()

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> ModelledCpuCollector:
        return cls(chosen(settings, ModelledCpuOptions), settings.environment.cpu_model)

    def __enter__(self) -> ModelledCpuCollector:
        self._power = thread_power(self._cpu_model, self._options.watts_per_thread)
        self._notes = [self._power.note]
        if not PROC.is_dir():
            self._notes.append("this system tells the CPU time of no other process: only this one's is counted")
        self._own = cpu_time.OwnTime()
        self._others = cpu_time.Growth(cpu_time.TreeTime([os.getpid()]))
        self._own_series = Recorder(_OWN, "cpu_time_s", METER)
        self._other_series = Recorder(_OTHERS, "cpu_time_s", METER)
        self._sample()
        self._sampler = Sampler(self._sample, self._options.poll_s, "modelled-cpu")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sampler.stop()

    def _sample(self) -> None:
        with self._lock:
            before_s = time.perf_counter()
            own_s, others_s = self._own.read_s(), self._others.read_s()
            after_s = time.perf_counter()
            self._own_series.add(before_s, after_s, own_s)
            self._other_series.add(before_s, after_s, others_s)

    def components(self) -> tuple[Component, ...]:
        return ("cpu",)

    def attach(self, workload: Workload) -> None:
        own = os.getpid() in workload.process_ids
        self._absent = None
        if not workload.local:
            self._absent = "the engine does not run on this machine"
        elif not own and not PROC.is_dir():
            self._absent = "this system tells the CPU time of no process but this one"
        whole_machine = workload.local and not workload.process_ids and PROC.is_dir()
        if whole_machine:
            self._notes.append("the engine's processes are unknown: the CPU time of the whole machine is counted")
        source = cpu_time.MachineTime() if whole_machine else cpu_time.TreeTime(workload.process_ids)
        with self._lock:
            self._own.count(own)
            self._others.follow(source)
        self._sample()
        if self._absent is None and not own and not self._others.source.busy:
            self._absent = f"none of the engine's processes {list(workload.process_ids)} can be seen"

    def guard_s(self) -> float:
        return 0.0

    def mark(self) -> CpuMark:
        mark = CpuMark(time.perf_counter(), 0.0, self._own.read_s())
        if self._others.source.busy:
            self._sampler.poke()
        return mark

    def read(self, start: Mark, stop: Mark) -> Measurement:
        if not isinstance(start, CpuMark) or not isinstance(stop, CpuMark):
            raise CollectorError("the marks of a window must come from the collector that reads it")
        if self._absent is not None:
            return Measurement(start.time_s, stop.time_s, (), {"cpu": self._absent})
        self._sample()
        recipe = self._recipe(start, stop)
        outcome = follow(recipe, self._other_series.series(start.time_s - _LOOK_BACK_S))
        low_j, best_j, high_j = outcome.level
        reading = Reading(
            device=self._device,
            energy_j=best_j,
            energy_low_j=low_j,
            energy_high_j=high_j,
            provenance="modelled",
            meter=METER,
            estimator=outcome.estimator,
            recipe=recipe,
        )
        return Measurement(start.time_s, stop.time_s, (reading,))

    def _recipe(self, start: CpuMark, stop: CpuMark) -> Recipe:
        return Recipe(
            rule="fresh",
            quantity="cpu_time_s",
            series_id=_OTHERS.id,
            start_s=start.time_s,
            stop_s=stop.time_s,
            ceiling_per_s=self._threads,
            look_back_s=_LOOK_BACK_S,
            added_s=stop.own_cpu_time_s - start.own_cpu_time_s,
            added_from=_OWN.id,
            slack_s=self._others.source.slack_s,
            per_unit_j=self._power.watts,
        )

    def samples(self) -> Samples:
        return Samples((self._own_series.series(), self._other_series.series()))

    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._notes))
