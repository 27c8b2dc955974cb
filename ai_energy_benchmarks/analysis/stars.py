"""Stars of AI Energy Score: five bands of equal width over the GPU energy of a task and class.

Classes by parameters: A up to 20 billion, B up to 66, C above. The band of least energy has five stars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from attrs import frozen

SizeClass = Literal["A", "B", "C"]
STARS = 5
_A_MOST, _B_MOST = 20e9, 66e9


@frozen
class Entry:
    """One model in one state on one task.

    Attributes:
        energy_j: GPU energy of 1,000 queries.
        low_j, high_j: what the truth may be; the energy itself where no interval is known.
    """

    name: str
    energy_j: float
    low_j: float
    high_j: float


@frozen
class Rating:
    """Stars, and those that the intervals allow.

    Attributes:
        fewest, most: stars with this model at one end of its interval and all others at the other end of theirs.
    """

    entry: Entry
    stars: int
    fewest: int
    most: int


def size_class(parameters: int) -> SizeClass:
    """The class of a model with so many weights."""
    return "A" if parameters <= _A_MOST else "B" if parameters <= _B_MOST else "C"


def band_edges_j(energies_j: Sequence[float]) -> tuple[float, ...]:
    """The six edges of the five bands, from the least energy to the most; an edge belongs to the band below it."""
    low_j, high_j = min(energies_j), max(energies_j)
    return tuple(low_j + (high_j - low_j) * step / STARS for step in range(STARS + 1))


def rate(entries: Sequence[Entry]) -> tuple[Rating, ...]:
    """Rate the models of one task and class, least energy first.

    Raises:
        ValueError: there are fewer than two models, or all have the same energy, so that there is no range.
    """
    if len({entry.energy_j for entry in entries}) < 2:
        raise ValueError("stars need at least two models of different energy in the same task and class")
    ratings = []
    for own in entries:
        others = [entry for entry in entries if entry is not own]
        ratings.append(
            Rating(
                own,
                stars=_stars(own.energy_j, [other.energy_j for other in others]),
                # A higher range below it makes a model look better, whichever of the others sets it.
                fewest=_stars(own.high_j, [other.low_j for other in others]),
                most=_stars(own.low_j, [other.high_j for other in others]),
            )
        )
    return tuple(sorted(ratings, key=lambda rating: rating.entry.energy_j))


def _stars(own_j: float, others_j: Sequence[float]) -> int:
    edges_j = band_edges_j([own_j, *others_j])
    return STARS - next((band for band in range(STARS) if own_j <= edges_j[band + 1]), STARS - 1)
