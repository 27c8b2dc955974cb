"""Finished trials to one pass: means, bounds, energy per token, idle power, latencies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from operator import add
from statistics import fmean

from attrs import evolve

from ai_energy_benchmarks.analysis.component_energy import component_energy, seen_in_part, shown_components, why_absent
from ai_energy_benchmarks.analysis.doubtful_tokens import without_token_figures
from ai_energy_benchmarks.analysis.filler_tokens import filler_prompt_tokens, filler_tokens, whole_amounts
from ai_energy_benchmarks.analysis.goodput import goodput
from ai_energy_benchmarks.analysis.latency import Latencies, Pooling, pooled
from ai_energy_benchmarks.analysis.prompt_caches import cached_per_pass
from ai_energy_benchmarks.analysis.serving_checks import token_doubt
from ai_energy_benchmarks.analysis.steady import in_window
from ai_energy_benchmarks.analysis.steady_summary import steady_state, why_no_steady_state
from ai_energy_benchmarks.analysis.token_counts import prompt_contradiction
from ai_energy_benchmarks.analysis.tokens import Counts
from ai_energy_benchmarks.analysis.totals import total_parts
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.analysis.windows import (
    BASELINES,
)
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import Step, StepName, Trial
from ai_energy_benchmarks.domain.serving import Goodput, Slo
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyState, Summary

_NO_REQUEST = "no request of a pass was sent in the steady state; raise scenario.num_samples"
_NONE_SENT = dict.fromkeys(("ttft", "itl", "tpot", "e2e"), _NO_REQUEST)


def counting_trials(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials that means are over: the complete ones, or all if none is complete."""
    return tuple(trial for trial in trials if trial.complete) or tuple(trials)


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
    counts = [trial_figures(trial).counts for trial in chosen]
    duration_s = _mean(trial.duration_s for trial in chosen)
    output_tokens = _mean(count.output_tokens for count in counts)
    prompt_tokens = _mean(count.prompt_tokens for count in counts)
    fillers = _mean(map(filler_prompt_tokens, chosen))
    cached = cached_per_pass(chosen, [count.cached_prompt_tokens for count in counts])
    doubt = next((doubt for trial in chosen if (doubt := token_doubt(trial)) is not None), None)
    whole_tokens = [count.output_tokens + filler_tokens(trial) for count, trial in zip(counts, chosen, strict=True)]
    tokens = [Bounds.exact(amount) for amount in whole_tokens]
    reasons = {component: why_absent(chosen, component) for component in shown_components(chosen)}
    measured = tuple(component for component, reason in reasons.items() if reason is None)
    absent = {component: reason for component, reason in reasons.items() if reason is not None}
    idle_steps = tuple(step for step in steps if step.name in baselines)
    made = [whole_amounts(trial) for trial in chosen]
    names = dict.fromkeys(name for amounts in made for name in amounts)
    amounts = {name: [amount.get(name, 0.0) for amount in made] for name in names}
    components = {
        component: component_energy(component, (component,), chosen, tokens, idle_steps, amounts=amounts)
        for component in measured
    }
    methods = {name: energy.provenance for name, energy in components.items()}
    parts = total_parts(methods, absent, required, seen_in_part(chosen, absent))
    prompt_doubt = prompt_contradiction(chosen)
    steady = steady_state(chosen, counts, idle_steps, required, doubt, prompt_doubt=prompt_doubt)
    of_pass = _latencies(chosen, steady is not None)
    latencies = of_pass if steady is None else _steady_latencies(chosen)
    summary = Summary(
        trials=len(chosen),
        requests=_mean(count.succeeded + count.failed for count in counts),
        succeeded=_mean(count.succeeded for count in counts),
        failed=_mean(count.failed for count in counts),
        duration_s=duration_s,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        output_tokens_per_s=_mean(whole_tokens) / duration_s if duration_s else 0.0,
        components=tuple(components.values()),
        absent=absent,
        reasoning_tokens=_mean_if_all_tell([count.reasoning_tokens for count in counts]),
        cached_prompt_tokens=cached,
        total=component_energy("total", parts.components, chosen, tokens, idle_steps, amounts=amounts)
        if parts.components
        else None,
        total_absent=parts.absent,
        total_excludes=parts.excluded,
        ttft_s=latencies.ttft_s,
        itl_s=latencies.itl_s,
        tpot_s=latencies.tpot_s,
        e2e_s=latencies.e2e_s,
        inter_chunk_s=latencies.inter_chunk_s,
        tokens_per_event=latencies.tokens_per_event,
        latency_notes=_NONE_SENT if steady is not None and latencies.e2e_s is None else latencies.notes,
        prompt_tokens_in_doubt=prompt_doubt,
        steady=steady,
        steady_absent=why_no_steady_state(chosen),
        whole_output_tokens=_mean(whole_tokens),
        whole_prompt_tokens=prompt_tokens + fillers,
        # Fillers find in a cache as much as the pass does, which is only its own share that is known of some servers.
        whole_computed_prompt_tokens=(prompt_tokens + fillers) * (1 - (cached or 0.0) / prompt_tokens)
        if prompt_tokens
        else 0.0,
        pass_ttft_s=of_pass.ttft_s.mean if of_pass.ttft_s else None,
        pass_e2e_s=of_pass.e2e_s.mean if of_pass.e2e_s else None,
        amounts={name: _mean(values) for name, values in amounts.items()},
        goodput=_goodput(chosen, counts, steady, slo),
    )
    return without_token_figures(summary, doubt) if doubt else summary


def _goodput(
    trials: Sequence[Trial], counts: Sequence[Counts], steady: SteadyState | None, slo: Slo | None
) -> Goodput | None:
    """Under concurrency of the requests whose latencies count, and at the rate of the steady state.

    Fillers are served at that rate too, so a pass's own requests over its duration would be too few.
    """
    if steady is None:
        return goodput([(trial.outcomes, trial.duration_s) for trial in trials], slo)
    sent = [(_sent_in(trial, window), window.duration_s) for trial in trials if (window := trial.steady) is not None]
    tokens, requests = (
        sum(count.output_tokens for count in counts),
        sum(count.succeeded + count.failed for count in counts),
    )
    kept = goodput(sent, slo, steady.output_tokens_per_s * requests / tokens if tokens else 0.0)
    return evolve(kept, requests_per_s=None) if kept and (steady.tokens_absent or not tokens) else kept


def _sent_in(trial: Trial, window: SteadyWindow) -> Iterator[Outcome]:
    return (outcome for outcome in trial.outcomes if in_window(outcome, window))


def _latencies(trials: Sequence[Trial], steady: bool) -> Latencies:
    """Those of the whole passes; where a steady state leads, only the times to the first and the last token."""
    pools = [trial_figures(trial).latencies for trial in trials]
    if not steady and not all(pool.gaps for pool in pools):
        return pooled(done for trial in trials for done in trial.completions)
    return _together(pools).latencies()


def _steady_latencies(trials: Sequence[Trial]) -> Latencies:
    pools = [pool for trial in trials if (pool := trial_figures(trial).steady_latencies) is not None]
    return _together(pools).latencies()


def _together(pools: Sequence[Pooling]) -> Pooling:
    return reduce(add, pools) if pools else Pooling()


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return fmean(listed) if listed else 0.0


def _mean_if_all_tell(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None
