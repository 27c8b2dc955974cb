"""The steady window of a trial: when it opens and closes, and how many tokens were seen in it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from attrs import define, field

from ai_energy_benchmarks.analysis.event_times import tokens_until
from ai_energy_benchmarks.analysis.filler_tokens import cancelled_tokens, filler_prompts, is_cancelled
from ai_energy_benchmarks.analysis.pace import Pace, shows_events
from ai_energy_benchmarks.analysis.steady_slices import pass_mix
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.outcomes import as_outcomes
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyTrial


def steady_span(outcomes: Sequence[Outcome], concurrency: int) -> tuple[float, float] | str:
    """When the steady window of a pass opens and closes, in seconds on the monotonic clock.

    It opens once ``concurrency`` requests are in flight and each of the first ``concurrency`` has its first token or
    has ended. It closes when the last request of the pass has ended.

    Args:
        outcomes: those of the pass itself, without fillers.

    Returns:
        Why there is no such window, if there is none.
    """
    if len(outcomes) < concurrency:
        return (
            f"the pass has {len(outcomes)} requests, fewer than the {concurrency} of load.concurrency, so that many "
            "were never in flight; set scenario.num_samples to at least ten times load.concurrency"
        )
    closes_s = -math.inf
    first: list[tuple[float, int, float]] = []
    for position, (sent_s, begun_s, finished_s) in enumerate(as_outcomes(outcomes).spans_s()):
        closes_s = max(closes_s, finished_s)
        # The earliest of them, the latest on top of the heap.
        if len(first) < concurrency:
            heapq.heappush(first, (-sent_s, -position, begun_s))
        elif -sent_s > first[0][0]:
            heapq.heapreplace(first, (-sent_s, -position, begun_s))
    opens_s = max(begun_s for *_, begun_s in first)
    if closes_s <= opens_s:
        return (
            "when each of the first requests had its first token, the last one of the pass had ended; set "
            "scenario.num_samples to at least ten times load.concurrency"
        )
    return opens_s, closes_s


def _begun_s(outcome: Outcome) -> float:
    """When a request had its first token, or had ended without one."""
    if isinstance(outcome, Completion) and len(outcome.token_times_s):
        return outcome.token_times_s[0]
    return outcome.finished_s


def in_flight_mean(trial: Trial, part: Trial | None = None) -> float:
    """Mean number of requests in flight over the whole window, or over that of a part of it; fillers included."""
    window = part or trial
    if window.duration_s <= 0:
        return 0.0
    if part is None:
        return trial_figures(trial).in_flight_s / window.duration_s
    start_s, stop_s = window.start_s, window.stop_s
    every = chain(trial.outcomes, trial.fillers)
    in_window_s = (min(each.finished_s, stop_s) - max(each.sent_s, start_s) for each in every)
    return sum(max(0.0, seconds) for seconds in in_window_s) / window.duration_s


def steady_trial(trial: Trial, window: SteadyWindow) -> SteadyTrial:
    """Count the tokens of the window, and of its halves, by the times at which they were seen."""
    of = trial_figures(trial).pace
    prompts, steady = filler_prompts(trial), pass_mix(trial)
    edges_s = window.start_s, window.middle_s, window.stop_s
    halves = _Interval(window.start_s, window.middle_s), _Interval(window.middle_s, window.stop_s)
    whole, context = _Interval(window.start_s, window.stop_s), _Context()
    computed = 0.0
    for each in _completions(trial):
        unbegun = is_cancelled(each) and not len(each.token_times_s)
        if not unbegun and whole.start_s < _begun_s(each) <= whole.stop_s:
            computed += _computed_prompt_tokens(each, prompts)
        if each.finished_s <= window.start_s or each.sent_s >= window.stop_s:
            continue
        if not _by_events(each, of):
            context.unknown = True
            for interval in (whole, *halves):
                interval.spread(each, of)
            continue
        begin, middle, end = (tokens_until(each, of, at_s) for at_s in edges_s)
        whole.add(each, begin, end)
        halves[0].add(each, begin, middle)
        halves[1].add(each, middle, end)
        context.add(each.prompt_tokens or prompts.get(each.number, (0, 0))[0], begin, end)
    return SteadyTrial(
        number=trial.number,
        duration_s=window.duration_s,
        bounds_tokens=whole.tokens,
        half_output_tokens=(halves[0].tokens.best, halves[1].tokens.best),
        computed_prompt_tokens=computed,
        context_tokens=context.mean,
        pass_context_tokens=steady.context_tokens if steady else None,
    )


def _by_events(done: Completion, of: Pace) -> bool:
    """Whether token events tell when its tokens came; a cancelled request without one had no token yet."""
    return shows_events(done) or (is_cancelled(done) and of.tokens_per_event is not None)


@define
class _Context:
    """Mean number of tokens before each output token of the window; None where some answers show no events."""

    unknown: bool = False
    _tokens: float = 0.0
    _context: float = 0.0

    def add(self, prompt_tokens: int, begin: float, end: float) -> None:
        self._tokens += end - begin
        self._context += (end - begin) * (prompt_tokens + (begin + end) / 2)

    @property
    def mean(self) -> float | None:
        return self._context / self._tokens if self._tokens > 0 and not self.unknown else None


def _completions(trial: Trial) -> Iterator[Completion]:
    return (each for each in chain(trial.outcomes, trial.fillers) if isinstance(each, Completion))


def _computed_prompt_tokens(done: Completion, prompts: dict[int, tuple[int, int]]) -> int:
    if done.finish_reason == "cancelled" and not done.prompt_tokens:
        prompt_tokens, cached_tokens = prompts.get(done.number, (0, 0))
        return prompt_tokens - cached_tokens
    return done.prompt_tokens - (done.cached_prompt_tokens or 0)


@define
class _Interval:
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

    def add(self, done: Completion, begin: float, end: float) -> None:
        """Add a request that had so many tokens at the begin and at the end of the interval."""
        if not self._misses(done):
            self._add(end - begin, end - begin, end - begin)

    def spread(self, done: Completion, of: Pace) -> None:
        """Add a request whose token events tell nothing."""
        if not self._misses(done):
            self._add(*self._spread(done, of, done.finish_reason == "cancelled"))

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


def sent_within(outcomes: Iterable[Outcome], window: SteadyWindow) -> Iterator[Completion]:
    """The completions whose requests were sent within the window."""
    for each in outcomes:
        if isinstance(each, Completion) and in_window(each, window):
            yield each


def in_window(outcome: Outcome, window: SteadyWindow) -> bool:
    """Whether a request was sent within the window."""
    return window.start_s <= outcome.sent_s <= window.stop_s
