"""Finished trials to one pass: means, bounds, energy per token, idle power, latencies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from statistics import fmean

from ai_energy_benchmarks.analysis.component_energy import component_energy, seen_in_part, why_absent
from ai_energy_benchmarks.analysis.doubtful_tokens import without_token_figures
from ai_energy_benchmarks.analysis.goodput import goodput
from ai_energy_benchmarks.analysis.latency import pooled
from ai_energy_benchmarks.analysis.prompt_caches import cached_per_pass
from ai_energy_benchmarks.analysis.serving_checks import token_doubt
from ai_energy_benchmarks.analysis.token_counts import prompt_contradiction
from ai_energy_benchmarks.analysis.tokens import TokenBounds, count
from ai_energy_benchmarks.analysis.totals import total_parts
from ai_energy_benchmarks.analysis.windows import (
    BASELINES,
    COMPONENTS,
)
from ai_energy_benchmarks.domain.power import Component
from ai_energy_benchmarks.domain.result import Step, StepName, Trial
from ai_energy_benchmarks.domain.serving import Slo
from ai_energy_benchmarks.domain.summary import Summary


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
    doubt = next((doubt for each in chosen if (doubt := token_doubt(each)) is not None), None)
    tokens = [TokenBounds.exact(each.output_tokens) for each in counts]
    reasons = {each: why_absent(chosen, each) for each in COMPONENTS}
    seen = tuple(each for each in COMPONENTS if reasons[each] is None)
    absent = {each: reason for each, reason in reasons.items() if reason is not None}
    idle_steps = tuple(each for each in steps if each.name in baselines)
    components = {each: component_energy(each, (each,), chosen, tokens, idle_steps) for each in seen}
    methods = {name: energy.provenance for name, energy in components.items()}
    parts = total_parts(methods, absent, required, seen_in_part(chosen, absent))
    latencies = pooled(each for trial in chosen for each in trial.completions)
    summary = Summary(
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
        cached_prompt_tokens=cached_per_pass(chosen, [each.cached_prompt_tokens for each in counts]),
        total=component_energy("total", parts.components, chosen, tokens, idle_steps) if parts.components else None,
        total_absent=parts.absent,
        total_excludes=parts.excluded,
        ttft_s=latencies.ttft_s,
        itl_s=latencies.itl_s,
        tpot_s=latencies.tpot_s,
        e2e_s=latencies.e2e_s,
        inter_chunk_s=latencies.inter_chunk_s,
        tokens_per_event=latencies.tokens_per_event,
        latency_notes=latencies.notes,
        prompt_tokens_in_doubt=prompt_contradiction(chosen),
        goodput=goodput([(each.outcomes, each.duration_s) for each in chosen], slo),
    )
    return without_token_figures(summary, doubt) if doubt else summary


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return fmean(listed) if listed else 0.0


def _mean_if_all_tell(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return fmean(known) if known and len(known) == len(values) else None
