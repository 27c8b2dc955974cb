"""Conversions for people: joules, seconds and grams inside, Wh, milliseconds and kilograms outside."""

from __future__ import annotations

J_PER_WH = 3600.0


def wh(energy_j: float) -> float:
    """Joules as watt-hours."""
    return energy_j / J_PER_WH


def kwh(energy_j: float) -> float:
    """Joules as kilowatt-hours."""
    return energy_j / J_PER_WH / 1e3


def ms(duration_s: float) -> float:
    """Seconds as milliseconds."""
    return duration_s * 1e3


def kg(mass_g: float) -> float:
    """Grams as kilograms."""
    return mass_g / 1e3


def whole(count: float) -> float:
    """A count as an integer where it is one; a mean over trials need not be."""
    return int(count) if float(count).is_integer() else count
