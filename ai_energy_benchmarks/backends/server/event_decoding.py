"""What the events of a stream hold, decoded after it has ended: usage, the finish reason, errors, texts."""

from __future__ import annotations

import re

from attrs import evolve, frozen

from ai_energy_benchmarks.backends.server.json_text import LARGEST_COUNT_TOKENS, json_object, mapping, token_count
from ai_energy_benchmarks.domain.completions import exceeds
from ai_energy_benchmarks.safety.printable import one_line
from ai_energy_benchmarks.safety.secrets import SafeRepr, clipped

ERROR = re.compile(rb'"error"\s*:\s*[{"]')
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # a stream may begin with one (HTML standard, "Server-sent events")
_LONGEST_ERROR, _LONGEST_BEGINNING = 300, 80
_REPR = SafeRepr()


@frozen
class Usage:
    """Token counts as the server reports them; None where it does not."""

    prompt_tokens: int
    output_tokens: int
    cached_prompt_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None

    @property
    def doubt(self) -> str | None:
        """Why these counts are not those of all tokens; None if nothing says so.

        Some servers leave thinking out of the output and have it in the total alone. A total of 0 is none.
        """
        known = self.prompt_tokens + self.output_tokens
        if not self.total_tokens or not exceeds(self.total_tokens, known):
            return None
        return (
            f"its usage counts {self.prompt_tokens:,} prompt and {self.output_tokens:,} completion tokens, but "
            f"{self.total_tokens:,} in total"
        )


@frozen
class StreamSummary:
    """What a whole stream said.

    Attributes:
        usage: None if the server sent none, or one that cannot be that of the answer.
        doubt: why there is no usage though the server sent one; None where that is not so.
        finish_reason: the server's own word; None if it gave none.
        error: the server's error message; None if it sent none.
        impossible: why its counts cannot be; None if they can. There is no usage then.
    """

    usage: Usage | None
    finish_reason: str | None
    error: str | None
    impossible: str | None = None
    doubt: str | None = None


def _decoded(event: bytes) -> dict[str, object]:
    """The JSON object of an event; empty if it is none."""
    fields = (line.partition(b":") for line in event.removeprefix(BYTE_ORDER_MARK).split(b"\n"))
    lines = [value.strip() for name, _, value in fields if name in (b"data", b"error")]
    return json_object(b"\n".join(lines) if lines else event)


def impossible_count(usage: Usage | None) -> str | None:
    """Why a count cannot be that of any request; None if all can."""
    if usage is None:
        return None
    parts = usage.cached_prompt_tokens or 0, usage.reasoning_tokens or 0, usage.total_tokens or 0
    if max(usage.prompt_tokens, usage.output_tokens, *parts) <= LARGEST_COUNT_TOKENS:
        return None
    return f"the server's usage has a count of more than {LARGEST_COUNT_TOKENS:,} tokens"


def usage_from(document: dict[str, object]) -> Usage | None:
    """The ``usage`` of a response or an event; None if it is missing or has no counts."""
    usage = mapping(document.get("usage")) or mapping(_first_of(document).get("usage"))  # Moonshot has it in the choice
    prompt, output = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
    if prompt is None or output is None:
        return None
    cached = token_count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    reasoning = token_count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    return Usage(prompt, output, cached, reasoning, token_count(usage.get("total_tokens")))


def usage_of(event: bytes, timings: bytes) -> Usage | None:
    """The counts; cached prompt tokens also from ``timings.cache_n``, which llama.cpp has in its last chunks."""
    usage = usage_from(_decoded(event)) if event else None
    if usage is None or usage.cached_prompt_tokens is not None or not timings:
        return usage
    return evolve(usage, cached_prompt_tokens=token_count(mapping(_decoded(timings).get("timings")).get("cache_n")))


def fails(event: bytes) -> bool:
    """Whether an event with a text reports an error too."""
    return bool(ERROR.search(event) and _decoded(event).get("error"))


def _first_choice(event: bytes) -> dict[str, object]:
    return _first_of(_decoded(event))


def _first_of(document: dict[str, object]) -> dict[str, object]:
    choices = document.get("choices")
    return mapping(choices[0]) if isinstance(choices, list) and choices else {}


def finish_reason_of(event: bytes) -> str | None:
    """The server's word for why it ended; None if the event has none."""
    reason = _first_choice(event).get("finish_reason") if event else None
    return reason if isinstance(reason, str) else None


def text_of(event: bytes) -> str:
    """The output in an event, thinking first."""
    choice = _first_choice(event)
    source = mapping(choice.get("delta")) or choice
    keys = ("reasoning_content", "reasoning", "thinking", "content", "refusal", "text")
    parts = (source.get(key) for key in keys)
    return "".join(part for part in parts if isinstance(part, str))


def error_of(event: bytes) -> str | None:
    """The message of an event that reports an error; None of no event."""
    return error_text(_decoded(event)) or (clipped(event.decode("utf-8", "replace"), 200) if event else None)


def error_text(document: dict[str, object]) -> str | None:
    """The message of an error body, in the shapes that servers use; None if there is none."""
    error = document.get("error", document.get("detail", document.get("message")))
    if isinstance(error, dict):
        error = error.get("message", error)
    if error is None:
        return None
    # Of what is no text only the beginning is shown: it may be nested deeper than ``str`` follows.
    return one_line(clipped(error if isinstance(error, str) else _REPR.repr(error), _LONGEST_ERROR))


def beginning_of(first: bytes) -> str:
    """The message of an answer that is no stream of events, or how it begins.

    Args:
        first: all of it up to an empty line.
    """
    first = first.removeprefix(BYTE_ORDER_MARK)
    if error := error_text(json_object(first)):
        return f"the server reports: {error}"
    shown = one_line(clipped(first.decode("utf-8", "replace").strip(), _LONGEST_BEGINNING))
    return f"the answer begins with {shown!r}" if shown else "the answer is empty"
