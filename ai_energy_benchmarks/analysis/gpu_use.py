"""What each GPU did: whether it worked in the trials, stayed idle in them, and rested before."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, stdev

from attrs import frozen

from ai_energy_benchmarks.analysis.windows import BASELINES
from ai_energy_benchmarks.domain.power import Device, Measurement, Quantity, Samples, Series
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.sums import add_up

# docs/measurement.md, "Which GPUs count": idle is at most 1 % of utilization and power within 2 % or three standard
# deviations of the resident idle; worked is over 5 %, or over the idle power by a tenth of what is left to the limit.
IDLE_PERCENT, IDLE_POWER, IDLE_SIGMAS = 1.0, 0.02, 3.0
WORKED_PERCENT, WORKED_POWER = 5.0, 0.10
WORKED_TRIALS = 2
# No kernel runs for half of the time or more without a change of power: a GPU that is busy at all clocks up.
_SURELY_AT_WORK_PERCENT = 50.0
# Where no power limit is known: a tenth of what is left to it is 0.4 (MI300X: 140 W idle, 750 W limit) to 0.9 (H100:
# 70 W, 700 W) of the idle power of large GPUs, so half of the idle power stands for it.
_WORKED_WITHOUT_LIMIT = 0.5
# The driver's utilization is that of its last sampling period, of up to a second (NVML API reference,
# nvmlUtilization_t), so the first second of a window may still show what was before it.
_SAMPLING_S = 1.0


@frozen
class Window:
    """One GPU in one window; None where it is not known.

    Attributes:
        power_w: mean power.
        mean_percent, highest_percent: utilization.
    """

    power_w: float | None = None
    mean_percent: float | None = None
    highest_percent: float | None = None


@frozen
class GpuUse:
    """One GPU over a whole run.

    Attributes:
        meter: that read it.
        counted: whether it counts in the trials.
        trials: one per trial that means are over.
        rests: the resident baselines, in order; the first is before the trials.
        deviation_w: standard deviation of its power readings in those; 0 where it has none.
        limit_w: its power limit; None if unknown.
    """

    device: Device
    meter: str
    counted: bool
    trials: tuple[Window, ...]
    rests: tuple[Window, ...]
    deviation_w: float = 0.0
    limit_w: float | None = None

    @property
    def name(self) -> str:
        """Its name and id for people."""
        return f"{self.device.label} ({self.device.id})" if self.device.label else self.device.id

    @property
    def idle_w(self) -> float | None:
        """Its power in the resident idle before the trials."""
        return next((rest.power_w for rest in self.rests), None)

    @property
    def idle(self) -> bool | None:
        """Whether it stayed idle in every trial; None if that is not known."""
        highest = [trial.highest_percent for trial in self.trials]
        powers_w = [trial.power_w for trial in self.trials]
        if any(percent is not None and percent > IDLE_PERCENT for percent in highest):
            return False
        if self.idle_w is None or not powers_w:
            return None if None in highest or not highest else True
        room_w = max(IDLE_POWER * self.idle_w, IDLE_SIGMAS * self.deviation_w)
        if any(power_w is None or abs(power_w - self.idle_w) > room_w for power_w in powers_w):
            return False
        # A meter that reads no utilization has only its power to go by; one that does must have read it.
        return None if None in highest and any(rest.highest_percent is not None for rest in self.rests) else True

    @property
    def power_stands_still(self) -> bool:
        """Whether its power in every trial is that at rest, though its utilization says that it worked and rested.

        A sensor or a counter that is stuck, or of another GPU, reads so.
        """
        rest = self.rests[0] if self.rests else Window()
        if rest.power_w is None or rest.mean_percent is None or rest.mean_percent > WORKED_PERCENT or not self.trials:
            return False
        return all(
            trial.power_w is not None
            and trial.mean_percent is not None
            and trial.mean_percent > _SURELY_AT_WORK_PERCENT
            and abs(trial.power_w - rest.power_w) <= IDLE_POWER * rest.power_w
            for trial in self.trials
        )

    @property
    def busy(self) -> bool | None:
        """Whether it worked in the trials, whatever it did before; None if that is not known."""
        if self.trials and sum(map(self._busy, self.trials)) >= min(WORKED_TRIALS, len(self.trials)):
            return True
        known = self.idle_w is not None or all(trial.mean_percent is not None for trial in self.trials)
        return False if known else None

    @property
    def worked(self) -> bool | None:
        """Whether it worked in the trials and rested at rest; None if that is not known."""
        if self.busy and self.rests:
            return not any(map(self._restless, self.rests))
        return None if self.busy else self.busy

    def _busy(self, trial: Window) -> bool:
        if trial.mean_percent is not None and trial.mean_percent > WORKED_PERCENT:
            return True
        return self._excess_w(trial) > self._threshold_w()

    def _restless(self, rest: Window) -> bool:
        """Whether it worked at rest too: by its utilization, or by power that did not come down after the trials."""
        if rest.mean_percent is not None and rest.mean_percent > WORKED_PERCENT:
            return True
        in_trials_w = fmean([self._excess_w(trial) for trial in self.trials])
        return in_trials_w > self._threshold_w() and self._excess_w(rest) > in_trials_w / 2

    def _excess_w(self, window: Window) -> float:
        return 0.0 if window.power_w is None or self.idle_w is None else window.power_w - self.idle_w

    def _threshold_w(self) -> float:
        idle_w = self.idle_w or 0.0
        return WORKED_POWER * (self.limit_w - idle_w) if self.limit_w is not None else _WORKED_WITHOUT_LIMIT * idle_w


def gpu_uses(trials: Sequence[Trial], steps: Sequence[Step], samples: Samples) -> tuple[GpuUse, ...]:
    """Every GPU that a meter read in the trials, in order of the readings.

    Args:
        trials: those that means are over.
        steps: all steps; the resident baselines among them are the rests.
    """
    series: Mapping[tuple[Quantity, str, str], Series] = {
        (sampled.quantity, sampled.device.id, sampled.meter): sampled for sampled in samples.series
    }
    rests = [step for step in steps if step.name in BASELINES]
    of_trials = [trial.measurement for trial in trials if trial.measurement is not None]
    windows = {
        (reading.device, reading.meter): reading.counted
        for measurement in reversed(of_trials)
        for reading in measurement.readings
        if reading.device.component == "gpu"
    }
    order = dict.fromkeys((reading.device, reading.meter) for one in of_trials for reading in one.readings)
    uses = []
    for device, meter in (key for key in order if key in windows):
        utilization = series.get(("utilization_percent", device.id, meter))
        power = series.get(("power_w", device.id, meter))
        limit = series.get(("power_limit_w", device.id, meter))
        uses.append(
            GpuUse(
                device,
                meter,
                windows[device, meter],
                tuple(_window(trial.measurement, device, meter, utilization) for trial in trials),
                tuple(_window(rest.measurement, device, meter, utilization) for rest in rests),
                _deviation_w(power, rests),
                limit.values[-1] if limit is not None and len(limit.values) else None,
            )
        )
    return tuple(uses)


def _window(measurement: Measurement | None, device: Device, meter: str, utilization: Series | None) -> Window:
    if measurement is None or measurement.duration_s <= 0:
        return Window()
    energies_j = [
        reading.energy_j for reading in measurement.readings if reading.device == device and reading.meter == meter
    ]
    percents = list(_held(utilization, measurement.start_s + _SAMPLING_S, measurement.stop_s))
    held_s = add_up(seconds for seconds, _ in percents)
    return Window(
        energies_j[0] / measurement.duration_s if energies_j else None,
        add_up(seconds * value for seconds, value in percents) / held_s if percents else None,
        max((value for _, value in percents), default=None),
    )


def _held(series: Series | None, start_s: float, stop_s: float) -> Iterator[tuple[float, float]]:
    """How long each value was the latest one within a window; of equal ones in a row only the ends are kept."""
    if series is None:
        return
    first, last = max(0, bisect_right(series.after_s, start_s) - 1), bisect_left(series.after_s, stop_s)
    ends_s = series.after_s[first + 1 :]
    for begin_s, end_s, value in zip(series.after_s[first:last], ends_s, series.values[first:last], strict=False):
        seconds = min(stop_s, end_s) - max(start_s, begin_s)
        if seconds > 0:
            yield seconds, value


def _deviation_w(power: Series | None, rests: Iterable[Step]) -> float:
    """Standard deviation of the power readings about the mean of their own rest."""
    deviations_w = [
        stdev(values)
        for rest in rests
        if len(values := [value for _, value in _held(power, rest.start_s, rest.stop_s)]) > 1
    ]
    return max(deviations_w, default=0.0)
