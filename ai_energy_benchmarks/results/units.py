"""Conversions for people: joules, seconds and grams inside, Wh, milliseconds and kilograms outside."""

from __future__ import annotations

from ai_energy_benchmarks.domain.bounds import Bounds

J_PER_WH = 3600.0


def bounded(figure: Bounds, *, resolved: bool) -> dict[str, float | None]:
    """A figure as the report document has it: no bare value where its window is not resolved."""
    return {"value": figure.best if resolved else None, "low": figure.low, "high": figure.high}


def energy_keys(energy_j: Bounds, *, resolved: bool) -> dict[str, float | None]:
    """The same of an energy in joules, under the keys that every block of the document has for it."""
    return {
        "energy_j": energy_j.best if resolved else None,
        "energy_low_j": energy_j.low,
        "energy_high_j": energy_j.high,
    }


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
