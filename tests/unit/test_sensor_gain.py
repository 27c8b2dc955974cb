"""What the gain of a meter's sensor adds, by hand: of one meter, of several, and of those of which it is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from ai_energy_benchmarks.analysis.sensor_gain import (
    GAINS,
    SensorGain,
    gain_of,
    gain_uncertainty,
    known_gain_uncertainty,
    meters_of_unknown_gain,
)
from ai_energy_benchmarks.domain.power import Reading
from tests.factories import CPU, GPU, OTHER_GPU, reading

NVML, ALSO_NVML = reading(GPU, 300.0), reading(OTHER_GPU, 100.0)
RAPL, ZEUS = reading(CPU, 600.0, meter="rapl"), reading(GPU, 250.0, meter="zeus")
# Yang, Adamek and Armour, SC24: within 5 %, and nothing is known of where.
SIGMA = 0.05 / math.sqrt(3)


@pytest.mark.parametrize(
    ("readings", "of_all", "unknown", "uncertainty"),
    [
        ((), False, (), None),
        ((NVML,), True, (), SIGMA),
        # One factor for all readings of a meter, so it does not average out over GPUs.
        ((NVML, ALSO_NVML), True, (), SIGMA),
        ((RAPL,), False, ("rapl",), None),
        ((ZEUS, RAPL), False, ("rapl", "zeus"), None),
        ((RAPL, NVML, RAPL), False, ("rapl",), SIGMA * 300 / 1500),
        ((NVML, ALSO_NVML, RAPL), False, ("rapl",), SIGMA * 400 / 1000),
        ((reading(CPU, 600.0, meter="codecarbon"),), False, ("codecarbon",), None),
        ((reading(CPU, 700.0, meter="codecarbon"), NVML), False, ("codecarbon",), SIGMA * 300 / 1000),
        ((reading(GPU, 0.0),), True, (), None),
        ((reading(GPU, -5.0),), True, (), None),
        ((reading(GPU, 0.5),), True, (), SIGMA),
        ((NVML, reading(CPU, -300.0, meter="rapl")), False, ("rapl",), None),
    ],
)
def test_the_gain_of_the_meters_is_that_of_their_part(
    readings: Sequence[Reading], of_all: bool, unknown: tuple[str, ...], uncertainty: float | None
) -> None:
    """The limit over the root of three, for the part of the sum that the meter read; the others are named."""
    assert gain_of(readings) == (GAINS["nvml"] if of_all else None)
    assert meters_of_unknown_gain(readings) == unknown
    assert known_gain_uncertainty(readings) == (uncertainty if uncertainty is None else pytest.approx(uncertainty))


def test_gains_are_those_of_their_papers() -> None:
    """Of NVML alone is one known; the uncertainty of a rectangular distribution is its limit over the root of three."""
    assert GAINS.keys() == {"nvml"}
    assert GAINS["nvml"] == SensorGain(0.05, "Yang, Adamek and Armour, SC24, arXiv:2312.02741 (over 70 GPUs)")
    assert gain_uncertainty(None) is None
    assert gain_uncertainty(SensorGain(0.06, "a paper")) == pytest.approx(0.0346410161)
