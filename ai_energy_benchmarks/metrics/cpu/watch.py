"""The workload's processor time as series: this process's own, exact at every mark, and that of all its others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from threading import Lock

from attrs import frozen

from ai_energy_benchmarks.domain.power import Device, Mark, Recipe, Samples, Workload
from ai_energy_benchmarks.domain.recipes import Followed, follow
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.processes import PROC
from ai_energy_benchmarks.metrics.cpu import time as cpu_time
from ai_energy_benchmarks.metrics.cpu.worker_doubts import WorkerDoubts, no_gpu_held
from ai_energy_benchmarks.metrics.recording import Recorder, keep_around, keep_at, thinning
from ai_energy_benchmarks.metrics.sampler import Sampler

_LOOK_BACK_S = 5.0
_OWN = Device("cpu", "own-process", "this process")
_OTHERS = Device("cpu", "other-processes", "other processes")


@frozen
class CpuMark(Mark):
    """A mark that holds this process's own processor time, so that its part of a window is exact."""

    own_cpu_time_s: float = 0.0


class CpuWatch:
    """Follows the processor time of whatever the workload is.

    Args:
        meter: whose series these are.
        poll_s: seconds between two readings of the other processes on the machine.
        beside: called at each look, for a meter that reads something else at the same moments.
        asked: a source that takes the place of the workload's processes.
        remedy: what the user can do where the workload's processes are unknown.

    Attributes:
        absent: why there is nothing to follow; None if there is.
        notes: sentences on what is followed.
    """

    def __init__(
        self,
        meter: str,
        poll_s: float,
        beside: Callable[[], None] | None = None,
        asked: cpu_time.CpuTime | None = None,
        remedy: str = "run this package with the rights of the server's user",
    ) -> None:
        self.absent: str | None = None
        self._meter = meter
        self.notes: list[str] = []
        if not PROC.is_dir():
            self.notes.append(
                "the CPU time of other processes is not visible on this system: only this one's is counted"
            )
        self._threads = os.cpu_count() or 1
        self._lock = Lock()
        self._beside = beside
        self._asked = asked
        self._remedy = remedy
        self._doubts: WorkerDoubts | None = None
        self._own = cpu_time.OwnTime()
        self._others = cpu_time.Growth(asked or cpu_time.TreeTime([os.getpid()]), self._threads)
        self._own.count(asked is None)
        self._own_series = Recorder(_OWN, "cpu_time_s", meter)
        self._other_series = Recorder(_OTHERS, "cpu_time_s", meter)
        self.sample()
        self._sampler = Sampler(self.sample, poll_s, f"{meter}-cpu")

    def stop(self) -> None:
        """Look no more."""
        self._sampler.stop()

    def sample(self) -> None:
        """Look now."""
        with self._lock:
            before_s = time.perf_counter()
            try:
                own_s, others_s = self._own.read_s(), self._others.read_s()
                after_s = time.perf_counter()
                self._own_series.add(before_s, after_s, own_s)
                self._other_series.add(before_s, after_s, others_s)
                if self._doubts is not None:
                    self._doubts.sample()
                if self._beside is not None:
                    self._beside()
            except CollectorError as error:  # a control group ends with its service; /proc/stat may not be shown
                self.absent = error.message

    def attach(self, workload: Workload) -> None:
        """Follow the workload's processes from now on."""
        own = os.getpid() in workload.process_ids
        self.absent = workload.elsewhere
        if self._asked is not None:
            return
        if self.absent is None:
            self.absent = self._unseen(workload, own)
        with self._lock:
            self._own.count(own)
            self._others.follow(cpu_time.TreeTime(workload.process_ids))
            self._doubts = WorkerDoubts(self._meter, workload) if workload.by_port and self.absent is None else None
        self.sample()
        if self.absent is None and not own and not self._others.source.busy:
            self.absent = f"none of the engine's processes {list(workload.process_ids)} can be seen"

    def _unseen(self, workload: Workload, own: bool) -> str | None:
        """Why the processor time of the workload cannot be known; None if it can."""
        if not PROC.is_dir():
            return None if own else "this system shows the CPU time of this process only"
        if not workload.process_ids:
            why = "" if workload.unknown is None else f" ({workload.unknown})"
            return f"the engine's processes are unknown{why}; fix: {self._remedy}"
        return no_gpu_held(workload) if workload.by_port else None

    def doubt(self, start: Mark, stop: Mark, own_s: float) -> str | None:
        """Why the workload's processor time in a window may not be the engine's; None if nothing says so.

        Args:
            own_s: processor time of the processes that are followed.
        """
        return None if self._doubts is None else self._doubts.doubt(start, stop, own_s)

    def mark(self) -> CpuMark:
        """One edge of a window."""
        mark = CpuMark(time.perf_counter(), 0.0, self._own.read_s())
        if self._others.source.busy:
            self._sampler.poke()
        return mark

    def poke(self) -> None:
        """Look soon, whoever is busy."""
        self._sampler.poke()

    def recipe(self, start: CpuMark, stop: CpuMark, per_unit_j: float) -> Recipe:
        """How a window's processor time follows from the series."""
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
            per_unit_j=per_unit_j,
        )

    def keep_readings(self, times_s: Sequence[float]) -> None:
        """Leave the readings around these moments when older ones are thinned."""
        keep_at((self._own_series, self._other_series), times_s)

    def follow(self, recipe: Recipe) -> Followed:
        """What the recipe gives with everything seen so far."""
        keep_around((self._own_series, self._other_series), Mark(recipe.start_s), Mark(recipe.stop_s))
        return follow(recipe, self._other_series.series(recipe.start_s - _LOOK_BACK_S))

    def lost(self, start_s: float, stop_s: float) -> str | None:
        """Why the window has no processor time; None if it has."""
        if not self._others.broken_within(start_s, stop_s):
            return None
        return "the processor time fell, or grew by more than all processors can work, during the window"

    def samples(self) -> Samples:
        """Both series."""
        return Samples((self._own_series.series(), self._other_series.series()))

    def said(self) -> tuple[str, ...]:
        """Its notes, with what became of old readings."""
        return (*dict.fromkeys(self.notes), *thinning((self._own_series, self._other_series), self._meter))
