"""Figures per unit of work in the report document: of the whole pass, and of its steady state under concurrency."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from ai_energy_benchmarks.analysis.derived import Derived, derive, derive_steady, energies, steady_energies
from ai_energy_benchmarks.analysis.filler_tokens import filler_tokens
from ai_energy_benchmarks.analysis.pace import is_cancelled
from ai_energy_benchmarks.analysis.windows import counted, window_energy
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.summary import ComponentEnergy, SteadyTrial, Summary
from ai_energy_benchmarks.domain.work import OUTPUT_TOKENS
from ai_energy_benchmarks.results import units


def derived(summary: Summary) -> dict[str, Any]:
    """Figures per token, request and second, by component; each with the meter's bounds.

    Under concurrency ``steady`` holds those of the steady state, which lead, and ``whole_pass`` those of the whole pass
    with all tokens of its window. The keys outside of the two are of the whole pass too, but for those per request:
    they are the steady state's, which is the only one that has any.
    """
    steady = steady_energies(summary)
    return {
        name: {
            **_figures(derive(summary, each), each),
            **(_steady(summary, each, steady.get(name)) if summary.steady or summary.steady_absent else {}),
        }
        for name, each in energies(summary).items()
    }


def _steady(summary: Summary, energy: ComponentEnergy, steady: ComponentEnergy | None) -> dict[str, Any]:
    whole = _figures(derive(summary, energy), energy)
    whole_rate = _trusted(summary, summary.whole_output_tokens / summary.duration_s if summary.duration_s else None)
    of_pass = {name: whole[name] for name in ("j_per_output_token", "output_tokens_per_j", "average_power_w")}
    blocks: dict[str, Any] = {"steady": None, "whole_pass": {**of_pass, "output_tokens_per_s": whole_rate}}
    if steady is not None:
        assert summary.steady is not None, "the energy is that of a steady state"
        figures = _figures(derive_steady(summary, steady), steady)
        del figures["j_per_total_token"]
        blocks["steady"] = {
            **figures,
            "energy_j": steady.energy_j if steady.resolved else None,
            "output_tokens_per_s": _trusted(summary, summary.steady.output_tokens_per_s),
            "j_per_output_token_in_window": steady.per_output_token_window_j if steady.resolved else None,
        }
    return blocks


def work(summary: Summary) -> dict[str, Any]:
    """What one pass produced, by unit, and the unit that energy is counted by."""
    return {
        "unit": summary.unit.name,
        "amounts": {
            name: {
                "per_pass": amount,
                "per_s": _trusted(summary, rate) if name == OUTPUT_TOKENS else rate,
            }
            for name, amount in summary.work.items()
            for rate in (summary.units_per_s(name),)
        },
    }


def _trusted(summary: Summary, tokens_per_s: float | None) -> float | None:
    """A rate of output tokens; None where their counts are in doubt. The counts themselves stay, as reported."""
    return None if summary.tokens_in_doubt is not None else tokens_per_s


def steady_state(summary: Summary) -> dict[str, Any] | None:
    """The steady window under concurrency, or why there is none; None with one request in flight."""
    steady = summary.steady
    if steady is None:
        return {"absent": summary.steady_absent} if summary.steady_absent else None
    return {
        "absent": None,
        "concurrency": steady.concurrency,
        "duration_s": steady.duration_s,
        "output_tokens": steady.output_tokens,
        "output_tokens_per_s": _trusted(summary, steady.output_tokens_per_s),
        "output_tokens_per_request": steady.request_output_tokens,
        "tokens_absent": steady.tokens_absent or None,
        "components_absent": dict(steady.absent),
        "latency_requests": steady.latency_requests,
        "left_out_requests": steady.left_out_requests,
        "filler_requests": steady.filler_requests,
        "mix": asdict(steady.mix) if steady.mix else None,
    }


def _figures(figures: Derived, energy: ComponentEnergy) -> dict[str, Any]:
    per_token, scatter = _bounded(figures, figures.per_output_token_j), energy.per_output_token_j
    if per_token is not None:
        assert scatter is not None, "a figure per token has its scatter"
        per_token["n"] = scatter.n
        per_token["standard_deviation"] = scatter.standard_deviation
        per_token["half_width_95"] = scatter.leading_half_width if energy.resolved else None
        per_token["half_width_95_with_sensor_gain"] = scatter.half_width_with_gain if energy.resolved else None
        per_token["repeatability_95"] = scatter.half_width if energy.resolved else None
    return {
        "j_per_output_token": per_token,
        "j_per_prompt_token": _bounded(figures, figures.per_prompt_token_j),
        "j_per_total_token": _bounded(figures, figures.per_total_token_j),
        "output_tokens_per_j": _bounded(figures, figures.output_tokens_per_j),
        "wh_per_request": _per_requests(figures, 1),
        "wh_per_1000_queries": _per_requests(figures, 1000),
        "average_power_w": _bounded(figures, figures.average_power_w),
        "peak_power_w": figures.peak_power_w,
        **({"j_per_unit": _per_unit(energy)} if energy.per_amount_j else {}),
    }


def _per_unit(energy: ComponentEnergy) -> dict[str, Any]:
    """Energy per unit of what was produced besides tokens."""
    return {
        name: {
            **units.bounded(per.bounds_j, resolved=energy.resolved),
            "n": per.mean_j.n,
            "standard_deviation": per.mean_j.standard_deviation,
            "half_width_95": per.mean_j.leading_half_width if energy.resolved else None,
        }
        for name, per in energy.per_amount_j.items()
    }


def _per_requests(figures: Derived, requests: int) -> dict[str, Any] | None:
    energy_j = figures.per_request_j
    if energy_j is None:
        return None
    return units.bounded(energy_j * (requests / units.J_PER_WH), resolved=figures.request_resolved)


def _bounded(figures: Derived, figure: Bounds | None) -> dict[str, Any] | None:
    return None if figure is None else units.bounded(figure, resolved=figures.resolved)


def steady_window(trial: Trial, figures: SteadyTrial | None, clock_offset_s: float) -> dict[str, Any]:
    """The steady window of a trial and its fillers, where there are any."""
    block: dict[str, Any] = {}
    if trial.fillers:
        block["fillers"] = {
            "requests": len(trial.fillers),
            "cancelled": sum(map(is_cancelled, trial.fillers)),
            "output_tokens": filler_tokens(trial),
        }
    if (window := trial.steady) is not None and figures is not None:
        block["steady"] = {
            "started_unix_s": window.start_s + clock_offset_s,
            "duration_s": window.duration_s,
            "output_tokens": figures.output_tokens,
            "output_tokens_low": figures.bounds_tokens.low,
            "output_tokens_high": figures.bounds_tokens.high,
            "energy": window_energies(window.measurement),
            **({"server_load": asdict(window.server_load)} if window.server_load else {}),
        }
    elif trial.steady_absent:
        block["steady_absent"] = trial.steady_absent
    return block


def window_energies(measurement: Measurement | None) -> dict[str, Any]:
    """Component → estimate and bounds of one window in joules; empty if nothing was measured.

    The estimate is None where the bounds are too far apart for a bare number.
    """
    block: dict[str, Any] = {}
    if measurement is None:
        return block
    for component in COMPONENTS:
        readings = counted(measurement, (component,))
        if readings:
            window = window_energy(readings)
            block[component] = {**units.energy_keys(window.bounds_j, resolved=window.resolved)}
    return block
