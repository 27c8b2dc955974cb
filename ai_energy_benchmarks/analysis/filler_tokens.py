"""What filler requests brought, those that were cancelled too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve

from ai_energy_benchmarks.analysis.pace import Pace
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.work import together

# A closed connection is noticed, and its request dropped, within a step or two of the engine.
_ABORT_S = 0.25


def is_cancelled(outcome: Outcome) -> bool:
    """Whether the request was a filler that was cancelled when its pass had ended."""
    return isinstance(outcome, Completion) and outcome.finish_reason == "cancelled"


def cancelled_tokens(filler: Completion, of: Pace) -> float:
    """Tokens of a cancelled request: as the server counted them, else its events times the ratio of finished ones.

    On a server that shows no events nothing is known of a cancelled request but its time.
    """
    if len(filler.event_tokens):
        return float(sum(filler.event_tokens))
    if of.tokens_per_event is None:
        return (filler.finished_s - filler.sent_s) * of.tokens_per_s
    return len(filler.token_times_s) * of.tokens_per_event


def filler_completions(trial: Trial) -> Iterator[Completion]:
    """The fillers with their tokens; prompts whose length is not known have that of the request they repeat."""
    if not trial.fillers:
        return
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


def filler_prompts(trial: Trial) -> dict[int, tuple[int, int]]:
    """Number of a filler → prompt tokens of the request that it repeats, and how many of them were cached."""
    length = len(trial.outcomes)
    repeated = {each.number: each.number % length for each in trial.fillers} if length else {}
    known = _by_number(trial.outcomes, set(repeated.values()))
    return {
        number: (done.prompt_tokens, done.cached_prompt_tokens or 0)
        for number, original in repeated.items()
        if isinstance(done := known.get(original), Completion)
    }


def _by_number(outcomes: Sequence[Outcome], wanted: set[int]) -> dict[int, Outcome]:
    """The outcomes of some numbers; in a pass that is whole each stands where its number says."""
    there = {number: outcomes[number] for number in wanted if number < len(outcomes)}
    if len(there) == len(wanted) and all(outcome.number == number for number, outcome in there.items()):
        return there
    return {outcome.number: outcome for outcome in outcomes if outcome.number in wanted}


def filler_tokens(trial: Trial) -> float:
    """Output tokens of all fillers of a trial."""
    if not trial.fillers:
        return 0
    of = trial_figures(trial).pace
    return sum(
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
    cancelled = sum(map(is_cancelled, trial.fillers))
    return cancelled * _ABORT_S * trial_figures(trial).pace.tokens_per_s if cancelled else 0.0
