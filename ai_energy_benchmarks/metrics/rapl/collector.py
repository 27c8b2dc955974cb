"""The meter of processor packages and their memory: RAPL, the energy counters of Intel and AMD processors."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import ClassVar

from attrs import field, frozen, validators

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Mark, Measurement, Reading, Recipe, Samples, Workload
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.metrics.options import chosen
from ai_energy_benchmarks.metrics.rapl.zones import CEILING_W, POWERCAP, STALE_S, Zone, open_zones
from ai_energy_benchmarks.metrics.recording import Recorder, keep_around, keep_at, thinning
from ai_energy_benchmarks.metrics.sampler import Sampler

METER = "rapl"
# After a mark: surely later than the staleness, also where the clock of the sleep is coarse.
_AGAIN_S = 1.25 * STALE_S
_LOOK_BACK_S = 2.0
# A package that is on draws power: no growth over so long means that the counter is dead.
_ALIVE_WITHIN_S = 0.05
# Counters of 32 bits in units of 15.3 µJ wrap after 65.7 kJ (Intel SDM vol. 3B, "RAPL Interfaces"): in 33 s at 2 kW. Of
# one that wraps twice between two readings the energy of a whole round is lost unseen.
_LONGEST_POLL_S = 30.0


@frozen
class RaplOptions:
    """How the counters are read.

    Attributes:
        root: the directory of the zones; in a container, where ``/sys/class/powercap/intel-rapl`` is mounted.
        poll_s: seconds between two readings; marks ask for one of their own.
    """

    root: Path = POWERCAP
    poll_s: float = field(default=0.1, validator=[validators.gt(0), validators.le(_LONGEST_POLL_S)])


class RaplCollector:
    """The energy counters of Intel and AMD processors and their memory: the whole machine, whoever uses it."""

    Options: ClassVar[type] = RaplOptions
    AUTO: ClassVar[Mapping[Component, int]] = {"cpu": 10, "dram": 10}

    def __init__(self, options: RaplOptions | None = None) -> None:
        self._options = options or RaplOptions()
        self._stack = ExitStack()
        self._lock = Lock()
        self._zones: tuple[Zone, ...] = ()
        self._unmeasured: Mapping[Component, str] = {}
        self._notes: tuple[str, ...] = ()
        self._series: tuple[Recorder, ...] = ()
        self._absent: str | None = None

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> RaplCollector:
        return cls(chosen(settings, RaplOptions))

    def __enter__(self) -> RaplCollector:
        self._grew = False
        self._lost: str | None = None
        with ExitStack() as stack:
            found = open_zones(self._options.root)
            self._zones, self._unmeasured, self._notes = found.opened, found.absent, found.notes
            for zone in self._zones:
                stack.callback(zone.close)
            self._series = tuple(Recorder(zone.device, "energy_j", METER) for zone in self._zones)
            self._wait_for_growth()
            self._sampler = Sampler(self._sample, self._options.poll_s, METER)
            self._sampler.again_s = _AGAIN_S
            stack.callback(self._sampler.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _wait_for_growth(self) -> None:
        """Virtual machines may show counters that never move."""
        give_up_s = time.perf_counter() + _ALIVE_WITHIN_S
        self._sample()
        while not self._grew and self._lost is None:
            if time.perf_counter() > give_up_s:
                raise CollectorError(
                    "the RAPL counters stand still", remedy="virtual machines often have none that work"
                )
            time.sleep(STALE_S)
            self._sample()

    def _sample(self) -> None:
        with self._lock:
            for zone, series in zip(self._zones, self._series, strict=True):
                before_s = time.perf_counter()
                try:
                    energy_j = zone.energy_j()
                except (OSError, ValueError) as error:
                    if zone.whole:
                        continue  # it is in no sum
                    self._lost = f"{zone.device.id} can no longer be read: {error}"
                    return
                self._grew |= series.add(before_s, time.perf_counter(), energy_j)

    def components(self) -> tuple[Component, ...]:
        # A platform's counter adds none: there is a package.
        return tuple(dict.fromkeys(zone.device.component for zone in self._zones))

    def limits(self) -> tuple[str, ...]:
        return tuple(f"no {component}: {reason}" for component, reason in self._unmeasured.items())

    def attach(self, workload: Workload) -> None:
        self._absent = workload.elsewhere

    def counted_devices(self) -> frozenset[str] | None:
        return frozenset()

    def guard_s(self) -> float:
        return 0.0

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return 0.0

    def mark(self) -> Mark:
        mark = Mark(time.perf_counter())
        self._sampler.poke()
        return mark

    def keep_readings(self, times_s: Sequence[float]) -> None:
        keep_at(self._series, times_s)

    def read(self, start: Mark, stop: Mark) -> Measurement:
        if self._absent is not None:
            components = (*self.components(), *self._unmeasured)
            return Measurement(start.time_s, stop.time_s, (), dict.fromkeys(components, self._absent))
        time.sleep(max(0.0, stop.time_s + _AGAIN_S - time.perf_counter()))
        self._sample()
        keep_around(self._series, start, stop)
        if self._lost is not None:
            raise CollectorError(f"RAPL was lost: {self._lost}", remedy="make energy_uj readable, and measure again")
        readings = tuple(
            self._reading(zone, recorder, start.time_s, stop.time_s)
            for zone, recorder in zip(self._zones, self._series, strict=True)
            if not zone.whole
        )
        absent: dict[Component, str] = dict(self._unmeasured)
        absent |= {
            reading.device.component: "its RAPL counter stands still"
            for reading in readings
            if _is_dead(reading, start, stop)
        }
        absent |= {
            zone.device.component: f"the RAPL counter of {zone.device.id} was reset during the window"
            for zone, recorder in zip(self._zones, self._series, strict=True)
            if not zone.whole and _was_reset(recorder, start, stop)
        }
        kept = tuple(reading for reading in readings if reading.device.component not in absent)
        return Measurement(start.time_s, stop.time_s, kept, absent)

    def _reading(self, zone: Zone, recorder: Recorder, start_s: float, stop_s: float) -> Reading:
        recipe = Recipe(
            rule="fresh",
            quantity="energy_j",
            series_id=zone.device.id,
            start_s=start_s,
            stop_s=stop_s,
            ceiling_per_s=CEILING_W,
            stale_s=STALE_S,
            look_back_s=_LOOK_BACK_S,
        )
        outcome = follow(recipe, recorder.series(start_s))  # and the reading before it; no earlier one bounds a level
        return Reading(zone.device, outcome.bounds_j, "measured", METER, outcome.estimator, recipe=recipe)

    def samples(self) -> Samples:
        return Samples(tuple(recorder.series() for recorder in self._series))

    def notes(self) -> tuple[str, ...]:
        whole = "rapl counts whole packages: whatever else runs on this machine is in its figures"
        return (whole, *self._notes, *thinning(self._series, METER))


def _is_dead(reading: Reading, start: Mark, stop: Mark) -> bool:
    return stop.time_s - start.time_s >= _ALIVE_WITHIN_S and reading.energy_j == 0


def _was_reset(recorder: Recorder, start: Mark, stop: Mark) -> bool:
    series = recorder.series(start.time_s - _LOOK_BACK_S)
    return edges.impossible(series, start.time_s, stop.time_s, CEILING_W, STALE_S)
