"""What a backend returns for each request: a completion or a failure with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import field, frozen

from ai_energy_benchmarks.safety.printable import one_line

TokenSource = Literal["token_ids", "usage", "retokenised"]
FinishReason = Literal["stop", "length", "unknown", "cancelled"]


def exceeds(count: int, other: int) -> bool:
    """Whether a count of one request is larger than another of the same by more than one token and 1 %."""
    return count - other > max(1.0, 0.01 * other)


@frozen
class Completion:
    """One finished request. Times are seconds on the monotonic clock (``time.perf_counter``).

    Attributes:
        number: the request's number in the pass.
        prompt_tokens: tokens the model saw, after templating and truncation; no padding.
        output_tokens: tokens generated up to and including the first end token; no padding.
        token_source: where the counts come from: the engine's token ids, the server's ``usage``, or
            re-tokenised text (which the verdict warns of).
        sent_s: when the request left us (in process: when its batch entered the engine).
        token_times_s: when each token event was seen: a chunk of a stream that shows output, or in process one step,
            which brings several tokens where the engine drafts them ahead.
        finished_s: when the request, or its whole batch, was complete.
        finish_reason: ``stop`` (end token or stop string), ``length`` (budget used up) or ``cancelled`` (a filler
            request that was still in flight when its pass had ended; its counts are of what had come until then).
        truncated_prompt_tokens: prompt tokens cut away; 0 if none were.
        cached_prompt_tokens: prompt tokens served from a prefix cache; None if not reported.
        reasoning_tokens: part of the output that is thinking; None if it cannot be distinguished.
        first_event_tokens: tokens carried by the first token event; None if that is not known.
        budget_tokens: maximum number of output tokens that a server was asked for; None if that was not noted.
        event_tokens: tokens carried by each token event, where the server reports usage with every event; empty
            where it does not, or where every event carried one.
        rendered_sha256: hash of the prompt as really sent, after the template.
        output_token_ids: the ids themselves where the engine gives them; the runner decodes them to ``text``
            after the window.
        text: the output text.
        amounts: what was produced besides output tokens, by unit (``domain/work.py``): images, seconds of audio …
    """

    number: int
    prompt_tokens: int
    output_tokens: int
    token_source: TokenSource
    sent_s: float
    token_times_s: Sequence[float]
    finished_s: float
    finish_reason: FinishReason
    truncated_prompt_tokens: int = 0
    cached_prompt_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_event_tokens: int | None = 1
    budget_tokens: int | None = None
    event_tokens: Sequence[int] = field(default=(), repr=False)
    rendered_sha256: str = ""
    output_token_ids: Sequence[int] = field(default=(), repr=False)
    text: str = field(default="", repr=False)
    amounts: Mapping[str, float] = field(factory=dict)

    @property
    def ttft_s(self) -> float | None:
        """Time to first token in seconds, None if no token event was seen."""
        return self.token_times_s[0] - self.sent_s if len(self.token_times_s) else None

    @property
    def e2e_s(self) -> float:
        """Seconds from sending to the last token event (to the end, if no event was seen)."""
        last_s = self.token_times_s[-1] if len(self.token_times_s) else self.finished_s
        return last_s - self.sent_s

    @property
    def shown_tokens(self) -> int:
        """Output tokens that had an event; an end token is counted, but a server shows no text for it."""
        unseen_end = (
            self.finish_reason == "stop"
            and self.token_source != "token_ids"
            and len(self.token_times_s) == self.output_tokens - 1
        )
        return self.output_tokens - unseen_end

    @property
    def empty(self) -> bool:
        """Whether the model ended its answer at once: tokens perhaps, an end token among them, and no text.

        Token ids hold the end token; a server shows an event for each piece of text.
        """
        if self.finish_reason == "cancelled" or any(self.amounts.values()):
            return False
        if self.token_source != "token_ids":
            return not len(self.token_times_s)
        return self.output_tokens <= (self.finish_reason == "stop")

    @property
    def tpot_s(self) -> float | None:
        """Mean seconds per output token after the first event; None where it is undefined.

        An end token that shows no text has no event: what it took is not in the time, so it is not counted either.
        """
        if self.first_event_tokens is None or len(self.token_times_s) < 2:
            return None
        later_tokens = self.shown_tokens - self.first_event_tokens
        if later_tokens < 1:
            return None
        return (self.token_times_s[-1] - self.token_times_s[0]) / later_tokens


@frozen
class FailedCompletion:
    """A request that did not finish. Its energy stays in the window; its tokens are not counted.

    Attributes:
        number: the request's number in the pass.
        sent_s, finished_s: when it was sent and when it failed, in seconds on the monotonic clock.
        reason: one sentence for the user, on one line, without secrets and control characters.
        backend_dead: nothing further can succeed; the runner stops.
    """

    number: int
    reason: str = field(converter=one_line)
    sent_s: float
    finished_s: float
    backend_dead: bool = False


Outcome = Completion | FailedCompletion
