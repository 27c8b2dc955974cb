"""What the outcomes of a pass add up to, in one walk however many requests there were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from ai_energy_benchmarks.domain.completions import Completion, Outcome, TokenSource

if TYPE_CHECKING:
    import polars


@frozen
class Counts:
    """Requests and tokens of one pass, or of several together.

    Attributes:
        prompt_tokens: of the requests that succeeded, cached ones included.
        cached_prompt_tokens: None unless a completion reports them; others then count as 0, since vLLM leaves the
            field out where nothing was found.
        reasoning_tokens: None unless every completion reports them.
        truncated: requests whose prompt was cut.
        retokenised: requests whose tokens were counted by re-tokenising their text.
        sources: where the counts come from.
        amounts: what was produced besides tokens, by unit.
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
    amounts: Mapping[str, float] = field(factory=dict)


def count(outcomes: Iterable[Outcome]) -> Counts:
    """Count the outcomes; failed requests bring no tokens."""
    counting = Counting()
    for outcome in outcomes:
        counting.add(outcome)
    return counting.counts()


def together(counts: Iterable[Counts]) -> Counts:
    """Several passes together."""
    known = tuple(counts)
    cached = [part.cached_prompt_tokens for part in known if part.cached_prompt_tokens is not None]
    thinking = [part.reasoning_tokens for part in known if part.succeeded]
    told = [tokens for tokens in thinking if tokens is not None]
    return Counts(
        succeeded=sum(part.succeeded for part in known),
        failed=sum(part.failed for part in known),
        prompt_tokens=sum(part.prompt_tokens for part in known),
        output_tokens=sum(part.output_tokens for part in known),
        cached_prompt_tokens=sum(cached) if cached else None,
        reasoning_tokens=sum(told) if told and len(told) == len(thinking) else None,
        truncated=sum(part.truncated for part in known),
        retokenised=sum(part.retokenised for part in known),
        sources=frozenset().union(*(part.sources for part in known)),
    )


@define
class Counting:
    """Counts as outcomes are added."""

    _succeeded: int = 0
    _failed: int = 0
    _prompt_tokens: int = 0
    _output_tokens: int = 0
    _cached_tokens: int | None = None
    _reasoning_tokens: int | None = 0
    _truncated: int = 0
    _retokenised: int = 0
    _sources: set[TokenSource] = field(factory=set)
    _amounts: dict[str, float] = field(factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Add one outcome."""
        if not isinstance(outcome, Completion):
            self._failed += 1
            return
        self._succeeded += 1
        self._prompt_tokens += outcome.prompt_tokens
        self._output_tokens += outcome.output_tokens
        self._truncated += outcome.truncated_prompt_tokens > 0
        self._sources.add(outcome.token_source)
        for name, amount in outcome.amounts.items():
            self._amounts[name] = self._amounts.get(name, 0.0) + amount
        self._retokenised += outcome.token_source == "retokenised"
        if outcome.cached_prompt_tokens is not None:
            self._cached_tokens = (self._cached_tokens or 0) + outcome.cached_prompt_tokens
        # Thinking is a part of the output; a server that reports more of it is not believed.
        thinking = outcome.reasoning_tokens
        if thinking is None or thinking > outcome.output_tokens:
            self._reasoning_tokens = None
        elif self._reasoning_tokens is not None:
            self._reasoning_tokens += thinking

    def add_table(self, table: polars.DataFrame) -> None:
        """Add each row of a table of ``domain/outcome_frames``."""
        from polars import col

        thinking, output = col("reasoning_tokens"), col("output_tokens")
        sums = table.select(
            succeeded=col("ok").sum(),
            prompt=col("prompt_tokens").sum(),
            output=output.sum(),
            truncated=(col("truncated_prompt_tokens") > 0).sum(),
            retokenised=(col("token_source") == "retokenised").sum(),
            told_cached=col("cached_prompt_tokens").count(),
            cached=col("cached_prompt_tokens").sum(),
            thought=thinking.filter(thinking <= output).count(),
            thinking=thinking.sum(),
        ).row(0, named=True)
        self._succeeded += sums["succeeded"]
        self._failed += len(table) - sums["succeeded"]
        self._prompt_tokens += sums["prompt"]
        self._output_tokens += sums["output"]
        self._truncated += sums["truncated"]
        self._retokenised += sums["retokenised"]
        self._sources.update(table["token_source"].drop_nulls().unique())
        if sums["told_cached"]:
            self._cached_tokens = (self._cached_tokens or 0) + sums["cached"]
        if sums["thought"] < sums["succeeded"]:
            self._reasoning_tokens = None
        elif self._reasoning_tokens is not None:
            self._reasoning_tokens += sums["thinking"]

    def counts(self) -> Counts:
        """What was added until now."""
        return Counts(
            succeeded=self._succeeded,
            failed=self._failed,
            prompt_tokens=self._prompt_tokens,
            output_tokens=self._output_tokens,
            cached_prompt_tokens=self._cached_tokens,
            reasoning_tokens=self._reasoning_tokens if self._succeeded else None,
            truncated=self._truncated,
            retokenised=self._retokenised,
            sources=frozenset(self._sources),
            amounts=dict(self._amounts),
        )
