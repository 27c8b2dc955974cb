"""What the total of one pass means at the wall, in emissions and in money; every report takes it from here."""

from __future__ import annotations

from attrs import frozen

from ai_energy_benchmarks.analysis.derived import cost, derive, emissions_g
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import wholes
from ai_energy_benchmarks.domain.digits import between
from ai_energy_benchmarks.domain.power import Provenance
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary


@frozen
class Footprint:
    """Figures of one pass that follow from the total; each is None where what it needs is missing.

    Attributes:
        absent: why the total gives no figure: there is none, or its window is not resolved. None if it gives one.
        method: how the total was obtained; None if there is none.
        wall_j: energy at the wall, the sum of the gross components × ``metrics.wall_factor``; only with such a factor,
            and not where the total is that of the whole system. Where ``absent`` gives a reason, only its bounds may
            be quoted.
        emissions_g: grams of CO2-equivalent; only with a carbon intensity.
        cost: in the tariff's currency; only with a price.
        emissions_per_1000_g, cost_per_1000: the same of 1,000 queries, as energy per query has it; None where that has
            no figure.
    """

    absent: str | None
    method: Provenance | None = None
    wall_j: Bounds | None = None
    emissions_g: float | None = None
    cost: float | None = None
    emissions_per_1000_g: float | None = None
    cost_per_1000: float | None = None


def footprint(result: BenchmarkResult) -> Footprint:
    """Derive everything that a report gives of the total."""
    total, carbon, tariff, factor = result.summary.total, result.carbon, result.tariff, applied_factor(result)
    absent = total_withheld(result.summary)
    if total is None:
        return Footprint(absent)
    wall_j = None if factor is None else total.bounds_j * factor
    if absent is not None:
        return Footprint(absent, total.provenance, wall_j)
    of_pass_g = emissions_g(total.energy_j, carbon, factor) if carbon else None
    of_pass = cost(total.energy_j, tariff, factor) if tariff else None
    per_request_j = derive(result.summary, total).request_j
    return Footprint(
        None,
        total.provenance,
        wall_j,
        of_pass_g,
        of_pass,
        _per_1000(of_pass_g, per_request_j, total),
        _per_1000(of_pass, per_request_j, total),
    )


def _per_1000(of_pass: float | None, per_request_j: float | None, total: ComponentEnergy) -> float | None:
    """The part of a request is its share of the pass's; under concurrency that of its steady energy."""
    if of_pass is None or per_request_j is None:
        return None
    return 1000 * of_pass * per_request_j / total.energy_j


def applied_factor(result: BenchmarkResult) -> float | None:
    """The wall factor; None if none is stated, or if the total is that of the whole system, read at its power inlet."""
    return None if wholes(result.summary.total_components) else result.wall_factor


def total_withheld(summary: Summary) -> str | None:
    """Why the total has no bare figure; None if it has one."""
    total = summary.total
    if total is None:
        return summary.total_absent or "no meter saw the energy of any component"
    if total.resolved:
        return None
    return f"the total is only known to lie in {between(total.bounds_j.low, total.bounds_j.high)} J"


def covers(summary: Summary) -> str:
    """What the total adds up, what it leaves out and why, in one sentence; empty if there is none."""
    if summary.total is None:
        return ""
    names = " + ".join(each.upper() for each in summary.total_components)
    method = ", modelled" if summary.total.provenance == "modelled" else ""
    excluded = "".join(f"; without {name.upper()}: {why}" for name, why in summary.total_excludes.items())
    return f"{names}{method}{excluded}"
