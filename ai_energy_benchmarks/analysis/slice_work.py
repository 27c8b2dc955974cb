"""What requests bring into the slices of a steady window, request by request."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import define, field

from ai_energy_benchmarks.analysis.event_times import tokens_by, tokens_until
from ai_energy_benchmarks.analysis.pace import Pace, is_cancelled, shows_events
from ai_energy_benchmarks.analysis.steady_tokens import Prompts
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.outcome_frames import added, total

if TYPE_CHECKING:
    import polars


@define
class SliceWork:
    """Sums over requests for each slice, as requests are added.

    Attributes:
        edges_s: where the slices begin and end, one after the other.
        tokens: output tokens by the times of their events.
        context: tokens before each of these, all together.
        computed: prompt tokens, less cached ones, of requests whose first token came within the slice.
        unknown: whether some answer in the window shows no events, so that the sums are none.
    """

    edges_s: Sequence[float]
    tokens: list[float] = field(init=False)
    context: list[float] = field(init=False)
    computed: list[float] = field(init=False)
    unknown: bool = False

    def __attrs_post_init__(self) -> None:
        slices = len(self.edges_s) - 1
        self.tokens, self.context, self.computed = [0.0] * slices, [0.0] * slices, [0.0] * slices

    def add(self, done: Completion, of: Pace, prompts: Prompts) -> None:
        """Add one request; the arguments are those of ``SteadyTokens.add``."""
        edges_s, times_s = self.edges_s, done.token_times_s
        if self.unknown or done.finished_s <= edges_s[0] or done.sent_s >= edges_s[-1]:
            return
        if not shows_events(done) and not (is_cancelled(done) and of.tokens_per_event is not None):
            self.unknown = True
            return
        known = (done.prompt_tokens, done.cached_prompt_tokens or 0)
        prompt_tokens, cached_tokens = known if done.prompt_tokens else prompts.get(done.number, known)
        for number, begin, end in _parts(done, of, edges_s):
            self.tokens[number] += end - begin
            self.context[number] += (end - begin) * (prompt_tokens + (begin + end) / 2)
        if len(times_s) and edges_s[0] < times_s[0] <= edges_s[-1]:
            self.computed[bisect_left(edges_s, times_s[0]) - 1] += prompt_tokens - cached_tokens

    def add_table(self, table: polars.DataFrame) -> None:
        """Add each completion of a table with times, of which none needs a pace."""
        from polars import col

        for number, (start_s, stop_s) in enumerate(pairwise(self.edges_s)):
            part = table.filter((col("finished_s") > start_s) & (col("sent_s") < stop_s))
            begin, end = tokens_by(part, start_s), tokens_by(part, stop_s)
            made = end - begin
            self.tokens[number] = added(self.tokens[number], made)
            context = made * (part["prompt_tokens"] + (begin + end) / 2)
            self.context[number] = added(self.context[number], context)
            begun = part.filter((col("first_s") > start_s) & (col("first_s") <= stop_s))
            self.computed[number] += total(begun["prompt_tokens"] - begun["cached_prompt_tokens"].fill_null(0))


def _parts(done: Completion, of: Pace, edges_s: Sequence[float]) -> Iterator[tuple[int, float, float]]:
    """The slices that a request lies in, with the tokens that it had at the begin and at the end of each."""
    first = max(0, bisect_right(edges_s, done.sent_s) - 1)
    last = min(len(edges_s) - 1, bisect_left(edges_s, done.finished_s))
    had = [tokens_until(done, of, edges_s[number]) for number in range(first, last + 1)]
    for number, (begin, end) in enumerate(pairwise(had), first):
        yield number, begin, end
