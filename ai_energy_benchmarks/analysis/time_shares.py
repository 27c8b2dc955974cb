"""How the time of a pass divides: outside of requests, before the first token, thinking, answering.

Energy follows time only as far as power is even; a split by these shares is a convention and is called one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

from attrs import frozen

from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Trial


@frozen
class TimeShares:
    """Parts of the windows' time; ``outside``, ``prefill`` and ``decode`` add up to 1.

    Attributes:
        outside: no request was on its way.
        prefill: from sending a request to its first token, which is with it.
        decode: from the first token to the last; requests that ran side by side share their time equally.
        thinking: the part of ``decode`` up to the token that closed the thinking; None if it cannot be told.
    """

    outside: float
    prefill: float
    decode: float
    thinking: float | None = None

    @property
    def answer(self) -> float | None:
        return None if self.thinking is None else self.decode - self.thinking


def time_shares(trials: Sequence[Trial]) -> TimeShares | None:
    """The shares over all trials together; None where no request showed its first token."""
    whole_s = sum(each.duration_s for each in trials)
    seen = requests_s = prefill_s = thinking_s = 0.0
    told = True
    for each in (each for trial in trials for each in trial.completions if len(each.token_times_s)):
        seen += 1
        requests_s += each.e2e_s
        prefill_s += each.token_times_s[0] - each.sent_s
        told = told and each.reasoning_tokens is not None
        thinking_s += _thinking_s(each)
    if not seen or whole_s <= 0 or requests_s <= 0:
        return None
    busy = min(1.0, sum(_covered_s(each.completions) for each in trials) / whole_s)
    prefill = busy * prefill_s / requests_s
    thinking = busy * thinking_s / requests_s if told else None
    return TimeShares(outside=1.0 - busy, prefill=prefill, decode=busy - prefill, thinking=thinking)


def _thinking_s(completion: Completion) -> float:
    """Seconds from the first token to the one that closed the thinking."""
    times_s, count = completion.token_times_s, completion.reasoning_tokens or 0
    return times_s[min(count, len(times_s)) - 1] - times_s[0] if count else 0.0


def _covered_s(completions: Iterable[Completion]) -> float:
    """Seconds during which at least one request was on its way."""
    starts_s, stops_s = array("d"), array("d")
    for each in completions:
        starts_s.append(each.sent_s)
        stops_s.append(each.sent_s + each.e2e_s)
    total_s, until_s = 0.0, float("-inf")
    for position in sorted(range(len(starts_s)), key=starts_s.__getitem__):
        total_s += max(0.0, stops_s[position] - max(starts_s[position], until_s))
        until_s = max(until_s, stops_s[position])
    return total_s
