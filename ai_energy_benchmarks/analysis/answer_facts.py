"""What the answers of one pass report about themselves, in whole numbers: for the checks, in the one walk."""

from __future__ import annotations

from array import array

from attrs import define, field

from ai_energy_benchmarks.domain.completions import Completion, exceeds
from ai_energy_benchmarks.domain.outcomes import MANY_REQUESTS


@define
class AnswerFacts:
    """Counts over the completions of a pass, without its fillers.

    Attributes:
        answers: how many there are.
        impossible: answers whose output tokens cannot be true; ``impossible_tokens`` of them, ``impossible_example``.
        believed_tokens: output tokens as far as they are believed.
        promptless: answers that report no prompt tokens.
        overcached: answers that report more cached tokens than prompt tokens.
        usage_answers: answers whose tokens the server counted; of these:
        longer, longer_example: those longer than their limit.
        finer: those with more events than tokens.
        overthought: those with more thinking tokens than output tokens.
        empty: answers without any text.
        unknown_ends: answers shorter than their limit whose end is not known.
        told_cached: whether any answer says what came from a cache.
        cached_tokens, smallest_cached_tokens: prompt tokens from a cache, and the least of one answer that had any.
        context_twice_tokens: twice the tokens before each output token, all together.
    """

    answers: int = 0
    impossible: int = 0
    impossible_tokens: int = 0
    impossible_example: str = ""
    believed_tokens: int = 0
    promptless: int = 0
    overcached: int = 0
    usage_answers: int = 0
    longer: int = 0
    longer_example: str = ""
    finer: int = 0
    overthought: int = 0
    empty: int = 0
    unknown_ends: int = 0
    told_cached: bool = False
    cached_tokens: int = 0
    smallest_cached_tokens: int = 0
    context_twice_tokens: int = 0
    _hashes: array[int] = field(factory=lambda: array("Q"))
    _repeated: int | None = None

    def add(self, done: Completion) -> None:
        """Add one completion."""
        output, prompt, events = done.output_tokens, done.prompt_tokens, len(done.token_times_s)
        self.answers += 1
        self.empty += done.empty
        if done.finish_reason == "unknown":
            self.unknown_ends += done.budget_tokens is not None and output < done.budget_tokens
        self.promptless += not prompt and not done.amounts
        self.context_twice_tokens += output * (2 * prompt + output)
        if (cached := done.cached_prompt_tokens) is not None:
            self.told_cached = True
            if cached:
                self.cached_tokens += cached
                self.smallest_cached_tokens = min(self.smallest_cached_tokens or cached, cached)
                self.overcached += exceeds(cached, prompt)
        if done.rendered_sha256:
            self._hashes.append(int(done.rendered_sha256[:16], 16))
        self._add_output(done, output, events)
        if done.token_source == "usage":
            self.usage_answers += 1
            self.overthought += (done.reasoning_tokens or 0) > output

    def _add_output(self, done: Completion, output: int, events: int) -> None:
        """Fewer tokens than events, unless these were found to be finer than tokens, and more than the limit.

        More than the limit are believed only if the events agree.
        """
        usage, limit, believed = done.token_source == "usage", done.budget_tokens, max(output, events)
        fewer = events > output and exceeds(events, output)
        over = limit is not None and output > limit and exceeds(output, limit) and exceeds(output, events)
        if usage and fewer and done.first_event_tokens is not None:
            self.impossible += 1
            self.impossible_tokens += events - output
            self.impossible_example = f"{output:,} for {events:,} token events"
        elif limit is not None and over:
            self.impossible += 1
            self.impossible_tokens += output - max(limit, events)
            believed = max(limit, events)
            self.impossible_example = f"{output:,} for a limit of {limit:,} and {events:,} token events"
        self.believed_tokens += believed
        if usage and fewer and done.first_event_tokens is None:
            self.finer += 1
        if usage and limit is not None and exceeds(output, limit) and not exceeds(output, events):
            self.longer += 1
            self.longer_example = f"{output:,} tokens for {limit:,}"

    @property
    def repeated_prompts(self) -> int:
        """How many prompts had been sent before in the pass.

        By the first 64 bits of their hashes: of a million prompts no two share those by chance (one in 30 million).
        """
        if self._repeated is None:
            self._repeated = len(self._hashes) - self._different()
        return self._repeated

    def _different(self) -> int:
        if len(self._hashes) < MANY_REQUESTS:
            return len(set(self._hashes))
        import polars

        return polars.Series(self._hashes, dtype=polars.UInt64).n_unique()
