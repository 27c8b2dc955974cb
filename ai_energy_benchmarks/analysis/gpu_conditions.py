"""Under which conditions the workload's GPUs worked: clocks, temperature, power limit, brakes, each over the trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, frozen

from ai_energy_benchmarks.analysis.coverage import silence
from ai_energy_benchmarks.analysis.integration import workload_boards
from ai_energy_benchmarks.analysis.throttling import BRAKES, held, share
from ai_energy_benchmarks.domain.power import Quantity, Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.sums import add_up


@frozen
class GpuConditions:
    """One GPU over the complete trials; means over their time, None where the driver does not report it.

    Attributes:
        id: UUID.
        sm_clock_hz: mean clock of its multiprocessors.
        power_limit_w: mean of the limit in force.
        throttled: what held its clocks down → the share of the trials in which a reading showed it.
    """

    id: str
    name: str
    sm_clock_hz: float | None = None
    temperature_celsius: float | None = None
    power_limit_w: float | None = None
    throttled: Mapping[str, float] = field(factory=dict)


def gpu_conditions(samples: Samples, trials: Sequence[Trial]) -> tuple[GpuConditions, ...]:
    """The conditions of every GPU whose energy counts, in the order of their ids."""
    complete = [trial for trial in trials if trial.complete]
    own = workload_boards(complete)
    gauges = {(series.device, series.quantity): series for series in samples.series}

    def mean(quantity: Quantity) -> float | None:
        return _mean(gauges.get((device, quantity)), complete)

    found = []
    for device in sorted(own, key=lambda gpu: gpu.id):
        reasons = gauges.get((device, "throttle_reasons"))
        shares = {name: share(reasons, complete, bit) for bit, name, _ in BRAKES} if reasons is not None else {}
        throttled = {name: value for name, value in shares.items() if value > 0}
        gauged = mean("clock_hz"), mean("temperature_celsius"), mean("power_limit_w")
        found.append(GpuConditions(device.id, device.label, *gauged, throttled))
    return tuple(found)


def _mean(series: Series | None, trials: Sequence[Trial]) -> float | None:
    if silence(series, trials) is not None:
        return None
    assert series is not None  # else it is silent
    parts = [part for trial in trials for part in held(series, trial)]
    total_s = add_up(seconds for seconds, _ in parts)
    return add_up(seconds * value for seconds, value in parts) / total_s if total_s else None
