"""The steady window of a trial: when it opens and closes, and how many tokens were seen in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from ai_energy_benchmarks.analysis.filler_prompts import filler_prompts
from ai_energy_benchmarks.analysis.steady_slices import pass_mix
from ai_energy_benchmarks.analysis.steady_tokens import SteadyTokens
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.outcomes import as_outcomes
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyTrial
from ai_energy_benchmarks.domain.sums import add_up


def steady_span(outcomes: Sequence[Outcome], concurrency: int) -> tuple[float, float] | str:
    """When the steady window of a pass opens and closes, in seconds on the monotonic clock.

    It opens once ``concurrency`` requests are in flight and each of the first ``concurrency`` has its first token or
    has ended. It closes when the last request of the pass has ended.

    Args:
        outcomes: those of the pass itself, without fillers.

    Returns:
        Why there is no such window, if there is none.
    """
    if len(outcomes) < concurrency:
        return (
            f"the pass has {len(outcomes)} requests, fewer than the {concurrency} of load.concurrency, so that many "
            "were never in flight; set scenario.num_samples to at least ten times load.concurrency"
        )
    known = as_outcomes(outcomes)
    opens_s, closes_s = max(known.first_begun_s(concurrency)), known.last_finished_s()
    if closes_s <= opens_s:
        return (
            "when each of the first requests had its first token, the last one of the pass had ended; set "
            "scenario.num_samples to at least ten times load.concurrency"
        )
    return opens_s, closes_s


def in_flight_mean(trial: Trial, part: Trial | None = None) -> float:
    """Mean number of requests in flight over the whole window, or over that of a part of it; fillers included."""
    window = part or trial
    if window.duration_s <= 0:
        return 0.0
    if part is None:
        return trial_figures(trial).in_flight_s / window.duration_s
    start_s, stop_s = window.start_s, window.stop_s
    every = chain(trial.outcomes, trial.fillers)
    in_window_s = (min(each.finished_s, stop_s) - max(each.sent_s, start_s) for each in every)
    return add_up(max(0.0, seconds) for seconds in in_window_s) / window.duration_s


def steady_trial(trial: Trial, window: SteadyWindow) -> SteadyTrial:
    """Count the tokens of the window, and of its halves, by the times at which they were seen."""
    steady, tokens = pass_mix(trial), trial_figures(trial).steady_tokens
    if tokens is None or tokens.window != window:
        tokens = SteadyTokens(window)
        of, prompts = trial_figures(trial).pace, filler_prompts(trial)
        for each in _completions(trial):
            tokens.add(each, of, prompts)
    return SteadyTrial(
        number=trial.number,
        duration_s=window.duration_s,
        bounds_tokens=tokens.tokens,
        half_output_tokens=tokens.half_tokens,
        computed_prompt_tokens=tokens.computed_prompt_tokens,
        context_tokens=tokens.context_tokens,
        pass_context_tokens=steady.context_tokens if steady else None,
    )


def _completions(trial: Trial) -> Iterator[Completion]:
    return (each for each in chain(trial.outcomes, trial.fillers) if isinstance(each, Completion))


def in_window(outcome: Outcome, window: SteadyWindow) -> bool:
    """Whether a request was sent within the window."""
    return window.start_s <= outcome.sent_s <= window.stop_s
