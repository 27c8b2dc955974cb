"""What filler requests brought, those that were cancelled too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from attrs import evolve, frozen

from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.result import Trial

# An answer of two tokens may be one event: the second can be the end.
_ENDING_TOKENS = 2
# A closed connection is noticed, and its request dropped, within a step or two of the engine.
_ABORT_S = 0.25


@frozen
class Pace:
    """How tokens and events of the finished requests relate.

    Attributes:
        tokens_per_event: None if no finished request showed token events.
        tokens_per_s: output tokens over the time from sending to the end, of one request.
        first_event_s, event_gap_s: mean time from sending to the first token event, and between two of them.
    """

    tokens_per_event: float | None
    tokens_per_s: float
    first_event_s: float = 0.0
    event_gap_s: float = 0.0


def shows_events(done: Completion) -> bool:
    """Whether the times of its tokens are known: an answer that comes in one piece shows only its end."""
    return len(done.token_times_s) > 1 or (len(done.token_times_s) == 1 and done.output_tokens <= _ENDING_TOKENS)


def is_cancelled(outcome: Outcome) -> bool:
    """Whether the request was a filler that was cancelled when its pass had ended."""
    return isinstance(outcome, Completion) and outcome.finish_reason == "cancelled"


def pace(outcomes: Iterable[Outcome]) -> Pace:
    """The ratio of tokens to events over all finished requests."""
    tokens = events = 0
    all_tokens, seconds = 0, 0.0
    requests, first_s, gaps, gaps_s = 0, 0.0, 0, 0.0
    for each in outcomes:
        if not isinstance(each, Completion) or each.finish_reason == "cancelled":
            continue
        all_tokens += each.output_tokens
        seconds += each.finished_s - each.sent_s
        if shows_events(each):
            tokens += each.output_tokens
            events += len(each.token_times_s)
            requests, first_s = requests + 1, first_s + each.token_times_s[0] - each.sent_s
            gaps, gaps_s = gaps + len(each.token_times_s) - 1, gaps_s + each.token_times_s[-1] - each.token_times_s[0]
    return Pace(
        tokens_per_event=tokens / events if events else None,
        tokens_per_s=all_tokens / seconds if seconds > 0 else 0.0,
        first_event_s=first_s / requests if requests else 0.0,
        event_gap_s=gaps_s / gaps if gaps else 0.0,
    )


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
    ratio = pace(chain(trial.outcomes, trial.fillers))
    prompts = repeated_prompts(trial)
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


def repeated_prompts(trial: Trial) -> dict[int, tuple[int, int]]:
    """Number of a filler → prompt tokens of the request that it repeats, and how many of them were cached."""
    length = len(trial.outcomes)
    numbers = [each.number for each in trial.fillers]
    wanted = {number % length for number in numbers} if length else set()
    known: dict[int, tuple[int, int]] = {}
    for each in trial.outcomes if wanted else ():
        if each.number in wanted and isinstance(each, Completion):
            known[each.number] = each.prompt_tokens, each.cached_prompt_tokens or 0
    return {number: known[number % length] for number in numbers if length and number % length in known}


def filler_tokens(trial: Trial) -> float:
    """Output tokens of all fillers of a trial."""
    if not trial.fillers:
        return 0
    of = pace(chain(trial.outcomes, trial.fillers))
    return sum(
        cancelled_tokens(each, of) if each.finish_reason == "cancelled" else each.output_tokens
        for each in trial.fillers
        if isinstance(each, Completion)
    )


def filler_prompt_tokens(trial: Trial) -> int:
    """Prompt tokens of the fillers that had begun to answer."""
    return sum(each.prompt_tokens for each in filler_completions(trial) if len(each.token_times_s))


def unseen_tokens(trial: Trial) -> float:
    """How many tokens a server may have made for cancelled requests after the last one that was received."""
    cancelled = sum(map(is_cancelled, trial.fillers))
    return cancelled * _ABORT_S * pace(chain(trial.outcomes, trial.fillers)).tokens_per_s if cancelled else 0.0
