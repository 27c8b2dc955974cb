"""Ever-growing counters that a library keeps, read by one thread: what CodeCarbon and Zeus have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock

from attrs import frozen

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.power import Device, Mark, Provenance, Reading, Recipe, Samples, Workload
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.metrics.recording import Recorder
from ai_energy_benchmarks.metrics.sampler import Sampler

# How far before a window readings are looked at; longer than any poll.
_LOOK_BACK_POLLS = 4


@frozen
class Counter:
    """One counter.

    Attributes:
        delay: how long after it was sampled a value becomes visible; None for a counter that is up to date
            whenever it is read.
    """

    device: Device
    provenance: Provenance
    delay: edges.Delay | None = None


class PolledCounters:
    """Reads all counters together, every ``poll_s`` seconds and right after each mark.

    Args:
        read_j: energy of each counter by the id of its device; a device that is missing keeps its last value.
    """

    def __init__(
        self, meter: str, counters: tuple[Counter, ...], read_j: Callable[[], Mapping[str, float]], poll_s: float
    ) -> None:
        self._meter = meter
        self._counters = counters
        self._read_j = read_j
        self._look_back_s = _LOOK_BACK_POLLS * poll_s + edges.UNKNOWN_DELAY.high_s
        self._series = {each.device.id: Recorder(each.device, "energy_j", meter) for each in counters}
        self._lock = Lock()
        self._boards_count = True
        self.sample()
        self._sampler = Sampler(self.sample, poll_s, meter)

    def stop(self) -> None:
        """Read no more."""
        self._sampler.stop()

    def attach(self, workload: Workload) -> None:
        """Boards count unless the engine is known to use none; these libraries do not tell which it uses."""
        self._boards_count = workload.board_ids is None or bool(workload.board_ids)

    def sample(self) -> None:
        """Read all counters now."""
        with self._lock:
            before_s = time.perf_counter()
            energies_j = self._read_j()
            after_s = time.perf_counter()
            for device_id, energy_j in energies_j.items():
                self._series[device_id].add(before_s, after_s, energy_j)

    def mark(self) -> Mark:
        """One edge of a window; the counters are read right after it, by the thread."""
        mark = Mark(time.perf_counter())
        self._sampler.poke()
        return mark

    def readings(self, start: Mark, stop: Mark) -> tuple[Reading, ...]:
        """The energy of every counter between two marks; waits until late values have come."""
        latest_s = max((each.delay.high_s for each in self._counters if each.delay), default=0.0)
        time.sleep(max(0.0, stop.time_s + latest_s - time.perf_counter()))
        self.sample()
        return tuple(self._reading(each, start, stop) for each in self._counters)

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
            look_back_s=self._look_back_s,
        )
        outcome = follow(recipe, self._series[counter.device.id].series(start.time_s - self._look_back_s))
        low_j, best_j, high_j = outcome.level
        return Reading(
            device=counter.device,
            energy_j=best_j,
            energy_low_j=low_j,
            energy_high_j=high_j,
            provenance=counter.provenance,
            meter=self._meter,
            estimator=outcome.estimator,
            counted=counter.device.component != "gpu" or self._boards_count,
            recipe=recipe,
        )

    def samples(self) -> Samples:
        """All raw readings so far."""
        return Samples(tuple(series.series() for series in self._series.values()))
