"""What a server's answer says: a completion, a refusal, or when to try again."""

from __future__ import annotations

import hashlib
import math
import time

from ai_energy_benchmarks.backends.server.event_decoding import StreamSummary, Usage, error_text
from ai_energy_benchmarks.backends.server.event_stream import EventStream
from ai_energy_benchmarks.backends.server.http_connection import Response
from ai_energy_benchmarks.backends.server.json_text import json_object
from ai_energy_benchmarks.domain.address import Address
from ai_energy_benchmarks.domain.completions import Completion, FinishReason
from ai_energy_benchmarks.domain.prompts import Request
from ai_energy_benchmarks.safety.printable import one_line
from ai_energy_benchmarks.safety.secrets import clipped
from ai_energy_benchmarks.safety.urls import hidden

_NOT_FOUND = 404
_BUSY = frozenset({429, 502, 503, 504})
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    # TGI's own names of the same
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
}
# The engine gave up on the request, or threw away what it had generated (vLLM, SGLang, hosted services).
_FAILED = frozenset({"abort", "aborted", "cancelled", "canceled", "error", "content_filter"})


_LONGEST_RETRY_AFTER_S = 60.0
_LONGEST_REFUSAL = 200
NO_TOKEN = "the answer has no token, by events and by count"


def completion(
    request: Request, body: bytes, stream: EventStream, summary: StreamSummary, *, sent_s: float, budget_tokens: int
) -> Completion:
    """A finished request. Without usage its tokens are still to be counted: the prompt has none yet.

    Args:
        budget_tokens: maximum number of output tokens that it was asked for.
    """
    events = len(stream.token_times_s)
    last_s = stream.token_times_s[-1] if events else sent_s  # some servers go on after [DONE]
    usage = summary.usage or Usage(prompt_tokens=0, output_tokens=events)
    return Completion(
        number=request.number,
        prompt_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
        token_source="usage" if summary.usage else "retokenised",
        sent_s=sent_s,
        token_times_s=stream.token_times_s,
        finished_s=time.perf_counter() if stream.ended_s is None else max(stream.ended_s, last_s),
        finish_reason=_FINISH.get(summary.finish_reason or "", "unknown"),
        cached_prompt_tokens=usage.cached_prompt_tokens,
        reasoning_tokens=reasoning_tokens(stream, usage),
        first_event_tokens=first_event_tokens(stream, usage.output_tokens),
        event_tokens=stream.event_tokens(),
        budget_tokens=budget_tokens,
        rendered_sha256=hashlib.sha256(body).hexdigest(),
    )


def cancelled(request: Request, body: bytes, stream: EventStream, *, sent_s: float) -> Completion:
    """What a request had brought when it was cancelled; without usage its events stand for its tokens."""
    usage = stream.summary().usage
    return Completion(
        number=request.number,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else len(stream.token_times_s),
        token_source="usage",
        sent_s=sent_s,
        token_times_s=stream.token_times_s,
        finished_s=time.perf_counter(),
        finish_reason="cancelled",
        cached_prompt_tokens=usage.cached_prompt_tokens if usage else None,
        first_event_tokens=None,
        event_tokens=stream.event_tokens(even=True),
        rendered_sha256=hashlib.sha256(body).hexdigest(),
    )


def first_event_tokens(stream: EventStream, output_tokens: int) -> int | None:
    """1 if every event brought one token; None if some brought several, so that it is not known.

    An end token is counted but shows no text, so one event fewer than tokens still means one token each.
    """
    return 1 if len(stream.token_times_s) >= output_tokens - 1 else None


def reasoning_tokens(stream: EventStream, usage: Usage) -> int | None:
    """As ``usage`` reports, else as many as the events that a reasoning parser marked, where each brought one token."""
    if usage.reasoning_tokens is not None or not stream.reasoning_events:
        return usage.reasoning_tokens
    return stream.reasoning_events if first_event_tokens(stream, usage.output_tokens) == 1 else None


def bad_end(response: Response, stream: EventStream, summary: StreamSummary) -> str | None:
    """Why a stream that came to its end is no answer; None if it is one."""
    if (reason := _unreadable(response) or summary.impossible) is not None:
        return reason
    if summary.error is not None:
        return f"the server reported an error in its stream: {summary.error}"
    if summary.finish_reason in _FAILED:
        return f"the server ended the answer with finish_reason {summary.finish_reason!r}"
    if summary.finish_reason is None and not stream.ended:
        what = "the stream ended with neither a finish reason nor [DONE]"
        return what if len(stream.token_times_s) else f"{what}: {stream.beginning()}"
    if summary.usage is not None and not summary.usage.output_tokens and not len(stream.token_times_s):
        return NO_TOKEN
    return None


def _unreadable(response: Response) -> str | None:
    """Why the body of a success cannot be read; None if it can."""
    coding = response.headers.get("content-encoding", "identity").lower()
    if coding in ("identity", ""):
        return None
    what = f"the answer is compressed ({one_line(clipped(coding, 40))}), though that was not asked for"
    return f"{what}; fix: switch compression of event streams off in the server or the proxy before it"


def cut_short(stream: EventStream, reason: str) -> str:
    """The reason, with how far the stream had come."""
    events = len(stream.token_times_s)
    return f"{reason} (after {events} token events)" if events else reason


def refusal(response: Response, address: Address, path: str) -> str:
    """Status and message of an answer that is none; of a path that the server does not have also where it was sent."""
    if response.status < 400:
        where = one_line(clipped(hidden(response.headers.get("location", "another address")), _LONGEST_REFUSAL))
        return f"status {response.status}: the server points to {where}; set backend.endpoint to that"
    text = error_text(json_object(response.refusal))
    if asks_to_try_again(response) and retry_after_s(response, 0) is None:
        text = f"{text or 'busy'}; it asks to wait longer than {_LONGEST_RETRY_AFTER_S:g} s before the next attempt"
    sent_to = ""
    if response.status == _NOT_FOUND:
        url = f"http{'s' if address.tls else ''}://{address.authority}{address.path}{path}"
        sent_to = f" ({hidden(url)}); check backend.endpoint and backend.model"
    return f"status {response.status}: {text or _beginning(response.refusal) or 'no reason given'}{sent_to}"


def _beginning(refusal: bytes) -> str:
    """Of a body that is no JSON; blanked before it is cut."""
    return one_line(clipped(refusal.decode("utf-8", "replace"), _LONGEST_REFUSAL))


def asks_to_try_again(response: Response) -> bool:
    """Whether the server is busy, and not at odds with the request."""
    return response.status in _BUSY or (response.status >= 500 and "retry-after" in response.headers)


def retry_after_s(response: Response, attempt: int) -> float | None:
    """What the server asks for, in whole seconds (RFC 9110 §10.2.3); else twice as long each time.

    Returns:
        None where it asks for more than a minute, which is not worth waiting for.
    """
    requested = response.headers.get("retry-after", "")
    if not (requested.isascii() and requested.isdigit()):
        return min(math.ldexp(0.5, attempt), 30.0)
    requested_s = float(requested)
    return requested_s if requested_s <= _LONGEST_RETRY_AFTER_S else None
