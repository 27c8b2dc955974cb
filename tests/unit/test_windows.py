"""Readings of a window as one energy, and the idle power of the baselines, each with its whole outcome."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.windows import (
    IdlePower,
    WindowEnergy,
    counted,
    devices,
    idle_power,
    is_resolved,
    of_baseline,
    window_energy,
)
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Reading, Recipe, WindowEdges
from ai_energy_benchmarks.domain.result import Step, StepName
from tests.factories import CPU, DRAM, GPU, OTHER_GPU, measurement, reading, step

MEASURED, INTEGRATED, MODELLED = (
    reading(energy_j=50.0, half_width_j=3.0),
    reading(OTHER_GPU, 70.0, 5.0, provenance="integrated", meter="codecarbon"),
    reading(CPU, 30.0, 7.0, provenance="modelled", meter="cpu_power"),
)
GUESSED, KNOWN = (
    evolve(MODELLED, recipe=Recipe("fresh", "cpu_time_s", "x", 0.0, 1.0, guessed=guess)) for guess in (True, False)
)
UNSETTLED, FLAT = (evolve(MEASURED, edges=WindowEdges(state, 0.1, 5.0, 0.0)) for state in ("unsettled", "flat"))


@pytest.mark.parametrize(
    ("readings", "energy"),
    [
        ([MEASURED], WindowEnergy(Bounds(47, 50, 53), "measured", "nvml", None)),
        ([MEASURED, INTEGRATED], WindowEnergy(Bounds(112, 120, 128), "integrated", "nvml + codecarbon", None)),
        (
            [INTEGRATED, MODELLED, MEASURED],
            WindowEnergy(Bounds(135, 150, 165), "modelled", "codecarbon + cpu_power + nvml", None),
        ),
        ([MEASURED, MEASURED], WindowEnergy(Bounds(94, 100, 106), "measured", "nvml", None)),
        ([MODELLED, GUESSED], WindowEnergy(Bounds(46, 60, 74), "modelled", "cpu_power", None, guessed=True)),
        ([KNOWN], WindowEnergy(Bounds(23, 30, 37), "modelled", "cpu_power", None)),
        ([FLAT, UNSETTLED], WindowEnergy(Bounds(94, 100, 106), "measured", "nvml", None, settled=False)),
        ([FLAT], WindowEnergy(Bounds(47, 50, 53), "measured", "nvml", None)),
        (
            [evolve(MEASURED, peak_power_w=300.0), evolve(MEASURED, peak_power_w=45.0)],
            WindowEnergy(Bounds(94, 100, 106), "measured", "nvml", 345.0),
        ),
        (
            [evolve(MEASURED, peak_power_w=300.0), MEASURED],
            WindowEnergy(Bounds(94, 100, 106), "measured", "nvml", None),
        ),
    ],
)
def test_readings_of_a_window_are_one_energy(readings: Sequence[Reading], energy: WindowEnergy) -> None:
    """Bounds add up, the weakest word holds, a peak is known if all are, one unsettled rest or one guess is enough."""
    assert window_energy(readings) == energy
    assert energy.energy_j == energy.bounds_j.best


@pytest.mark.parametrize(
    ("low", "best", "high", "resolved"),
    [(80, 100, 120, True), (79, 100, 120, False), (80, 100, 121, False), (90, 100, 130, True), (0, 0, 0, False),
     (-1, -1, -1, False), (0.4, 0.5, 0.6, True), (0.5, 0.5, 0.5, True)],
)  # fmt: skip
def test_an_energy_is_resolved_to_a_fifth(low: float, best: float, high: float, resolved: bool) -> None:
    """Half the distance between the bounds is at most 20 % of the estimate, which is positive; rests must be rests."""
    bounds = Bounds(low, best, high)
    assert is_resolved(bounds) is resolved
    assert WindowEnergy(bounds, "measured", "nvml", None).resolved is resolved
    assert not WindowEnergy(bounds, "measured", "nvml", None, settled=False).resolved


def test_readings_count_by_workload_and_component() -> None:
    """Those of other components and of devices that the workload does not use are left out."""
    other = evolve(INTEGRATED, counted=False)
    seen = measurement(MEASURED, other, MODELLED, reading(DRAM))
    assert counted(seen, ("gpu",)) == (MEASURED,)
    assert counted(seen, ("cpu", "gpu")) == (MEASURED, MODELLED)
    assert counted(seen, ()) == ()
    assert devices([MEASURED, other, MEASURED]) == {GPU, OTHER_GPU}


def rest(name: StepName, *energies_j: tuple[Device, float], seconds: float = 10.0) -> Step:
    """A rest in which these devices took so much."""
    return step(name, *(reading(device, energy_j) for device, energy_j in energies_j), duration_s=seconds)


@pytest.mark.parametrize(
    ("steps", "idle"),
    [
        ([], None),
        ([rest("resident idle", (GPU, 120.0))], IdlePower(12.0, None)),
        ([rest("resident idle", (GPU, 120.0)), rest("hot idle", (GPU, 150.0))], IdlePower(13.5, 1.5)),
        (
            [rest("resident idle", (GPU, 150.0)), rest("hot idle", (GPU, 120.0)), rest("hot idle", (GPU, 144.0))],
            IdlePower(13.8, 1.5),
        ),
        ([rest("resident idle", (GPU, 150.0)), rest("hot idle", (GPU, 40.0))], IdlePower(9.5, 5.5)),
        ([rest("hot idle", (GPU, 120.0), seconds=40.0)], IdlePower(3.0, None)),
        ([rest("hot idle", (GPU, 120.0), seconds=0.5)], IdlePower(240.0, None)),
        ([rest("hot idle", (GPU, 120.0), seconds=0.0), rest("hot idle", (GPU, 110.0))], IdlePower(11.0, None)),
        ([rest("hot idle", (GPU, 120.0), (CPU, 40.0))], IdlePower(12.0, None)),
        ([rest("hot idle", (GPU, 120.0), (OTHER_GPU, 50.0)), rest("hot idle", (GPU, 110.0))], IdlePower(11.0, None)),
        ([rest("bare idle", (GPU, 90.0)), rest("hot idle", (GPU, 110.0))], IdlePower(11.0, None)),
        ([rest("load", (GPU, 90.0)), rest("hot idle", (GPU, 110.0))], IdlePower(11.0, None)),
        ([evolve(rest("hot idle"), measurement=None), rest("hot idle", (GPU, 110.0))], IdlePower(11.0, None)),
    ],
)
def test_idle_power_is_the_mean_of_the_resident_baselines(steps: Sequence[Step], idle: IdlePower | None) -> None:
    """Of those that saw the trials' devices and no others, and half the distance between the highest and the lowest."""
    found = idle_power(steps, ("gpu",), frozenset({GPU}))
    assert (found is None) is (idle is None)
    if found is not None and idle is not None:
        assert found == IdlePower(pytest.approx(idle.mean_w), idle.half_difference_w)


