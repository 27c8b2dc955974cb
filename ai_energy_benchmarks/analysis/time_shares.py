"""How the time of a pass divides: outside of requests, before the first token, thinking, answering.

Energy follows time only as far as power is even; a split by these shares is a convention and is called one. It has a
meaning only where one request is in flight at a time, or one batch whose rows begin together: else the time to a first
token is mostly the wait for others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from attrs import define, frozen

from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.sums import add_up

# First tokens of a batch may be so far apart, as a share of the time to the last of them, and still count as together:
# what one step brings is seen within some milliseconds.
_TOGETHER = 0.10
# With fewer chunks of several tokens than this, the first one's own tokens would be a noticeable part of "prefill".
_FEWEST_CHUNKS = 20
# So much of the time may lie in requests that failed or showed nothing, or of the requests come in too few chunks.
_UNCLEAR = 0.01

_NO_TOKEN = "no request showed its first token"
_SIDE_BY_SIDE = (
    "several requests were in flight at a time, so a time to first token also holds the wait for the others; "
    "set load.concurrency: 1 and scenario.input_shapes.batch_size: 1"
)
_CHUNKS = "answers came in too few chunks of several tokens, so the time of their first token is not known"


@frozen
class TimeShares:
    """Parts of the windows' time; ``outside``, ``prefill`` and ``decode`` add up to 1.

    Attributes:
        outside: no request was in flight, or none that showed a token.
        prefill: from sending a request, or a batch, to its first token, which is with it; to the last row's first.
        decode: from the first token to the last, of a batch to the last of all its rows.
        thinking: the part of ``decode`` up to the token that closed the thinking; None if it is not known. Rows of a
            batch share its time in proportion to their own.
    """

    outside: float
    prefill: float
    decode: float
    thinking: float | None = None

    @property
    def answer(self) -> float | None:
        return None if self.thinking is None else self.decode - self.thinking


@frozen
class Undivided:
    """The time of a pass cannot be divided.

    Attributes:
        reason: one sentence for the user.
    """

    reason: str


def time_shares(trials: Sequence[Trial]) -> TimeShares | Undivided:
    """The shares over all trials together, or why they cannot be told; made once for the same trials."""
    if not trials:
        return _Sums().shares(0.0)
    key = "time shares", *((id(trial.outcomes), trial.duration_s) for trial in trials)
    # The trials are kept with the shares, so that no others can have their identity meanwhile.
    return trials[0].outcomes.remembered(key, lambda: (_divided(trials), trials))[0]


def _divided(trials: Sequence[Trial]) -> TimeShares | Undivided:
    whole_s = add_up(trial.duration_s for trial in trials)
    sums = _Sums()
    for trial in trials:
        for rows in _together(trial):
            if rows is None:
                return Undivided(_SIDE_BY_SIDE)
            if (reason := sums.add(rows)) is not None:
                return Undivided(reason)
    return sums.shares(whole_s)


@define
class _Sums:
    """Seconds of each kind over all requests; thinking is None once one request does not say."""

    prefill_s: float = 0.0
    decode_s: float = 0.0
    unclear_s: float = 0.0
    thinking_s: float | None = 0.0
    requests: int = 0
    in_few_chunks: int = 0

    def add(self, rows: Sequence[Outcome]) -> str | None:
        """Add one request, or one batch that was sent at once; why it cannot be divided, if so."""
        sent_s = rows[0].sent_s
        done = [row for row in rows if isinstance(row, Completion) and len(row.token_times_s)]
        if not done:
            self.unclear_s += max(map(_end_s, rows)) - sent_s
            return None
        first_s = [completion.token_times_s[0] for completion in done]
        if max(first_s) - min(first_s) > _TOGETHER * (max(first_s) - sent_s):
            return (
                "the rows of a batch did not begin together: their first tokens came "
                f"{min(first_s) - sent_s:.4g} to {max(first_s) - sent_s:.4g} s after it was sent, so most of that is a "
                "wait; set scenario.input_shapes.batch_size to what the engine computes in one step, or to 1"
            )
        decode_s = max(map(_end_s, done)) - max(first_s)
        self.prefill_s += max(first_s) - sent_s
        self.decode_s += decode_s
        self.requests += len(done)
        self.in_few_chunks += sum(map(_in_few_chunks, done))
        self._add_thinking(done, decode_s)
        return None

    def _add_thinking(self, done: Sequence[Completion], decode_s: float) -> None:
        if self.thinking_s is None or any(completion.reasoning_tokens is None for completion in done):
            self.thinking_s = None
            return
        own_s = add_up(completion.token_times_s[-1] - completion.token_times_s[0] for completion in done)
        self.thinking_s += decode_s * add_up(map(_thinking_s, done)) / own_s if own_s else 0.0

    def shares(self, whole_s: float) -> TimeShares | Undivided:
        busy_s = self.prefill_s + self.decode_s
        if whole_s <= 0 or busy_s <= 0:
            return Undivided(_NO_TOKEN)
        if self.unclear_s > _UNCLEAR * whole_s:
            return Undivided(f"{self.unclear_s / whole_s:.1%} of the time lies in requests that showed no token")
        if self.in_few_chunks > _UNCLEAR * self.requests:
            return Undivided(_CHUNKS)
        whole_s = max(whole_s, busy_s)  # the last token of a window that was cut may lie a moment behind it
        return TimeShares(
            outside=1.0 - busy_s / whole_s,
            prefill=self.prefill_s / whole_s,
            decode=self.decode_s / whole_s,
            thinking=None if self.thinking_s is None else self.thinking_s / whole_s,
        )


def _together(trial: Trial) -> Iterator[Sequence[Outcome] | None]:
    """The requests in groups between which none was in flight; they stand in the order of sending.

    None, and nothing after it, once requests are in flight at a time that are not the rows of one batch.
    """
    rows: list[Outcome] = []
    until_s = -math.inf
    for outcome in trial.outcomes:
        if rows and outcome.sent_s >= until_s and outcome.sent_s > rows[0].sent_s:
            yield rows
            rows = []
        until_s = max(until_s, _end_s(outcome))
        if rows and (trial.client is not None or outcome.sent_s != rows[0].sent_s):
            yield None
            return
        rows.append(outcome)
    if rows:
        yield rows


def _end_s(outcome: Outcome) -> float:
    """Its last token event; not ``sent_s + e2e_s``, which rounding may put behind the next request's sending."""
    if isinstance(outcome, Completion) and len(outcome.token_times_s):
        return outcome.token_times_s[-1]
    return outcome.finished_s


def _in_few_chunks(done: Completion) -> bool:
    """Whether its first event may have carried a noticeable part of it; one that had begun before is not asked."""
    events = len(done.token_times_s)
    return done.first_event_tokens is None and events < _FEWEST_CHUNKS and done.token_times_s[0] > done.sent_s


def _thinking_s(done: Completion) -> float:
    """Seconds from the first token to the one that closed the thinking; tokens are spread evenly over events."""
    times_s, count = done.token_times_s, done.reasoning_tokens or 0
    event = math.ceil(count * len(times_s) / max(done.shown_tokens, 1))
    return times_s[min(event, len(times_s)) - 1] - times_s[0] if count else 0.0
