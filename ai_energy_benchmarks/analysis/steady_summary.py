"""The steady windows of several trials to one set of figures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import fmean

from attrs import evolve

from ai_energy_benchmarks.analysis.component_energy import component_energy, seen_in_part, shown_components, why_absent
from ai_energy_benchmarks.analysis.steady import steady_trial
from ai_energy_benchmarks.analysis.steady_correction import Correction, Group, correction
from ai_energy_benchmarks.analysis.tokens import Counts
from ai_energy_benchmarks.analysis.totals import total_parts
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyState, SteadyTrial

# Where answers show no token events, the tokens of the window are uncertain; beyond this no figure is per token.
TOKEN_ERROR = 0.02


def why_no_steady_state(trials: Sequence[Trial]) -> str:
    """Why trials under concurrency have no steady state; empty if they have one, or had one request in flight."""
    if all(trial.steady is not None for trial in trials):
        return ""
    for trial in trials:
        if trial.steady_absent:
            return f"trial {trial.number}: {trial.steady_absent}"
    if any(trial.client is not None and trial.client.concurrency > 1 for trial in trials):
        return (
            "the version of this package that measured it did not keep the load up until the end of a pass: its "
            "figures are those of the whole pass, with ramp and drain"
        )
    return ""


def steady_state(
    trials: Sequence[Trial],
    counts: Sequence[Counts],
    steps: Sequence[Step],
    required: Collection[Component],
    doubt: str | None,
    *,
    prompt_doubt: str | None = None,
) -> SteadyState | None:
    """Means over the trials; None if one of them has no steady window.

    Args:
        counts: what each trial's own requests add up to.
        steps: the baselines that give the idle power.
        required: components without which there is no total.
        doubt: why the trials' tokens cannot be trusted; None if they can.
        prompt_doubt: the same of their prompts' tokens, by which nothing is corrected then.
    """
    windows = [trial.steady for trial in trials if trial.steady is not None]
    if not windows or len(windows) < len(trials):
        return None
    steady_trials = tuple(steady_trial(trial, window) for trial, window in zip(trials, windows, strict=True))
    absent_tokens = doubt or _uncertain(steady_trials)
    bounds = None if absent_tokens else [window.bounds_tokens for window in steady_trials]
    parts = tuple(_part(trial, window) for trial, window in zip(trials, windows, strict=True))
    reasons = {component: why_absent(parts, component) for component in shown_components(parts)}
    absent = {component: reason for component, reason in reasons.items() if reason is not None}
    components = {
        component: component_energy(component, (component,), parts, bounds, steps)
        for component in reasons
        if component not in absent
    }
    methods = {name: energy.provenance for name, energy in components.items()}
    total = total_parts(methods, absent, required, seen_in_part(parts, absent))
    groups: dict[Group, tuple[Component, ...]] = {component: (component,) for component in components}
    groups |= {"total": total.components} if total.components else {}
    shifts = Correction() if bounds is None or prompt_doubt else correction(trials, windows, groups)
    energies = {
        name: component_energy(name, of, parts, bounds, steps, shifts=shifts.energies.get(name, ()))
        for name, of in groups.items()
    }
    duration_s, output_tokens = (
        fmean(window.duration_s for window in steady_trials),
        fmean(window.output_tokens for window in steady_trials),
    )
    pooled = [trial_figures(trial).steady_requests for trial in trials]
    succeeded = sum(count.succeeded for count in counts)
    return SteadyState(
        trials=steady_trials,
        concurrency=windows[0].concurrency,
        duration_s=duration_s,
        output_tokens=output_tokens,
        output_tokens_per_s=_rate(output_tokens, duration_s, shifts),
        components=tuple(energies[component] for component in components),
        absent=absent,
        total=energies.get("total"),
        tokens_absent=absent_tokens,
        request_output_tokens=sum(count.output_tokens for count in counts) / succeeded if succeeded else 0.0,
        latency_requests=fmean(pooled),
        left_out_requests=fmean(count.succeeded for count in counts) - fmean(pooled),
        filler_requests=fmean(len(trial.fillers) for trial in trials),
        mix=shifts.mix,
    )


def _rate(output_tokens: float, duration_s: float, shifts: Correction) -> float:
    """Output tokens per second."""
    if not shifts.rate:
        return output_tokens / duration_s
    return 1 / fmean(shift.measured + shift.change for shift in shifts.rate)


def _part(trial: Trial, window: SteadyWindow) -> Trial:
    """The trial as if only its window had been measured."""
    return evolve(
        trial,
        start_s=window.start_s,
        stop_s=window.stop_s,
        measurement=window.measurement,
        outcomes=(),
        fillers=(),
    )


def _uncertain(trials: Sequence[SteadyTrial]) -> str:
    """Why the tokens of a window are not known well enough; empty if they are."""
    for trial in trials:
        tokens = trial.output_tokens
        error = max(tokens - trial.bounds_tokens.low, trial.bounds_tokens.high - tokens)
        if error > TOKEN_ERROR * tokens:
            return (
                f"trial {trial.number}: answers without token events leave {error / tokens:.1%} of the tokens of the "
                f"steady window uncertain, more than {TOKEN_ERROR:.0%}; raise scenario.num_samples, or have the server "
                "stream"
            )
    return ""
