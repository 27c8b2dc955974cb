"""Token counts of servers against all else that the client knows: its events, its limits, the same prompts again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_energy_benchmarks.domain.completions import Completion, exceeds
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding

# Contradictions that concern no more of the tokens, or of the requests, are let pass.
_SHARE = 0.01


def output_contradiction(trial: Trial) -> str | None:
    """Why the output tokens that answers report cannot be true; None if they can.

    Fewer tokens than events with a text are impossible, unless the events were found to be finer than tokens. More
    than the limit are believed only if the events agree.
    """
    wrong, tokens, answers, example = 0, 0, 0, ""
    for done in trial.completions:
        reported, events, limit = done.output_tokens, len(done.token_times_s), done.budget_tokens
        believed = max(reported, events)
        if done.token_source == "usage" and _fewer_than_events(done):
            answers, wrong = answers + 1, wrong + events - reported
            example = f"{reported:,} for {events:,} token events"
        elif limit is not None and exceeds(reported, limit) and exceeds(reported, events):
            answers, wrong, believed = answers + 1, wrong + reported - max(limit, events), max(limit, events)
            example = f"{reported:,} for a limit of {limit:,} and {events:,} token events"
        tokens += believed
    if wrong <= _SHARE * tokens:
        return None
    return (
        f"trial {trial.number}: {answers} of {len(trial.completions)} answers report output tokens that cannot be "
        f"true, such as {example}"
    )


def prompt_contradiction(trials: Sequence[Trial]) -> str | None:
    """Why the prompt tokens that answers report cannot be true; None if they can, or for engines in process.

    A part of a trial has no client and is not judged: requests that had begun before it have no prompt in it.
    """
    served = [trial for trial in trials if trial.client is not None and trial.completions]
    for trial in served:
        count = none = more = 0
        for done in trial.completions:
            count += 1
            none += not done.prompt_tokens
            more += exceeds(done.cached_prompt_tokens or 0, done.prompt_tokens)
        if none > _SHARE * count:
            return f"trial {trial.number}: {none} of {count} answers report 0 prompt tokens, which no prompt has"
        if more > _SHARE * count:
            return f"trial {trial.number}: {more} of {count} answers report more cached tokens than prompt tokens"
    # The same prompts, if all of them were answered.
    whole = [(trial.number, trial.prompt_tokens, len(trial.outcomes)) for trial in served if _all_answered(trial)]
    if not whole:
        return None
    most, least = max(whole, key=lambda each: each[1]), min(whole, key=lambda each: each[1])
    if most[1] - least[1] <= max(most[2], _SHARE * most[1]):
        return None
    return (
        f"the same prompts have {most[1]:,} tokens in trial {most[0]} and {least[1]:,} in trial {least[0]}: a server "
        "that leaves out what it found in a cache counts like that"
    )


def prompt_doubts(trials: Sequence[Trial]) -> tuple[Finding, ...]:
    """The contradiction of the prompts' tokens as a finding, if there is one."""
    doubt = prompt_contradiction(trials)
    return () if doubt is None else (Finding("FAIL", "prompt tokens", f"{doubt}; J per prompt token is withheld"),)


def count_findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Contradictions of prompts and thinking, limits that a server ignores, and events finer than tokens."""
    yield from prompt_doubts(trials)
    longer = finer = thinking = answers = 0
    example = ""
    for done in (done for trial in trials for done in trial.completions if done.token_source == "usage"):
        answers += 1
        thinking += (done.reasoning_tokens or 0) > done.output_tokens
        finer += _finer(done) and exceeds(len(done.token_times_s), done.output_tokens)
        if _ignores_limit(done):
            longer += 1
            example = f"{done.output_tokens:,} tokens for {done.budget_tokens:,}"
    if longer:
        message = f"{longer} of {answers} answers are longer than their limit: {example}; the server ignores it"
        yield Finding("FAIL", "output limit", message)
    if finer:
        message = f"{finer} of {answers} answers have more events than tokens: the server's events are finer"
        yield Finding("INFO", "token events", message)
    if thinking:
        message = f"{thinking} of {answers} answers report more thinking tokens than output tokens; none are used"
        yield Finding("WARN", "thinking tokens", message)


def _fewer_than_events(done: Completion) -> bool:
    return not _finer(done) and exceeds(len(done.token_times_s), done.output_tokens)


def _finer(done: Completion) -> bool:
    """Whether an answer's events were found to be finer than tokens: those of the first are then not known."""
    return done.first_event_tokens is None


def _ignores_limit(done: Completion) -> bool:
    limit = done.budget_tokens
    events = len(done.token_times_s)
    return limit is not None and exceeds(done.output_tokens, limit) and not exceeds(done.output_tokens, events)


def _all_answered(trial: Trial) -> bool:
    return trial.complete and len(trial.completions) == len(trial.outcomes)