def test_a_rest_that_was_not_measured_read_nothing() -> None:
    """Of a bare idle the trials' devices are read, of others all."""
    both = ((GPU, 300.0), (OTHER_GPU, 500.0))
    for name, names in (("bare idle", [GPU]), ("hot idle", [GPU, OTHER_GPU])):
        seen = rest(name, *both)  # type: ignore[arg-type] # one of two names
        assert [each.device for each in of_baseline(seen, ("gpu",), frozenset({GPU}))] == names
        assert of_baseline(evolve(seen, measurement=None), ("gpu",), frozenset({GPU})) == ()


def test_several_devices_idle_together() -> None:
    """Their powers add up; a rest that saw one of the two alone is no baseline."""
    both = rest("hot idle", (GPU, 120.0), (OTHER_GPU, 50.0))
    alone = rest("hot idle", (GPU, 120.0))
    assert idle_power([both, alone], ("gpu",), frozenset({GPU, OTHER_GPU})) == IdlePower(17.0, None)


def test_before_the_model_is_loaded_the_devices_that_count_are_picked_out() -> None:
    """Every GPU is seen then; a rest that lacks the one that counts is none, nor does a later one get picked over."""
    two = rest("bare idle", (GPU, 300.0), (OTHER_GPU, 500.0))
    lacking = rest("bare idle", (OTHER_GPU, 500.0))
    later = rest("hot idle", (GPU, 200.0), (OTHER_GPU, 500.0))
    of = frozenset({GPU})
    assert idle_power([two, lacking, later], ("gpu",), of, ("bare idle", "hot idle")) == IdlePower(30.0, None)
    assert idle_power([lacking, later], ("gpu",), of, ("bare idle", "hot idle")) is None
