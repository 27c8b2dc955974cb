"""Readings of a window summed over devices, and the idle power that the baselines saw."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Device, Measurement, Provenance, Reading
from ai_energy_benchmarks.domain.result import Step, StepName
from ai_energy_benchmarks.domain.sums import add_up

BASELINES: tuple[StepName, ...] = ("resident idle", "hot idle")
# Wider relative half-widths are reported as bounds only (docs/measurement.md, "Edges of a window").
UNRESOLVED = 0.20
_FROM_WEAK_TO_STRONG: tuple[Provenance, ...] = ("modelled", "integrated", "measured")


@frozen
class WindowEnergy:
    """Several readings of one window as one.

    Attributes:
        bounds_j: bounds add linearly, since nothing says that edge errors cancel.
        provenance: the weakest of the readings' words.
        peak_power_w: sum of the devices' peaks; None if any is unknown.
        settled: False if a rest next to the window was none.
        guessed: whether a model's watts are a guess, good to an order of magnitude.
    """

    bounds_j: Bounds
    provenance: Provenance
    meter: str
    peak_power_w: float | None
    settled: bool = True
    guessed: bool = False

    @property
    def resolved(self) -> bool:
        """Whether the bounds are close enough for a bare number to be quoted."""
        return self.settled and is_resolved(self.bounds_j)

    @property
    def energy_j(self) -> float:
        """The best estimate."""
        return self.bounds_j.best


@frozen
class IdlePower:
    """Power of the resident baselines.

    Attributes:
        half_difference_w: half the distance between the baselines; None if there was only one.
    """

    mean_w: float
    half_difference_w: float | None


def is_resolved(energy_j: Bounds) -> bool:
    """Whether an energy may be quoted without its bounds; nothing around zero may."""
    return energy_j.best > 0 and energy_j.half_width <= UNRESOLVED * energy_j.best


def counted(measurement: Measurement, components: Collection[Component]) -> tuple[Reading, ...]:
    """The readings that belong to the workload and to one of the components."""
    return tuple(
        reading for reading in measurement.readings if reading.counted and reading.device.component in components
    )


def devices(readings: Iterable[Reading]) -> frozenset[Device]:
    """The devices that the readings are of."""
    return frozenset(reading.device for reading in readings)


def window_energy(readings: Sequence[Reading]) -> WindowEnergy:
    """Sum at least one reading."""
    peaks_w = [reading.peak_power_w for reading in readings if reading.peak_power_w is not None]
    return WindowEnergy(
        bounds_j=Bounds.total(reading.bounds_j for reading in readings),
        provenance=min((reading.provenance for reading in readings), key=_FROM_WEAK_TO_STRONG.index),
        meter=" + ".join(dict.fromkeys(reading.meter for reading in readings)),
        peak_power_w=add_up(peaks_w) if len(peaks_w) == len(readings) else None,
        settled=all(reading.settled for reading in readings),
        guessed=any(reading.recipe is not None and reading.recipe.guessed for reading in readings),
    )


def idle_power(
    steps: Iterable[Step],
    components: Collection[Component],
    of: frozenset[Device],
    baselines: Collection[StepName] = BASELINES,
) -> IdlePower | None:
    """Mean power of the baselines; one that saw other devices than the trials did is passed over."""
    powers_w = []
    for step in steps:
        if step.name in baselines and step.measurement is not None and step.measurement.duration_s > 0:
            readings = of_baseline(step, components, of)
            if devices(readings) == of:
                powers_w.append(add_up(reading.energy_j for reading in readings) / step.measurement.duration_s)
    if not powers_w:
        return None
    return IdlePower(fmean(powers_w), (max(powers_w) - min(powers_w)) / 2 if powers_w[1:] else None)


def of_baseline(step: Step, components: Collection[Component], of: frozenset[Device]) -> tuple[Reading, ...]:
    """What a baseline read of the components; of a bare idle the trials' devices, since it came before their choice."""
    readings = () if step.measurement is None else counted(step.measurement, components)
    return tuple(reading for reading in readings if reading.device in of or step.name != "bare idle")
