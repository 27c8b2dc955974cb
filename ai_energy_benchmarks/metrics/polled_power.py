"""Meters of power that is read now and then: a wall plug, a PDU, the management controller of a server.

Power is integrated over the window by the rule of ``domain.integral``, so the figures are called integrated, not
measured: what the power did between two readings is bounded by their values, and not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from ai_energy_benchmarks.domain import integral
from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import Device, Mark, Quantity, Reading, Recipe, Series
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.metrics.gpu_choice import Gpu
from ai_energy_benchmarks.metrics.polled_series import PolledCollector, PolledSeries

__all__ = ["PolledCollector", "PolledPower", "PowerSensor"]

_LOOK_BACK_POLLS = 4
# A device that was not read for so long has no figure: the window's power is not known.
_LONGEST_GAP_S, _LONGEST_GAP_POLLS = 1.0, 10
_AT_ONCE = Delay(0.0, 0.0)


@frozen
class PowerSensor:
    """One device that reports its power.

    Attributes:
        device: whose power it reads.
        hold_s: how long it shows one value before it measures again, as its maker states it; a second for many plugs
            and controllers. Its readings are never taken to be closer than they were made.
        delay: how long after it was sampled a value becomes visible.
    """

    device: Device
    hold_s: float
    delay: Delay = _AT_ONCE

    @property
    def late_s(self) -> float:
        """How long after a moment its power may still appear."""
        return self.hold_s + self.delay.high_s


class PolledPower(PolledSeries):
    """Powers that are integrated; the arguments are those of ``PolledSeries``.

    Args:
        meter: what readings call this collector.
        sensors: at least one.
        unseen: why other components have no figure.
        poll_s: time between two readings.
        gpus: what is known of the GPUs among the devices; by default their ids alone.
        visible: device id at each index as this process counts GPUs; by default ``gpus`` in their order.
        read_w: power of each sensor by the id of its device, in W, never negative.
        patience_s: how long an answer after a window is waited for, in addition to what the sensors themselves take.
    """

    quantity: Quantity = "power_w"

    def __init__(
        self,
        meter: str,
        sensors: tuple[PowerSensor, ...],
        unseen: str,
        read_w: Callable[[], Mapping[str, float]],
        poll_s: float,
        *,
        patience_s: float = 2.0,
        gpus: Sequence[Gpu] | None = None,
        visible: Sequence[str | None] | None = None,
    ) -> None:
        self._sensors = {sensor.device: sensor for sensor in sensors}
        latest_s = max(sensor.late_s for sensor in sensors)
        super().__init__(
            meter,
            sensors,
            unseen,
            read_w,
            poll_s,
            look_back_s=_LOOK_BACK_POLLS * poll_s + latest_s,
            longest_wait_s=patience_s + 2 * latest_s,
            longest_gap_s=max(_LONGEST_GAP_S, _LONGEST_GAP_POLLS * poll_s) + latest_s,
            gpus=gpus,
            visible=visible,
        )

    def _settled(self, device: Device, stop: Mark) -> bool:
        held_s = self._held_s(device, self._since(device, stop))
        return self._latest_s[device.id] >= stop.time_s + self._sensors[device].delay.high_s + held_s

    def _held_s(self, device: Device, series: Series) -> float:
        """How far two readings lie apart: by what the device does, and by how long asking it took."""
        slowest_s = max(after_s - before_s for before_s, after_s in zip(series.before_s, series.after_s, strict=True))
        return max(self._sensors[device].hold_s, self._poll_s + slowest_s)

    def _why_lost(self, device: Device, start: Mark, stop: Mark) -> str | None:
        if not self._settled(device, stop):
            return f"the power of {device.id} was not read after the window"
        late_s = self._sensors[device].late_s
        for earlier_s, later_s in self._gaps_s[device.id]:
            if earlier_s < stop.time_s + late_s and later_s > start.time_s:
                return f"the power of {device.id} was not read for {later_s - earlier_s:.1f} s"
        return None

    def _reading(self, device: Device, start: Mark, stop: Mark) -> Reading:
        delay, series = self._sensors[device].delay, self._since(device, start)
        recipe = Recipe(
            rule="integral",
            quantity="power_w",
            series_id=device.id,
            start_s=start.time_s,
            stop_s=stop.time_s,
            delay_low_s=delay.low_s,
            delay_high_s=delay.high_s,
            hold_s=self._held_s(device, series),
            look_back_s=self._look_back_s,
        )
        outcome = follow(recipe, series)
        return Reading(
            device=device,
            bounds_j=outcome.bounds_j,
            provenance="integrated",
            meter=self._meter,
            estimator=outcome.estimator,
            counted=self._counts(device),
            peak_power_w=integral.peak(series, start.time_s, stop.time_s),
            recipe=recipe,
        )
