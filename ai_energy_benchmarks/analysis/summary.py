"""Finished trials to one pass: means, bounds, energy per token, idle power, latencies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from statistics import fmean
from typing import Literal

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.goodput import goodput
from ai_energy_benchmarks.analysis.latency import pooled
from ai_energy_benchmarks.analysis.sensor_gain import gain_of, known_gain_uncertainty, meters_of_unknown_gain
from ai_energy_benchmarks.analysis.serving_checks import token_doubt
from ai_energy_benchmarks.analysis.tokens import Counts, count
from ai_energy_benchmarks.analysis.totals import total_parts
from ai_energy_benchmarks.analysis.windows import (
    BASELINES,
    COMPONENTS,
    WindowEnergy,
    counted,
    devices,
    idle_power,
    window_energy,
)
from ai_energy_benchmarks.domain.power import Component, Measurement, WorkloadShare
from ai_energy_benchmarks.domain.result import Step, StepName, Trial
from ai_energy_benchmarks.domain.serving import Slo
from ai_energy_benchmarks.domain.statistics import Estimate, estimate
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary

# Wider relative half-widths are reported as bounds only (docs/measurement.md, "Edges of a window").
UNRESOLVED = 0.20


def counting_trials(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials that means are over: the complete ones, or all if none is complete."""
    return tuple(each for each in trials if each.complete) or tuple(trials)


def summarise(
    trials: Sequence[Trial],
    steps: Sequence[Step],
    baselines: Collection[StepName] = BASELINES,
    slo: Slo | None = None,
    required: Collection[Component] = (),
) -> Summary:
    """Describe one pass over the prompts.

    Args:
        trials: in order; partial ones count only if there is no complete one.
        steps: the baselines among them give the idle power.
        baselines: which steps those are.
        slo: what a request must keep to count for goodput.
        required: components that the workload is known to use: without the energy of one of them there is no total.
    """
    chosen = counting_trials(trials)
    counts = [count(each.outcomes) for each in chosen]
    duration_s = _mean(each.duration_s for each in chosen)
    output_tokens = _mean(each.output_tokens for each in counts)
    reasons = {each: _why_absent(chosen, each) for each in COMPONENTS}
    seen = tuple(each for each in COMPONENTS if reasons[each] is None)
    absent = {each: reason for each, reason in reasons.items() if reason is not None}
    idle_steps = tuple(each for each in steps if each.name in baselines)
    components = {each: _energy(each, (each,), chosen, counts, idle_steps) for each in seen}
    methods = {name: energy.provenance for name, energy in components.items()}
    parts = total_parts(methods, absent, required, _seen_in_part(chosen, absent))
    latencies = pooled(each for trial in chosen for each in trial.completions)
    return Summary(
        trials=len(chosen),
        requests=_mean(each.succeeded + each.failed for each in counts),
        succeeded=_mean(each.succeeded for each in counts),
        failed=_mean(each.failed for each in counts),
        duration_s=duration_s,
        prompt_tokens=_mean(each.prompt_tokens for each in counts),
        output_tokens=output_tokens,
        output_tokens_per_s=output_tokens / duration_s if duration_s > 0 else 0.0,
        components=tuple(components.values()),
        absent=absent,
        reasoning_tokens=_mean_if_all_tell([each.reasoning_tokens for each in counts]),
        cached_prompt_tokens=_mean_if_all_tell([each.cached_prompt_tokens for each in counts]),
        total=_energy("total", parts.components, chosen, counts, idle_steps) if parts.components else None,
        total_absent=parts.absent,
        total_excludes=parts.excluded,
        tokens_in_doubt=next((doubt for each in chosen if (doubt := token_doubt(each)) is not None), None),
        ttft_s=latencies.ttft_s,
        itl_s=latencies.itl_s,
        tpot_s=latencies.tpot_s,
        e2e_s=latencies.e2e_s,
        inter_chunk_s=latencies.inter_chunk_s,
        tokens_per_event=latencies.tokens_per_event,
        latency_notes=latencies.notes,
        goodput=goodput([(each.outcomes, each.duration_s) for each in chosen], slo),
    )


