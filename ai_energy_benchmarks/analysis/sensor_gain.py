"""What a meter's sensor may add to all its figures alike, where it has been measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from attrs import frozen

from ai_energy_benchmarks.domain.power import Reading
from ai_energy_benchmarks.domain.sums import add_up


@frozen
class SensorGain:
    """How far a sensor's figures may be off, all by the same factor.

    Attributes:
        limit: the factor lies in 1 ± limit, and nothing is known of where (a rectangular distribution).
        source: who measured it.
    """

    limit: float
    source: str


# Of RAPL the literature reports offsets that differ between machines and not of a factor (Desrochers et al.,
# MEMSYS 2016); CodeCarbon and Zeus read different sensors on different machines; a model has no sensor. For these
# there is no second interval.
GAINS: Mapping[str, SensorGain] = {
    "nvml": SensorGain(0.05, "Yang, Adamek and Armour, SC24, arXiv:2312.02741 (over 70 GPUs)"),
}


def gain_of(readings: Sequence[Reading]) -> SensorGain | None:
    """The gain of the readings' only meter; None if there are several, or its gain is not known."""
    meters = {each.meter for each in readings}
    return GAINS.get(next(iter(meters))) if len(meters) == 1 else None


def meters_of_unknown_gain(readings: Sequence[Reading]) -> tuple[str, ...]:
    """The meters among the readings' whose gain is not known, by name."""
    return tuple(sorted({each.meter for each in readings} - GAINS.keys()))


def gain_uncertainty(gain: SensorGain | None) -> float | None:
    """Relative standard uncertainty: of a rectangular distribution, the limit over √3 (JCGM 100:2008 §4.3.7)."""
    return None if gain is None else _rectangular(gain.limit)


def _rectangular(limit: float) -> float:
    return limit / math.sqrt(3)


def known_gain_uncertainty(readings: Sequence[Reading]) -> float | None:
    """Relative standard uncertainty that the known gains of the readings' meters give to their sum.

    The gain of a meter is one factor for all its readings; meters are independent of each other.

    Returns:
        None if the gain of none of the meters is known, or the readings add up to nothing.
    """
    total_j = add_up(each.energy_j for each in readings)
    parts_j = [
        _rectangular(gain.limit) * add_up(each.energy_j for each in readings if each.meter == meter)
        for meter, gain in GAINS.items()
        if any(each.meter == meter for each in readings)
    ]
    return math.hypot(*parts_j) / total_j if parts_j and total_j > 0 else None
