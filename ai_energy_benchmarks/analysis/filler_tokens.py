"""What filler requests brought, those that were cancelled too."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ai_energy_benchmarks.analysis.filler_prompts import filler_prompts
from ai_energy_benchmarks.analysis.pace import cancelled_tokens, is_cancelled
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.work import together

# A closed connection is noticed, and its request dropped, within a step or two of the engine.
_ABORT_S = 0.25


def filler_completions(trial: Trial) -> Iterator[Completion]:
    """The fillers with their tokens; prompts whose length is not known have that of the request they repeat."""
    ratio = trial_figures(trial).pace
    prompts = filler_prompts(trial)
    for each in trial.fillers:
        if isinstance(each, Completion) and each.finish_reason == "cancelled":
            prompt_tokens, cached_tokens = prompts.get(each.number, (0, 0))
            known = each.prompt_tokens > 0
            yield evolve(
                each,
                prompt_tokens=each.prompt_tokens if known else prompt_tokens,
                cached_prompt_tokens=each.cached_prompt_tokens if known else cached_tokens,
                output_tokens=round(cancelled_tokens(each, ratio)),
            )
        elif isinstance(each, Completion):
            yield each


def filler_tokens(trial: Trial) -> float:
    """Output tokens of all fillers of a trial."""
    of = trial_figures(trial).pace
    return add_up(
        cancelled_tokens(each, of) if each.finish_reason == "cancelled" else each.output_tokens
        for each in trial.fillers
        if isinstance(each, Completion)
    )


def whole_amounts(trial: Trial) -> dict[str, float]:
    """What was produced besides tokens in a trial, by unit; with its fillers, whose energy is in the window too."""
    done = (filler.amounts for filler in trial.fillers if isinstance(filler, Completion))
    return together((trial_figures(trial).counts.amounts, *done))


def filler_prompt_tokens(trial: Trial) -> int:
    """Prompt tokens of the fillers that had begun to answer."""
    return sum(each.prompt_tokens for each in filler_completions(trial) if len(each.token_times_s))


def unseen_tokens(trial: Trial) -> float:
    """How many tokens a server may have made for cancelled requests after the last one that was received."""
    return sum(map(is_cancelled, trial.fillers)) * _ABORT_S * trial_figures(trial).pace.tokens_per_s
