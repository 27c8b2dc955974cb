"""Meters of ever-growing counters, read by one thread: what CodeCarbon, Zeus and most plugins have in common.

For devices that report power and have no counter see ``metrics.polled_power``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.power import Device, Mark, Provenance, Quantity, Reading, Recipe
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.metrics.gpu_choice import Gpu
from ai_energy_benchmarks.metrics.polled_series import PolledCollector, PolledSeries

__all__ = ["Counter", "PolledCollector", "PolledCounters"]

# How far before a window readings are looked at; longer than any poll.
_LOOK_BACK_POLLS = 4
# More than a machine of many GPUs draws; a counter that was reset jumps by far more.
_CEILING_W = 50_000.0
# Of a counter that moves in ticks, some ticks are needed; and so long its next one may be waited for.
_LOOK_BACK_TICKS_S = 2.0
_LONGEST_WAIT_S = 2.0
# After a mark, as a multiple of the staleness: surely later.
_LATER = 1.25


@frozen
class Counter:
    """One counter.

    Attributes:
        device: that it counts the energy of.
        provenance: ``measured`` for a counter in the hardware, ``modelled`` for a computed one.
        delay: how long after it was sampled a value becomes visible; None for a counter that is nearly up to date
            whenever it is read.
        stale_s: how old a value of such a counter may be.
    """

    device: Device
    provenance: Provenance
    delay: edges.Delay | None = None
    stale_s: float = 0.0


class PolledCounters(PolledSeries):
    """Counters that grow with the energy; the arguments are those of ``PolledSeries``.

    Args:
        meter: what readings call this collector.
        counters: at least one.
        unseen: why other components have no figure.
        poll_s: time between two readings.
        gpus: what is known of the GPUs among the devices; by default their ids alone.
        visible: device id at each index as this process counts GPUs; by default ``gpus`` in their order.
        read_j: energy of each counter by the id of its device.
    """

    quantity: Quantity = "energy_j"

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
        self._counters = {counter.device: counter for counter in counters}
        ticks_s = _LOOK_BACK_TICKS_S if any(counter.delay for counter in counters) else 0.0
        super().__init__(
            meter,
            counters,
            unseen,
            read_j,
            poll_s,
            look_back_s=_LOOK_BACK_POLLS * poll_s + ticks_s,
            longest_wait_s=_LONGEST_WAIT_S,
            later_s=_LATER * max((counter.stale_s for counter in counters), default=0.0),
            gpus=gpus,
            visible=visible,
        )

    def _settled(self, device: Device, stop: Mark) -> bool:
        delay = self._counters[device].delay
        return delay is None or edges.settled(self._since(device, stop), stop.time_s, delay)

    def _why_lost(self, device: Device, start: Mark, stop: Mark) -> str | None:
        if not self._settled(device, stop):
            return f"its counter stands still as {self._meter} reports it"
        counter = self._counters[device]
        late_s = counter.delay.high_s if counter.delay else counter.stale_s
        if edges.impossible(self._since(device, start), start.time_s, stop.time_s, _CEILING_W, late_s):
            return f"the counter of {device.id} was reset during the window"
        return None

    def _reading(self, device: Device, start: Mark, stop: Mark) -> Reading:
        counter = self._counters[device]
        delay = counter.delay
        recipe = Recipe(
            rule="latched" if delay else "fresh",
            quantity="energy_j",
            series_id=device.id,
            start_s=start.time_s,
            stop_s=stop.time_s,
            delay_low_s=delay.low_s if delay else 0.0,
            delay_high_s=delay.high_s if delay else 0.0,
            stale_s=counter.stale_s,
            look_back_s=self._look_back_s,
        )
        outcome = follow(recipe, self._since(device, start))
        return Reading(
            device=device,
            bounds_j=outcome.bounds_j,
            provenance=counter.provenance,
            meter=self._meter,
            estimator=outcome.estimator,
            counted=self._counts(device),
            recipe=recipe,
        )
