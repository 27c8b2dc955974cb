"""Sums of floats that are the same on every Python, to the last digit, and so those of results that are stored."""

from __future__ import annotations

from collections.abc import Iterable


def add_up(values: Iterable[float]) -> float:
    """The values from left to right, rounded after each; 0 if there are none.

    Since Python 3.12 ``sum`` carries along what it rounds off, so that a result could not be recomputed by another
    version than the one that measured it.
    """
    total: float = 0
    for value in values:
        total += value
    return total
