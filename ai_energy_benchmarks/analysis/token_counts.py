"""Token counts of servers against all else that the client knows: its events, its limits, the same prompts again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding

# Contradictions that concern no more of the tokens, or of the requests, are let pass.
_SHARE = 0.01


def output_contradiction(trial: Trial) -> str | None:
    """Why the output tokens that answers report cannot be true; None if they can.

    Fewer tokens than events with a text are impossible, unless the events were found to be finer than tokens. More
    than the limit are believed only if the events agree.
    """
    facts = trial_figures(trial).facts
    if facts.impossible_tokens <= _SHARE * facts.believed_tokens:
        return None
    return (
        f"trial {trial.number}: {facts.impossible} of {facts.answers} answers report output tokens that cannot be "
        f"true, such as {facts.impossible_example}"
    )


def prompt_contradiction(trials: Sequence[Trial]) -> str | None:
    """Why the prompt tokens that answers report cannot be true; None if they can, or for engines in process.

    A part of a trial has no client and is not judged: requests that had begun before it have no prompt in it.
    """
    served = [trial for trial in trials if trial.client is not None and trial_figures(trial).facts.answers]
    for trial in served:
        facts = trial_figures(trial).facts
        count, none, more = facts.answers, facts.promptless, facts.overcached
        if none > _SHARE * count:
            return f"trial {trial.number}: {none} of {count} answers report 0 prompt tokens, which no prompt has"
        if more > _SHARE * count:
            return f"trial {trial.number}: {more} of {count} answers report more cached tokens than prompt tokens"
    # The same prompts, if all of them were answered.
    whole = [
        (trial.number, trial_figures(trial).counts.prompt_tokens, len(trial.outcomes))
        for trial in served
        if _all_answered(trial)
    ]
    if not whole:
        return None
    most, least = max(whole, key=lambda each: each[1]), min(whole, key=lambda each: each[1])
    if most[1] - least[1] <= max(most[2], _SHARE * most[1]):
        return None
    return (
        f"the same prompts have {most[1]:,} tokens in trial {most[0]} and {least[1]:,} in trial {least[0]}: a server "
        "that does not count what it found in a cache reports such numbers"
    )


def prompt_doubts(trials: Sequence[Trial]) -> tuple[Finding, ...]:
    """The contradiction of the prompts' tokens as a finding, if there is one."""
    doubt = prompt_contradiction(trials)
    return () if doubt is None else (Finding("FAIL", "prompt tokens", f"{doubt}; J per prompt token is withheld"),)


def count_findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Contradictions of prompts and thinking, limits that a server ignores, and events finer than tokens."""
    yield from prompt_doubts(trials)
    facts = [trial_figures(trial).facts for trial in trials]
    answers, longer = sum(each.usage_answers for each in facts), sum(each.longer for each in facts)
    finer, thinking = sum(each.finer for each in facts), sum(each.overthought for each in facts)
    example = next((each.longer_example for each in reversed(facts) if each.longer), "")
    if longer:
        message = f"{longer} of {answers} answers are longer than their limit: {example}; the server ignores it"
        yield Finding("FAIL", "output limit", message)
    if finer:
        message = f"{finer} of {answers} answers have more events than tokens: the server's events are finer"
        yield Finding("INFO", "token events", message)
    if thinking:
        message = f"{thinking} of {answers} answers report more thinking tokens than output tokens; none are used"
        yield Finding("WARN", "thinking tokens", message)


def _all_answered(trial: Trial) -> bool:
    return trial.complete and not trial.outcomes.failed
