"""What a part of each trial can be said of: no request is whole in it, and no counter of a server is its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve

from ai_energy_benchmarks.analysis.doubtful_tokens import without_token_figures
from ai_energy_benchmarks.analysis.goodput import goodput
from ai_energy_benchmarks.analysis.latency import not_single, pooled
from ai_energy_benchmarks.analysis.running_checks import running_findings
from ai_energy_benchmarks.analysis.serving_checks import concurrency_findings, token_doubts
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.analysis.token_counts import prompt_contradiction, prompt_doubts
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import Slo
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding

_NONE_SENT = "no request was sent in the part of the trials that counts"


def of_a_part(
    summary: Summary, recorded: tuple[Trial, ...], cut: tuple[Trial, ...], slo: Slo | None
) -> tuple[Summary, tuple[Finding, ...]]:
    """The summary of the cut trials without what only whole ones tell, and why tokens are withheld if they are."""
    summary = _with_whole_latencies(summary, recorded, cut, slo)
    withheld = token_doubts(recorded)
    # A part of a trial has no counter of its own, so what was said against the whole holds for it.
    summary = evolve(summary, prompt_tokens_in_doubt=prompt_contradiction(recorded))
    summary = without_token_figures(summary, withheld[0].message) if withheld else summary
    return summary, (*withheld, *prompt_doubts(recorded), *_load(recorded, cut))


def _load(recorded: Sequence[Trial], cut: Sequence[Trial]) -> Iterator[Finding]:
    """Requests in flight in the part; what the server ran is only known of the steady state, and held against it."""
    parts = {trial.number: trial for trial in counting_trials(cut)}
    served = [trial for trial in recorded if trial.number in parts and trial.client is not None]
    yield from concurrency_findings(served, parts)
    yield from running_findings(served)


def _with_whole_latencies(
    summary: Summary, recorded: tuple[Trial, ...], cut: tuple[Trial, ...], slo: Slo | None
) -> Summary:
    """Latencies and goodput are of the requests sent in the part, whole: one that is cut has none. Gaps are its own."""
    parts = {trial.number: trial for trial in counting_trials(cut)}
    sent = [
        (
            [outcome for outcome in trial.outcomes if part.start_s <= outcome.sent_s < part.stop_s],
            part.duration_s,
        )
        for trial in recorded
        if (part := parts.get(trial.number)) is not None
    ]
    whole = pooled(outcome for outcomes, _ in sent for outcome in outcomes if isinstance(outcome, Completion))
    in_part = goodput(sent, slo)
    if in_part is not None and any(trial.fillers for trial in cut):
        in_part = evolve(in_part, requests_per_s=None)  # fillers were served too, and are in no count of requests
    # Tokens of a cut request are spread over its events, so only the whole trials tell what an event carries.
    per_event = pooled(completion for trial in recorded for completion in trial.completions).tokens_per_event
    chunks, gaps_s = not_single(per_event), summary.itl_s or summary.inter_chunk_s
    return evolve(
        summary,
        itl_s=None if chunks else gaps_s,
        inter_chunk_s=gaps_s if chunks else None,
        tokens_per_event=per_event,
        latency_notes=whole.notes if whole.e2e_s else dict.fromkeys(("ttft", "tpot", "e2e"), _NONE_SENT),
        ttft_s=whole.ttft_s,
        tpot_s=whole.tpot_s,
        e2e_s=whole.e2e_s,
        goodput=in_part,
        whole_requests=False,
    )
