"""What the outcomes of a pass add up to, in one walk however many requests there were."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, frozen

from ai_energy_benchmarks.domain.completions import Completion, Outcome, TokenSource


@frozen
class Counts:
    """Requests and tokens of one pass, or of several together.

    Attributes:
        prompt_tokens: of the requests that succeeded, cached ones included.
        cached_prompt_tokens: None unless a completion tells; those that do not then count as 0, since vLLM leaves the
            field out where nothing was found.
        reasoning_tokens: None unless every completion tells.
        truncated: requests whose prompt was cut.
        retokenised: requests whose tokens were counted by re-tokenising their text.
        sources: where the counts come from.
    """

    succeeded: int
    failed: int
    prompt_tokens: int
    output_tokens: int
    cached_prompt_tokens: int | None
    reasoning_tokens: int | None
    truncated: int
    retokenised: int
    sources: frozenset[TokenSource] = frozenset()


def count(outcomes: Iterable[Outcome]) -> Counts:
    """Count the outcomes; failed requests bring no tokens."""
    succeeded = failed = prompt_tokens = output_tokens = truncated = retokenised = 0
    cached: int | None = None
    reasoning = _Told()
    sources: set[TokenSource] = set()
    for each in outcomes:
        if not isinstance(each, Completion):
            failed += 1
            continue
        succeeded += 1
        prompt_tokens += each.prompt_tokens
        output_tokens += each.output_tokens
        sources.add(each.token_source)
        truncated += each.truncated_prompt_tokens > 0
        retokenised += each.token_source == "retokenised"
        if each.cached_prompt_tokens is not None:
            cached = (cached or 0) + each.cached_prompt_tokens
        # Thinking is a part of the output; a server that reports more of it is not believed.
        known = each.reasoning_tokens is not None and each.reasoning_tokens <= each.output_tokens
        reasoning.add(each.reasoning_tokens if known else None)
    return Counts(
        succeeded=succeeded,
        failed=failed,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        cached_prompt_tokens=cached,
        reasoning_tokens=reasoning.sum if succeeded else None,
        truncated=truncated,
        retokenised=retokenised,
        sources=frozenset(sources),
    )


@define
class _Told:
    """A sum that is known only if every completion tells its part."""

    sum: int | None = 0

    def add(self, part: int | None) -> None:
        self.sum = None if part is None or self.sum is None else self.sum + part
