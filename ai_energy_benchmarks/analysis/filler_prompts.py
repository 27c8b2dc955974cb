"""The prompts of filler requests, which repeat those of their pass."""

from __future__ import annotations

from collections.abc import Sequence

from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.result import Trial


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
    there = {number: outcomes[number] for number in wanted}
    if all(outcome.number == number for number, outcome in there.items()):
        return there
    return {outcome.number: outcome for outcome in outcomes if outcome.number in wanted}
