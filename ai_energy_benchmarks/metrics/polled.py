"""Ever-growing counters that a library keeps, read by one thread: what CodeCarbon and Zeus have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from attrs import frozen

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.power import (
    Component,
    Device,
    Mark,
    Measurement,
    Provenance,
    Reading,
    Recipe,
    Samples,
    Workload,
)
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.gpu_choice import Counted, Gpu, chosen_gpus, counted
from ai_energy_benchmarks.metrics.recording import Recorder, keep_around, keep_at, thinning
from ai_energy_benchmarks.metrics.sampler import Sampler

# How far before a window readings are looked at; longer than any poll.
_LOOK_BACK_POLLS = 4
# More than a machine of many GPUs draws; a counter that was reset jumps by far more.
_CEILING_W = 50_000.0
# Of a counter that moves in ticks, some ticks are needed; and so long its next one may be waited for.
_LOOK_BACK_TICKS_S = 2.0
_LONGEST_WAIT_S, _WAIT_POLL_S = 2.0, 0.02
# After a mark, as a multiple of the staleness: surely later.
_LATER = 1.25

COMPONENTS: tuple[Component, ...] = ("gpu", "cpu", "dram")


@frozen
class Counter:
    """One counter.

    Attributes:
        delay: how long after it was sampled a value becomes visible; None for a counter that is nearly up to date
            whenever it is read.
        stale_s: how old a value of such a counter may be.
    """

    device: Device
    provenance: Provenance
    delay: edges.Delay | None = None
    stale_s: float = 0.0


class PolledCounters:
    """Reads all counters together, every ``poll_s`` seconds and right after each mark.

    Args:
        unseen: why other components have no counter.
        gpus: what is known of the GPUs that the counters are of; by default their ids alone.
        visible: device id at each index as this process counts GPUs; by default ``gpus`` in their order.
        read_j: energy of each counter by the id of its device; a device that is missing keeps its last value. It
            raises ``CollectorError`` once nothing can be read any more.
    """

    def __init__(
        self,
        meter: str,
        counters: tuple[Counter, ...],
        unseen: str,
        read_j: Callable[[], Mapping[str, float]],
        poll_s: float,
        *,
        gpus: Sequence[Gpu] | None = None,
        visible: Sequence[str | None] | None = None,
    ) -> None:
        self._unseen = unseen
        self._absent: str | None = None
        self._meter = meter
        self._counters = counters
        self._read_j = read_j
        ticks_s = _LOOK_BACK_TICKS_S if any(each.delay for each in counters) else 0.0
        self._look_back_s = _LOOK_BACK_POLLS * poll_s + ticks_s
        self._poll_s = poll_s
        self._series = {each.device.id: Recorder(each.device, "energy_j", meter) for each in counters}
        self._lock = Lock()
        found = (each.device for each in counters if each.device.component == "gpu")
        self._gpus = tuple(Gpu(each.id, each.label) for each in found) if gpus is None else tuple(gpus)
        self._visible = visible
        self._counted = Counted()
        self._workload: Workload | None = None
        self._lost: CollectorError | None = None
        self.sample()
        if self._lost is not None:
            raise self._lost
        self._sampler = Sampler(self.sample, poll_s, meter)
        self._sampler.again_s = self._later_s = _LATER * max((each.stale_s for each in counters), default=0.0)

    def stop(self) -> None:
        """Read no more."""
        self._sampler.stop()

    def components(self) -> tuple[Component, ...]:
        """What there are counters of."""
        return tuple(dict.fromkeys(counter.device.component for counter in self._counters))

    def attach(self, workload: Workload) -> None:
        """Choose the GPUs that count, by the rule of all meters."""
        self._absent = workload.elsewhere
        self._workload, self._counted = workload, Counted()
        self._choose()

    def _choose(self) -> None:
        """Again while it is unknown: a server may load its model with the first request."""
        if self._workload is not None and self._gpus and (self._counted.choice is None or self._counted.open):
            self._counted = counted(self._workload, self._gpus, self._visible)

    def sample(self) -> None:
        """Read all counters now."""
        with self._lock:
            before_s = time.perf_counter()
            try:
                energies_j = self._read_j()
            except CollectorError as error:
                self._lost = error
                return
            after_s = time.perf_counter()
            for device_id, energy_j in energies_j.items():
                self._series[device_id].add(before_s, after_s, energy_j)

    def keep_readings(self, times_s: Sequence[float]) -> None:
        keep_at(self._series.values(), times_s)

    def mark(self) -> Mark:
        """One edge of a window; the counters are read right after it, by the thread."""
        mark = Mark(time.perf_counter())
        self._sampler.poke()
        return mark

    def measure(self, start: Mark, stop: Mark) -> Measurement:
        """The energy of every counter between two marks; waits until late values have come.

        A component of which one counter stands still has no figure: a sum of the others would pass for the whole. A
        GPU that does not count is only missing itself.

        Raises:
            CollectorError: the counters cannot be read any more.
        """
        if self._absent is not None:
            return Measurement(start.time_s, stop.time_s, (), dict.fromkeys(COMPONENTS, self._absent))
        time.sleep(max(0.0, stop.time_s + self._later_s - time.perf_counter()))
        self.sample()
        give_up_s = time.perf_counter() + _LONGEST_WAIT_S
        while not all(self._settled(each, stop) for each in self._counters) and time.perf_counter() < give_up_s:
            time.sleep(min(self._poll_s, _WAIT_POLL_S))
            self.sample()
        keep_around(self._series.values(), start, stop)
        if self._lost is not None:
            raise self._lost
        self._choose()
        lost = {each.device: why for each in self._counters if (why := self._why_lost(each, start, stop)) is not None}
        absent: dict[Component, str] = {each: self._unseen for each in COMPONENTS if each not in self.components()}
        absent |= {
            each.component: why for each, why in lost.items() if each.component != "gpu" or self._counted.has(each.id)
        }
        readings = tuple(
            self._reading(each, start, stop)
            for each in self._counters
            if each.device not in lost and each.device.component not in absent
        )
        measurement = Measurement(start.time_s, stop.time_s, readings, absent)
        return measurement if "gpu" in absent else chosen_gpus(measurement, self._counted)

    def _why_lost(self, counter: Counter, start: Mark, stop: Mark) -> str | None:
        """Why the counter gives no figure for the window; None if it does."""
        if not self._settled(counter, stop):
            return f"its counter stands still as {self._meter} tells it"
        if self._reset(counter, start, stop):
            return f"the counter of {counter.device.id} was reset during the window"
        return None

    def _settled(self, counter: Counter, stop: Mark) -> bool:
        series = self._series[counter.device.id].series(stop.time_s - self._look_back_s)
        return counter.delay is None or edges.settled(series, stop.time_s, counter.delay)

    def _reset(self, counter: Counter, start: Mark, stop: Mark) -> bool:
        series = self._series[counter.device.id].series(start.time_s - self._look_back_s)
        late_s = counter.delay.high_s if counter.delay else counter.stale_s
        return edges.impossible(series, start.time_s, stop.time_s, _CEILING_W, late_s)

    def _reading(self, counter: Counter, start: Mark, stop: Mark) -> Reading:
        delay = counter.delay
        recipe = Recipe(
            rule="latched" if delay else "fresh",
            quantity="energy_j",
            series_id=counter.device.id,
            start_s=start.time_s,
            stop_s=stop.time_s,
            delay_low_s=delay.low_s if delay else 0.0,
            delay_high_s=delay.high_s if delay else 0.0,
            stale_s=counter.stale_s,
            look_back_s=self._look_back_s,
        )
        outcome = follow(recipe, self._series[counter.device.id].series(start.time_s - self._look_back_s))
        return Reading(
            device=counter.device,
            bounds_j=outcome.bounds_j,
            provenance=counter.provenance,
            meter=self._meter,
            estimator=outcome.estimator,
            counted=counter.device.component != "gpu" or self._counted.has(counter.device.id),
            recipe=recipe,
        )

    def samples(self) -> Samples:
        """All raw readings so far."""
        return Samples(tuple(series.series() for series in self._series.values()))

    def notes(self) -> tuple[str, ...]:
        """What became of old readings."""
        return thinning(self._series.values(), self._meter)


class PolledCollector:
    """What collectors on such counters have in common; entering one sets ``counters``."""

    counters: PolledCounters

    def components(self) -> tuple[Component, ...]:
        return self.counters.components()

    def attach(self, workload: Workload) -> None:
        self.counters.attach(workload)

    def guard_s(self) -> float:
        return 0.0

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return 0.0

    def keep_readings(self, times_s: Sequence[float]) -> None:
        self.counters.keep_readings(times_s)

    def mark(self) -> Mark:
        return self.counters.mark()

    def read(self, start: Mark, stop: Mark) -> Measurement:
        return self.counters.measure(start, stop)

    def samples(self) -> Samples:
        return self.counters.samples()

    def notes(self) -> tuple[str, ...]:
        return self.counters.notes()
