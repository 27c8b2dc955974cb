"""A result in one sentence: the figure, how it was obtained, and how far it can be trusted."""

from __future__ import annotations

from ai_energy_benchmarks.analysis.derived import leading
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.digits import bounds, figure, known
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.summary import ComponentEnergy
from ai_energy_benchmarks.domain.verdict import Verdict
from ai_energy_benchmarks.reporters.figures import as_known, component_name
from ai_energy_benchmarks.results import units


def sentence(result: BenchmarkResult) -> str:
    """``0.34 J/output token (CPU, modelled, an order of magnitude); 3.0 Wh per 1,000 queries; WARN: protocol``.

    FAIL stands before the figures; what ``results.quotable`` withholds has none here either, for the same reason.
    """
    figures, verdict = _figures(result), _verdict(result.verdict)
    return "; ".join([verdict, *figures] if result.verdict.level == "FAIL" else [*figures, verdict])


def _verdict(verdict: Verdict) -> str:
    """The level with the checks that it comes from, each once."""
    checks = dict.fromkeys(each.check for each in verdict.reasons if each.level == verdict.level)
    return verdict.level if verdict.level == "PASS" else f"{verdict.level}: {', '.join(checks)}"


def _figures(result: BenchmarkResult) -> list[str]:
    summary, headline = result.summary, result.verdict.headline
    cut = "" if result.ending == "completed" else f"the run was {result.ending}"
    if headline is None:
        speed = summary.tokens_in_doubt or f"{figure(summary.output_tokens_per_s)} output tokens/s"
        return [f"no energy was measured; {cut or speed}"]
    energy = next((each for each in summary.components if each.component == headline), None)
    if energy is None:
        return [_without_energy(result, headline)]
    name, leader, unit = component_name(headline), leading(summary, energy), summary.unit
    per_unit = leader[0].per(unit) if leader else None
    if cut:
        # It is not withheld: the tables have it, next to the verdict FAIL.
        stands = leader is not None and per_unit is not None and leader[1].resolved
        part = ", and the table has that of the part that was measured" if stands else ""
        return [f"no J/{unit.one} to quote ({name}): {cut}{part}"]
    if leader is None or per_unit is None:
        why = summary.steady_absent or summary.tokens_in_doubt or f"no {unit.many}"
        return [f"no J/{unit.one} ({name}): {why}"]
    if not leader[1].resolved:
        return [f"J/{unit.one} ({name}) only known to lie in {bounds(per_unit.bounds_j.low, per_unit.bounds_j.high)}"]
    low_j, best_j, high_j = per_unit.bounds_j
    half_width_j = per_unit.mean_j.leading_half_width
    apart_j = max(per_unit.mean_j.standard_deviation or 0.0, high_j - low_j)
    shown = as_known(best_j, half_width=half_width_j, scatter=apart_j, guessed=energy.guessed)
    parts = [f"{shown} J/{unit.one} ({name}, {_method(energy)})"]
    if (per_request_j := leader[1].request_j) is not None:
        # It has no interval of its own: as many digits as that of the energy per unit leaves.
        per_1000_wh, share = units.wh(1000 * per_request_j), (half_width_j or apart_j) / best_j
        digits = figure(per_1000_wh, 2) if energy.guessed else known(per_1000_wh, share * per_1000_wh, at_most=3)
        parts.append(f"{digits} Wh per 1,000 queries")
    return parts


def _method(energy: ComponentEnergy) -> str:
    return f"{energy.provenance}, an order of magnitude" if energy.guessed else energy.provenance


def _without_energy(result: BenchmarkResult, component: Component) -> str:
    why = result.summary.absent.get(component)
    return f"no energy of the {component_name(component)}{f' ({why})' if why else ''}"
