"""What the outcomes of a pass add up to, in one walk per figure however many requests there were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from ai_energy_benchmarks.domain.completions import Completion, Outcome


@frozen
class Counts:
    """Requests and tokens of one pass, or of several together.

    Attributes:
        prompt_tokens: of the requests that succeeded, cached ones included.
        cached_prompt_tokens: None unless every completion tells.
        reasoning_tokens: None unless every completion tells.
        truncated: requests whose prompt was cut.
        retokenised: requests whose tokens were counted by re-tokenising their text.
    """

    succeeded: int
    failed: int
    prompt_tokens: int
    output_tokens: int
    cached_prompt_tokens: int | None
    reasoning_tokens: int | None
    truncated: int
    retokenised: int


def count(outcomes: Sequence[Outcome]) -> Counts:
    """Count the outcomes; failed requests bring no tokens."""
    done = [each for each in outcomes if isinstance(each, Completion)]
    return Counts(
        succeeded=len(done),
        failed=len(outcomes) - len(done),
        prompt_tokens=sum(each.prompt_tokens for each in done),
        output_tokens=sum(each.output_tokens for each in done),
        cached_prompt_tokens=_sum_if_all_tell(each.cached_prompt_tokens for each in done),
        reasoning_tokens=_sum_if_all_tell(each.reasoning_tokens for each in done),
        truncated=sum(each.truncated_prompt_tokens > 0 for each in done),
        retokenised=sum(each.token_source == "retokenised" for each in done),
    )


def _sum_if_all_tell(values: Iterable[int | None]) -> int | None:
    told = list(values)
    known = [each for each in told if each is not None]
    return sum(known) if known and len(known) == len(told) else None