def _energy(
    name: Component | Literal["total"],
    components: Collection[Component],
    trials: Sequence[Trial],
    counts: Sequence[Counts],
    steps: Sequence[Step],
) -> ComponentEnergy:
    readings = [counted(each, components) for each in _measurements(trials)]
    windows = [window_energy(each) for each in readings]
    whole = window_energy(tuple(chain.from_iterable(readings)))
    energy_j = fmean(each.energy_j for each in windows)
    low_j, high_j = fmean(each.energy_low_j for each in windows), fmean(each.energy_high_j for each in windows)
    peaks_w = [each.peak_power_w for each in windows if each.peak_power_w is not None]
    idle = idle_power(steps, components, devices(readings[0]), {each.name for each in steps})
    all_readings = tuple(chain.from_iterable(readings))
    gain, gain_share = gain_of(all_readings), known_gain_uncertainty(all_readings)
    doubtful = any(token_doubt(each) for each in trials)
    per_token = None if doubtful else _per_output_token(windows, [each.output_tokens for each in counts], gain_share)
    if per_token and whole.provenance == "modelled":
        per_token = evolve(per_token, energy_j=_without_interval(per_token.energy_j))
    return ComponentEnergy(
        component=name,
        provenance=whole.provenance,
        meter=whole.meter,
        energy_j=energy_j,
        energy_low_j=low_j,
        energy_high_j=high_j,
        resolved=energy_j > 0 and (high_j - low_j) / 2 <= UNRESOLVED * energy_j,
        per_output_token_j=per_token.energy_j if per_token else None,
        idle_power_w=idle.mean_w if idle else None,
        idle_half_difference_w=idle.half_difference_w if idle else None,
        net_energy_j=energy_j - idle.mean_w * fmean(each.duration_s for each in trials) if idle else None,
        peak_power_w=max(peaks_w) if len(peaks_w) == len(windows) else None,
        per_output_token_low_j=per_token.low_j if per_token else None,
        per_output_token_high_j=per_token.high_j if per_token else None,
        gain_limit=gain.limit if gain else None,
        gain_source=gain.source if gain else "",
        gain_unknown=meters_of_unknown_gain(all_readings),
        per_pass_j=_over_trials(windows, [1.0] * len(windows), gain_share),
        workload_share=_workload_share(name, trials),
    )


def _workload_share(name: str, trials: Sequence[Trial]) -> WorkloadShare | None:
    """Mean over trials; None if one of them has none."""
    found = [each for seen in _measurements(trials) for each in seen.shares if each.component == name]
    if not found or len(found) != len(trials):
        return None
    means = (
        fmean(values) for values in zip(*((each.share, each.share_low, each.share_high) for each in found), strict=True)
    )
    return WorkloadShare(found[0].component, *means)


@frozen
class _PerToken:
    energy_j: Estimate
    low_j: float
    high_j: float


def _per_output_token(
    windows: Sequence[WindowEnergy], tokens: Sequence[int], gain_share: float | None
) -> _PerToken | None:
    """Means over trials of each trial's own ratio; None if a trial brought no output token."""
    if not all(tokens):
        return None
    lows_j = [window.energy_low_j / n for window, n in zip(windows, tokens, strict=True)]
    highs_j = [window.energy_high_j / n for window, n in zip(windows, tokens, strict=True)]
    return _PerToken(_over_trials(windows, tokens, gain_share), fmean(lows_j), fmean(highs_j))


def _over_trials(windows: Sequence[WindowEnergy], units: Sequence[float], gain_share: float | None) -> Estimate:
    """Energy per unit of work, with the bounds of each trial and the sensor's gain."""
    pairs = list(zip(windows, units, strict=True))
    bounds_j = [(window.energy_low_j / n, window.energy_high_j / n) for window, n in pairs]
    return estimate([window.energy_j / n for window, n in pairs], bounds_j, gain_share)


def _without_interval(of_model: Estimate) -> Estimate:
    """Trials repeat a model's error as it is, so neither their scatter nor the window's edges bound it."""
    return evolve(of_model, half_width=None, half_width_with_gain=None)


def _seen_in_part(trials: Sequence[Trial], absent: Collection[Component]) -> tuple[Component, ...]:
    """The absent components of which some trial has a reading that counts."""
    return tuple(each for each in absent if any(counted(seen, (each,)) for seen in _measurements(trials)))


def _why_absent(trials: Sequence[Trial], component: Component) -> str | None:
    """Why the component has no figure; None if every trial saw the same devices of it."""
    if not _measurements(trials):
        return "nothing was measured"
    first = None
    for trial in trials:
        if trial.measurement is None:
            return f"trial {trial.number} was not measured"
        own = [each for each in trial.measurement.readings if each.device.component == component]
        if not own:
            return trial.measurement.absent.get(component, f"no meter saw it in trial {trial.number}")
        of_workload = devices(each for each in own if each.counted)
        if not of_workload:
            return trial.measurement.absent.get(component, "the workload uses none of the devices that were seen")
        first = first or of_workload
        if of_workload != first:
            missing = ", ".join(sorted(each.label or each.id for each in first ^ of_workload))
            return f"not every trial saw the same devices; {missing} came or went in trial {trial.number}"
    return None


def _measurements(trials: Iterable[Trial]) -> list[Measurement]:
    return [each.measurement for each in trials if each.measurement is not None]


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return fmean(listed) if listed else 0.0


def _mean_if_all_tell(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return fmean(known) if known and len(known) == len(values) else None
