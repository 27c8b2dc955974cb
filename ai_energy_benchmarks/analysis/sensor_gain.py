"""What a meter's sensor may add to all its figures alike, where somebody has measured it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from attrs import frozen

from ai_energy_benchmarks.domain.power import Reading


@frozen
class SensorGain:
    """How far a sensor's figures may be off, all by the same factor.

    Attributes:
        limit: the factor lies in 1 ± limit, and nothing is known of where (a rectangular distribution).
        source: who measured it.
    """

    limit: float
    source: str


# Of RAPL the literature tells of offsets that differ between machines and not of a factor (Desrochers et al.,
# MEMSYS 2016); CodeCarbon and Zeus read different sensors on different machines; a model has no sensor. For these
# there is no second interval.
GAINS: Mapping[str, SensorGain] = {
    "nvml": SensorGain(0.05, "Yang, Adamek and Armour, SC24, arXiv:2312.02741 (over 70 boards)"),
}


def gain_of(readings: Sequence[Reading]) -> SensorGain | None:
    """The gain of the readings' only meter; None if there are several, or its gain is not known."""
    meters = {each.meter for each in readings}
    return GAINS.get(next(iter(meters))) if len(meters) == 1 else None


def gain_uncertainty(gain: SensorGain | None) -> float | None:
    """Relative standard uncertainty: of a rectangular distribution, the limit over √3 (JCGM 100:2008 §4.3.7)."""
    return None if gain is None else gain.limit / math.sqrt(3)
