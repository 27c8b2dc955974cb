"""The tokens of a steady window and of its halves, request by request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define, field

from ai_energy_benchmarks.analysis.event_times import MANY, tokens_by, tokens_until
from ai_energy_benchmarks.analysis.pace import Pace, cancelled_tokens, is_cancelled, shows_events, that_show_events
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.outcome_frames import added, total
from ai_energy_benchmarks.domain.steady import SteadyWindow

if TYPE_CHECKING:
    import polars

# Number of a filler → prompt tokens of the request that it repeats, and how many of them were cached.
Prompts = Mapping[int, tuple[int, int]]
_UNKNOWN_PROMPT = (0, 0)


def needs_pace(done: Completion) -> bool:
    """Whether its tokens follow from its own events only together with the pace of other requests."""
    if is_cancelled(done) or not shows_events(done):
        return True
    return len(done.event_tokens) > 0 or done.output_tokens >= MANY * len(done.token_times_s)


def some_need_pace(table: polars.DataFrame) -> bool:
    """Whether ``needs_pace`` is true of any row of a table with times."""
    from polars import col

    untold = (col("finish_reason") == "cancelled") | ~that_show_events() | (col("event_tokens").list.len() > 0)
    return bool(table.select((untold | (col("output_tokens") >= MANY * col("events"))).any()).item())


@define
class Interval:
    """Tokens between two times, as requests are added.

    A request without token events spreads its tokens evenly from its sending to its end. All of its tokens may truly
    lie on either side of an edge within that time, so that is how far the bounds go.
    """

    start_s: float
    stop_s: float
    _best: float = field(default=0.0, init=False)
    _low: float = field(default=0.0, init=False)
    _high: float = field(default=0.0, init=False)

    @property
    def tokens(self) -> Bounds:
        return Bounds(self._low, self._best, self._high)

    def add(self, begin: float, end: float) -> None:
        """Add a request that had so many tokens at the begin and at the end of the interval."""
        self._add(end - begin, end - begin, end - begin)

    def add_table(self, table: polars.DataFrame, begin: str, end: str) -> None:
        """Add each row of a table whose columns of these names are its tokens at the begin and at the end."""
        made = table[end] - table[begin]
        sums = {start: added(start, made) for start in {self._low, self._best, self._high}}  # mostly one
        self._low, self._best, self._high = sums[self._low], sums[self._best], sums[self._high]

    def spread(self, done: Completion, of: Pace) -> None:
        """Add a request whose token events tell nothing."""
        if not self._misses(done):
            self._add(*self._spread(done, of, is_cancelled(done)))

    def _misses(self, done: Completion) -> bool:
        return done.finished_s <= self.start_s or done.sent_s >= self.stop_s

    def _add(self, low: float, inside: float, high: float) -> None:
        self._low, self._best, self._high = self._low + low, self._best + inside, self._high + high

    def _spread(self, done: Completion, of: Pace, cancelled: bool) -> tuple[float, float, float]:
        whole = cancelled_tokens(done, of) if cancelled else float(done.output_tokens)
        # How many a cancelled one had is itself only the mean pace: twice as many may be true.
        most = 2 * whole if cancelled else whole
        begin_s, end_s = max(done.sent_s, self.start_s), min(done.finished_s, self.stop_s)
        seconds = done.finished_s - done.sent_s
        inside = whole * (end_s - begin_s) / seconds if seconds > 0 else whole
        if not cancelled and self.start_s <= done.sent_s and done.finished_s <= self.stop_s:
            return inside, inside, inside
        return 0.0, inside, most


@define
class Context:
    """Mean number of tokens before each output token of the window; None where some answers show no events."""

    unknown: bool = False
    _tokens: float = 0.0
    _context: float = 0.0

    def add(self, prompt_tokens: int, begin: float, end: float) -> None:
        self._tokens += end - begin
        self._context += (end - begin) * (prompt_tokens + (begin + end) / 2)

    def add_table(self, prompt_tokens: polars.Series, begin: polars.Series, end: polars.Series) -> None:
        made = end - begin
        self._tokens = added(self._tokens, made)
        self._context = added(self._context, made * (prompt_tokens + (begin + end) / 2))

    @property
    def mean(self) -> float | None:
        return self._context / self._tokens if self._tokens > 0 and not self.unknown else None


@define
class SteadyTokens:
    """What requests bring into a steady window, by the times at which their tokens were seen.

    Attributes:
        computed_prompt_tokens: prompt tokens, less cached ones, of the requests whose first token came within it.
    """

    window: SteadyWindow
    computed_prompt_tokens: float = 0.0
    _whole: Interval = field(init=False)
    _halves: tuple[Interval, Interval] = field(init=False)
    _context: Context = field(factory=Context)

    def __attrs_post_init__(self) -> None:
        window = self.window
        self._whole = Interval(window.start_s, window.stop_s)
        self._halves = Interval(window.start_s, window.middle_s), Interval(window.middle_s, window.stop_s)

    @property
    def tokens(self) -> Bounds:
        """Output tokens of the window."""
        return self._whole.tokens

    @property
    def half_tokens(self) -> tuple[float, float]:
        """Those of each half, as best estimates."""
        return self._halves[0].tokens.best, self._halves[1].tokens.best

    @property
    def context_tokens(self) -> float | None:
        """Mean number of tokens before each of them; None where some answers show no events."""
        return self._context.mean

    def add(self, done: Completion, of: Pace, prompts: Prompts) -> None:
        """Add one request.

        Args:
            of: of the finished requests of the trial; without a part where ``needs_pace`` is false.
            prompts: of requests whose own prompt tokens are not known.
        """
        window, times_s = self.window, done.token_times_s
        began_s = times_s[0] if len(times_s) else done.finished_s
        unbegun = is_cancelled(done) and not len(times_s)
        if not unbegun and window.start_s < began_s <= window.stop_s:
            self.computed_prompt_tokens += _computed_prompt_tokens(done, prompts)
        if done.finished_s <= window.start_s or done.sent_s >= window.stop_s:
            return
        if not (shows_events(done) or (is_cancelled(done) and of.tokens_per_event is not None)):
            # On a server that streams, a cancelled request without an event had no token yet.
            self._context.unknown = True
            for interval in (self._whole, *self._halves):
                interval.spread(done, of)
            return
        begin, middle, end = (tokens_until(done, of, at_s) for at_s in (window.start_s, window.middle_s, window.stop_s))
        self._whole.add(begin, end)
        self._halves[0].add(begin, middle)
        self._halves[1].add(middle, end)
        self._context.add(done.prompt_tokens or prompts.get(done.number, _UNKNOWN_PROMPT)[0], begin, end)

    def add_table(self, table: polars.DataFrame) -> None:
        """Add each completion of a table with times, of which none needs a pace."""
        from polars import col

        window = self.window
        began = table.filter((col("first_s") > window.start_s) & (col("first_s") <= window.stop_s))
        self.computed_prompt_tokens += total(began["prompt_tokens"] - began["cached_prompt_tokens"].fill_null(0))
        part = table.filter((col("finished_s") > window.start_s) & (col("sent_s") < window.stop_s))
        edges_s = {"begin": window.start_s, "middle": window.middle_s, "end": window.stop_s}
        part = part.with_columns(tokens_by(part, at_s).alias(name) for name, at_s in edges_s.items())
        self._whole.add_table(part, "begin", "end")
        self._halves[0].add_table(part, "begin", "middle")
        self._halves[1].add_table(part, "middle", "end")
        self._context.add_table(part["prompt_tokens"], part["begin"], part["end"])


def _computed_prompt_tokens(done: Completion, prompts: Prompts) -> int:
    if is_cancelled(done) and not done.prompt_tokens:
        prompt_tokens, cached_tokens = prompts.get(done.number, _UNKNOWN_PROMPT)
        return prompt_tokens - cached_tokens
    return done.prompt_tokens - (done.cached_prompt_tokens or 0)
