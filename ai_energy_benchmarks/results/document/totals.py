"""What the report document gives of the total: its parts, the energy at the wall, the cost."""

from __future__ import annotations

from attrs import asdict

from ai_energy_benchmarks.analysis.footprint import applied_factor, footprint
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.results import units

_WITHOUT_WALL = "measured components only; power supply, fans and network excluded"
_AT_INLET = "the total is that of the whole system at its power inlet, to which no wall factor is applied"
_WITH_WALL = "components of the total × the wall factor as stated"


def total(result: BenchmarkResult) -> dict[str, object]:
    """What the total adds up and leaves out, and why it gives no figure where it gives none."""
    derived = footprint(result)
    return {
        "components": list(result.summary.total_components),
        "excludes": dict(result.summary.total_excludes),
        "source": derived.method or "absent",
        "absent": derived.absent,
    }


def wall(result: BenchmarkResult) -> dict[str, object]:
    """Energy of one pass at the wall, and what it covers; no factor is ever guessed."""
    if result.wall_factor is None:
        return {"factor": None, "energy_j": None, "covers": _WITHOUT_WALL}
    if applied_factor(result) is None:
        return {"factor": result.wall_factor, "energy_j": None, "covers": _AT_INLET}
    derived = footprint(result)
    wall_j = derived.wall_j
    return {
        "factor": result.wall_factor,
        "energy_j": units.bounded(wall_j, resolved=derived.absent is None) if wall_j else None,
        "covers": _WITH_WALL,
    }


def cost_block(result: BenchmarkResult) -> dict[str, object] | None:
    """What the energy of one pass and of 1,000 queries costs; null with the reason where there is no figure.

    Returns:
        None if no price is named.
    """
    derived = footprint(result)
    if result.tariff is None:
        return None
    return {
        "per_pass": derived.cost,
        "per_1000_queries": derived.cost_per_1000,
        "absent": derived.absent,
        **asdict(result.tariff),
    }
