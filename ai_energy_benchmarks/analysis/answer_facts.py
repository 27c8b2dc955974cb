"""What the answers of one pass report about themselves, in whole numbers: for the checks, in the one walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from ai_energy_benchmarks.domain.blocks import Blocks
from ai_energy_benchmarks.domain.completions import Completion, exceeds
from ai_energy_benchmarks.domain.outcome_frames import total
from ai_energy_benchmarks.domain.outcomes import MANY_REQUESTS

if TYPE_CHECKING:
    import polars

# Below it, what is computed of two counts fits in 64 bits, and so does its sum over a part of a pass.
_SMALL_TOKENS = 2**22


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
        short_lengths: those that ended at a limit before theirs.
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
    short_lengths: int = 0
    empty: int = 0
    unknown_ends: int = 0
    told_cached: bool = False
    cached_tokens: int = 0
    smallest_cached_tokens: int = 0
    context_twice_tokens: int = 0
    _hashes: Blocks = field(factory=lambda: Blocks("Q"))
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
            self.short_lengths += done.finish_reason == "length" and exceeds(done.budget_tokens or 0, output)

    def _add_output(self, done: Completion, output: int, events: int) -> None:
        """Fewer tokens than events, unless these were found to be finer than tokens, or than thinking tokens, which are
        a part of them, and more than the limit.

        More than the limit are believed only if the events agree.
        """
        thinking = done.reasoning_tokens or 0
        usage, limit, believed = done.token_source == "usage", done.budget_tokens, max(output, events)
        fewer = exceeds(events, output)
        if usage and fewer and done.first_event_tokens is not None:
            self.impossible += 1
            self.impossible_tokens += events - output
            self.impossible_example = f"{output:,} for {events:,} token events"
        elif usage and exceeds(thinking, output):
            self.impossible += 1
            self.impossible_tokens += thinking - output
            believed = max(believed, thinking)
            self.impossible_example = f"{output:,} for {thinking:,} thinking tokens among them"
        elif limit is not None and exceeds(output, max(limit, events)):
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

    def add_table(self, table: polars.DataFrame) -> None:
        """Add each completion of a table with times."""
        from polars import Int64, UInt64, col, when

        output, prompt, cached = col("output_tokens"), col("prompt_tokens"), col("cached_prompt_tokens")
        by_ids, cancelled = col("token_source") == "token_ids", col("finish_reason") == "cancelled"
        ended = output <= (col("finish_reason") == "stop").cast(Int64)
        usage = col("token_source") == "usage"
        sums = table.select(
            empty=(~cancelled & when(by_ids).then(ended).otherwise(col("events") == 0)).sum(),
            unknown_ends=((col("finish_reason") == "unknown") & (output < col("budget_tokens"))).sum(),
            promptless=(prompt == 0).sum(),
            told_cached=cached.count(),
            cached=cached.sum(),
            smallest=cached.filter(cached > 0).min(),
            overcached=_exceeds(cached, prompt).sum(),
            usage=usage.sum(),
            overthought=(usage & (col("reasoning_tokens") > output)).sum(),
            short=(usage & (col("finish_reason") == "length") & _exceeds(col("budget_tokens"), output)).sum(),
        ).row(0, named=True)
        self.answers += len(table)
        self.empty += sums["empty"]
        self.unknown_ends += sums["unknown_ends"]
        self.promptless += sums["promptless"]
        self.context_twice_tokens += _context_twice_tokens(table)
        self.told_cached = self.told_cached or sums["told_cached"] > 0
        self.cached_tokens += sums["cached"]
        if (smallest := sums["smallest"]) is not None:
            self.smallest_cached_tokens = min(self.smallest_cached_tokens or smallest, smallest)
        self.overcached += sums["overcached"]
        self.usage_answers += sums["usage"]
        self.overthought += sums["overthought"]
        self.short_lengths += sums["short"]
        begins = col("rendered_sha256").str.slice(0, 16).str.decode("hex")
        self._hashes.extend_column(
            table.select(begins.bin.reinterpret(dtype=UInt64, endianness="big").drop_nulls()).to_series()
        )
        self._add_outputs(table)

    def _add_outputs(self, table: polars.DataFrame) -> None:
        """As ``_add_output`` does for each."""
        from polars import col, max_horizontal, when

        output, limit, events = col("output_tokens"), col("budget_tokens"), col("events")
        usage, finer = col("token_source") == "usage", col("first_event_tokens").is_null()
        fewer = usage & _exceeds(events, output)
        over = (_exceeds(output, limit) & _exceeds(output, events)).fill_null(False)
        thinking = col("reasoning_tokens").fill_null(0)
        part = usage & _exceeds(thinking, output)
        longer = (usage & _exceeds(output, limit) & ~_exceeds(output, events)).fill_null(False)
        judged = table.select(
            output,
            limit,
            events,
            thinking=thinking,
            longer=longer,
            finer=fewer & finer,
            fewer=fewer & ~finer,
            part=part,
            over=over,
        )
        judged = judged.with_columns(part=col("part") & ~col("fewer"))
        judged = judged.with_columns(over=col("over") & ~col("fewer") & ~col("part"))
        most = when(col("fewer")).then(events).when(col("part")).then(col("thinking"))
        judged = judged.with_columns(most=most.when(col("over")).then(max_horizontal(limit, events)))
        self.believed_tokens += judged.select(
            when(col("over"))
            .then(col("most"))
            .when(col("part"))
            .then(max_horizontal(output, events, "thinking"))
            .otherwise(max_horizontal(output, events))
            .sum()
        ).item()
        self.finer += total(judged["finer"])
        self.longer += total(judged["longer"])
        for row in judged.filter("longer").tail(1).iter_rows(named=True):
            self.longer_example = f"{row['output_tokens']:,} tokens for {row['budget_tokens']:,}"
        impossible = judged.filter(col("fewer") | col("part") | col("over"))
        self.impossible += len(impossible)
        self.impossible_tokens += impossible.select((output - col("most")).abs().sum()).item()
        for row in impossible.tail(1).iter_rows(named=True):
            seen = f"{row['events']:,} token events"
            if row["part"]:
                seen = f"{row['thinking']:,} thinking tokens among them"
            elif row["over"]:
                seen = f"a limit of {row['budget_tokens']:,} and {seen}"
            self.impossible_example = f"{row['output_tokens']:,} for {seen}"

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
        return self._hashes.series().n_unique()


def _exceeds(count: polars.Expr, other: polars.Expr) -> polars.Expr:
    """``exceeds`` for each row."""
    from polars import max_horizontal

    return count - other > max_horizontal(1.0, 0.01 * other)


def _context_twice_tokens(table: polars.DataFrame) -> int:
    import polars

    columns = table.select("output_tokens", "prompt_tokens")
    if columns.filter(polars.any_horizontal(polars.all() >= _SMALL_TOKENS)).is_empty():
        output, prompt = columns
        return total(output * (2 * prompt + output))
    return sum(made * (2 * asked + made) for made, asked in columns.iter_rows())
