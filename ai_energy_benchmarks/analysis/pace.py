"""How tokens, token events and time of the finished requests of a trial relate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import define, frozen

from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.outcome_frames import added, total

if TYPE_CHECKING:
    import polars

# An answer of two tokens may be one event: the second can be the end.
_ENDING_TOKENS = 2


@frozen
class Pace:
    """How tokens and events of the finished requests relate.

    Attributes:
        tokens_per_event: None if no finished request showed token events.
        tokens_per_s: output tokens over the time from sending to the end, of one request.
        first_event_s, event_gap_s: mean time from sending to the first token event, and between two of them.
    """

    tokens_per_event: float | None
    tokens_per_s: float
    first_event_s: float = 0.0
    event_gap_s: float = 0.0


def shows_events(done: Completion) -> bool:
    """Whether the times of its tokens are known: an answer that comes in one piece shows only its end."""
    return len(done.token_times_s) >= (2 if done.output_tokens > _ENDING_TOKENS else 1)


def that_show_events() -> polars.Expr:
    """Of which rows of a table ``shows_events`` is true."""
    from polars import col, when

    return col("events") >= when(col("output_tokens") > _ENDING_TOKENS).then(2).otherwise(1)


def pace(outcomes: Iterable[Outcome]) -> Pace:
    """The ratio of tokens to events over all finished requests."""
    pacing = Pacing()
    for outcome in outcomes:
        if isinstance(outcome, Completion):
            pacing.add(outcome)
    return pacing.pace()


@define
class Pacing:
    """The sums that a pace follows from; requests that were cancelled have no part in them."""

    _tokens: int = 0
    _events: int = 0
    _all_tokens: int = 0
    _seconds: float = 0.0
    _requests: int = 0
    _first_s: float = 0.0
    _gaps: int = 0
    _gaps_s: float = 0.0

    def add(self, done: Completion) -> None:
        """Add one request."""
        if is_cancelled(done):
            return
        self._all_tokens += done.output_tokens
        self._seconds += done.finished_s - done.sent_s
        if shows_events(done):
            times_s = done.token_times_s
            self._tokens += done.output_tokens
            self._events += len(times_s)
            self._requests += 1
            self._first_s = self._first_s + times_s[0] - done.sent_s
            self._gaps += len(times_s) - 1
            self._gaps_s = self._gaps_s + times_s[-1] - times_s[0]

    def add_table(self, table: polars.DataFrame) -> None:
        """Add each completion of a table with times."""
        from polars import col

        done = table.filter(col("finish_reason") != "cancelled")
        self._all_tokens += total(done["output_tokens"])
        self._seconds = added(self._seconds, done["finished_s"] - done["sent_s"])
        shown = done.filter(that_show_events())
        self._tokens += total(shown["output_tokens"])
        self._events += total(shown["events"])
        self._requests += len(shown)
        self._first_s = added(self._first_s, shown["first_s"], -shown["sent_s"])
        self._gaps += total(shown["events"]) - len(shown)
        self._gaps_s = added(self._gaps_s, shown["last_s"], -shown["first_s"])

    def pace(self) -> Pace:
        """The ratios of what was added."""
        return Pace(
            tokens_per_event=self._tokens / self._events if self._events else None,
            tokens_per_s=self._all_tokens / self._seconds if self._seconds > 0 else 0.0,
            first_event_s=self._first_s / self._requests if self._requests else 0.0,
            event_gap_s=self._gaps_s / self._gaps if self._gaps else 0.0,
        )


def is_cancelled(outcome: Outcome) -> bool:
    """Whether the request was a filler that was cancelled when its pass had ended."""
    return isinstance(outcome, Completion) and outcome.finish_reason == "cancelled"


def cancelled_tokens(filler: Completion, of: Pace) -> float:
    """Tokens of a cancelled request: as the server counted them, else its events times the ratio of finished ones.

    On a server that shows no events nothing is known of a cancelled request but its time.
    """
    if len(filler.event_tokens):
        return float(sum(filler.event_tokens))
    if of.tokens_per_event is None:
        return (filler.finished_s - filler.sent_s) * of.tokens_per_s
    return len(filler.token_times_s) * of.tokens_per_event
