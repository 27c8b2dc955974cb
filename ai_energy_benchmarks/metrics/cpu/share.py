"""No meter of its own: which part of the machine's busy processor time was the workload's, next to a meter of the CPU.

Energy that a package draws for everybody has no owner that could be observed; dividing it by processor time is a
convention, and the result calls it one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from attrs import field, frozen, validators

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Samples, Series, Workload, WorkloadShare
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.processes import PROC
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.metrics.cpu.time import CgroupTime, Growth, MachineTime
from ai_energy_benchmarks.metrics.cpu.watch import CpuMark, CpuWatch
from ai_energy_benchmarks.metrics.options import chosen
from ai_energy_benchmarks.metrics.recording import Recorder

METER = "cpu_share"
_ALL = Device("cpu", "all-processes", "the whole machine")
_STOLEN = Device("cpu", "stolen-time", "time that the host took")
_REMEDY = "name the engine's control group in options.cgroup"


@frozen
class CpuShareOptions:
    """Whose processor time is set against the machine's.

    Attributes:
        cgroup: directory of a control group (``/sys/fs/cgroup/…``) that holds the engine, for one whose processes
            cannot be seen from here; None follows the engine's own processes.
        poll_s: seconds between two looks at them.
    """

    cgroup: Path | None = None
    poll_s: float = field(default=1.0, validator=validators.gt(0))


class CpuShareCollector:
    """The workload's part of the machine's processor time, next to a meter of the CPU."""

    Options: ClassVar[type] = CpuShareOptions
    without_energy: ClassVar[bool] = True

    def __init__(self, options: CpuShareOptions | None = None, proc: Path = PROC) -> None:
        self._options = options or CpuShareOptions()
        self._proc = proc
        self._threads = os.cpu_count() or 1

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> CpuShareCollector:
        return cls(chosen(settings, CpuShareOptions))

    def __enter__(self) -> CpuShareCollector:
        if not self._proc.is_dir():
            raise CollectorError(
                "cpu_share needs /proc, which only Linux has", remedy="remove cpu_share from metrics.collectors"
            )
        self._source = MachineTime(self._proc)
        self._machine = Growth(self._source, self._threads)
        self._stolen_series = Recorder(_STOLEN, "cpu_time_s", METER)
        self._machine_series = Recorder(_ALL, "cpu_time_s", METER)
        cgroup = None if self._options.cgroup is None else CgroupTime(self._options.cgroup)
        self._watch = CpuWatch(METER, self._options.poll_s, self._sample_machine, cgroup, _REMEDY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.stop()

    def _sample_machine(self) -> None:
        before_s = time.perf_counter()
        busy_s = self._machine.read_s()
        after_s = time.perf_counter()
        self._machine_series.add(before_s, after_s, busy_s)
        self._stolen_series.add(before_s, after_s, self._source.stolen_s)

    def components(self) -> tuple[Component, ...]:
        return ()

    def attach(self, workload: Workload) -> None:
        self._watch.attach(workload)

    def counted_devices(self) -> frozenset[str] | None:
        return frozenset()

    def guard_s(self) -> float:
        return 0.0

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return 0.0

    def mark(self) -> CpuMark:
        mark = self._watch.mark()
        self._watch.poke()
        return mark

    def read(self, start: Mark, stop: Mark) -> Measurement:
        if not isinstance(start, CpuMark) or not isinstance(stop, CpuMark):
            raise CollectorError("the marks of a window must come from the collector that reads it")
        self._watch.sample()
        absent = self._watch.absent or self._watch.lost(start.time_s, stop.time_s)
        if absent is None and self._machine.broken_within(start.time_s, stop.time_s):
            absent = "the machine's processor time jumped during the window"
        if absent is not None:
            note = f"no CPU share: {absent}"
            return Measurement(start.time_s, stop.time_s, (), component_notes={"cpu": (note,)})
        own_s = self._watch.follow(self._watch.recipe(start, stop, 1.0)).bounds_j
        if (doubt := self._watch.doubt(start, stop, own_s.best)) is not None:
            return Measurement(start.time_s, stop.time_s, (), component_notes={"cpu": (f"no CPU share: {doubt}",)})
        busy_s = self._busy(start.time_s, stop.time_s)
        if busy_s.best <= 0:
            return Measurement(start.time_s, stop.time_s, ())
        share = WorkloadShare("cpu", share_of(own_s, busy_s))
        return Measurement(start.time_s, stop.time_s, (), shares=(share,))

    def _busy(self, start_s: float, stop_s: float) -> Bounds:
        machine, stolen = (each.series(start_s) for each in (self._machine_series, self._stolen_series))
        slack_s = self._source.slack_s
        return busy_between(machine, stolen, start_s, stop_s, processors=self._threads, slack_s=slack_s)

    def samples(self) -> Samples:
        return Samples((*self._watch.samples().series, self._machine_series.series()))

    def notes(self) -> tuple[str, ...]:
        return self._watch.said()


def busy_between(
    machine: Series, stolen: Series, start_s: float, stop_s: float, *, processors: int, slack_s: float
) -> Bounds:
    """Seconds that all processors worked between two moments; time that the host took may be worked time that was lost.

    Args:
        machine, stolen: the two sums since at least one reading before ``start_s``.
        slack_s: how far below the truth a reading may be.
    """

    def grown(series: Series) -> Bounds:
        return edges.rise(*(edges.fresh(series, at_s, processors) for at_s in (start_s, stop_s)))

    low_s, best_s, high_s = grown(machine)
    doubt_s = slack_s + grown(stolen).high
    return Bounds(max(0.0, low_s - doubt_s), best_s, high_s + doubt_s)


def share_of(own_s: Bounds, busy_s: Bounds) -> Bounds:
    """The workload's part of the work of all processors, which is above zero.

    At most all of it: the kernel counts the two by different clocks, so that a part can look larger than the whole.
    """
    return Bounds(own_s.low / busy_s.high, _at_most_one(own_s.best, busy_s.best), _at_most_one(own_s.high, busy_s.low))


def _at_most_one(part: float, whole: float) -> float:
    return 1.0 if part >= whole else part / whole
