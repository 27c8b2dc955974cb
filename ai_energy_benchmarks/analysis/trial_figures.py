"""What the requests of one trial come to, in one walk after its window: everything later reads this."""

from __future__ import annotations

from collections.abc import Hashable

from attrs import frozen

from ai_energy_benchmarks.analysis.answer_facts import AnswerFacts
from ai_energy_benchmarks.analysis.filler_prompts import filler_prompts
from ai_energy_benchmarks.analysis.latency import Pooling
from ai_energy_benchmarks.analysis.pace import Pace, Pacing
from ai_energy_benchmarks.analysis.steady_tokens import SteadyTokens, needs_pace
from ai_energy_benchmarks.analysis.tokens import Counting, Counts
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Trial


@frozen
class TrialFigures:
    """Figures of the requests of a trial; fillers are in ``pace`` and ``in_flight_s`` only.

    Attributes:
        counts: requests and tokens.
        facts: what the checks of answers need.
        pace: of all requests that finished.
        in_flight_s: seconds in flight within the window, all requests together.
        latencies: of all completions; without gaps and times per token where there is a steady window, whose
            latencies lead.
        steady_latencies: of those sent within the steady window; None without one.
        steady_requests: how many those are.
        steady_tokens: the tokens of the steady window; None without one, or where what some requests show of their
            tokens can be told only once the pace of all is known.
    """

    counts: Counts
    facts: AnswerFacts
    pace: Pace
    in_flight_s: float
    latencies: Pooling
    steady_latencies: Pooling | None
    steady_requests: int
    steady_tokens: SteadyTokens | None


def trial_figures(trial: Trial) -> TrialFigures:
    """The figures of a trial, made at the first call and kept with its outcomes."""
    fillers, steady = trial.fillers, trial.steady
    key: Hashable = ("figures", id(fillers), trial.start_s, trial.stop_s, steady and (steady.start_s, steady.stop_s))
    # The fillers are kept with the figures, so that no others can have their identity meanwhile.
    return trial.outcomes.remembered(key, lambda: (_walked(trial), fillers))[0]


_NO_PACE = Pace(None, 0.0)


def _walked(trial: Trial) -> TrialFigures:
    counting, facts, pacing = Counting(), AnswerFacts(), Pacing()
    steady, start_s, stop_s = trial.steady, trial.start_s, trial.stop_s
    every, within = Pooling(gaps=steady is None), None if steady is None else Pooling()
    tokens = None if steady is None else SteadyTokens(steady)
    in_flight_s, sent = 0.0, 0
    for outcome in trial.outcomes:
        in_flight_s += max(0.0, min(outcome.finished_s, stop_s) - max(outcome.sent_s, start_s))
        counting.add(outcome)
        if not isinstance(outcome, Completion):
            continue
        facts.add(outcome)
        pacing.add(outcome)
        every.add(outcome)
        if steady is not None and within is not None and steady.start_s <= outcome.sent_s <= steady.stop_s:
            sent += 1
            within.add(outcome)
        if tokens is not None:
            if needs_pace(outcome):
                tokens = None
            else:
                tokens.add(outcome, _NO_PACE, {})
    for filler in trial.fillers:
        in_flight_s += max(0.0, min(filler.finished_s, stop_s) - max(filler.sent_s, start_s))
        if isinstance(filler, Completion):
            pacing.add(filler)
    pace = pacing.pace()
    if tokens is not None and len(trial.fillers):
        prompts = filler_prompts(trial)
        for filler in trial.fillers:
            if isinstance(filler, Completion):
                tokens.add(filler, pace, prompts)
    return TrialFigures(counting.counts(), facts, pace, in_flight_s, every, within, sent, tokens)
