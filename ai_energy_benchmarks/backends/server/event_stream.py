"""Server-sent events of a streamed completion: when each token event came, and little else decoded.

Of a stream only the finish reason, the usage and an error are decoded, after it has ended. Whether an event
carries output is seen in its bytes: a quote inside a JSON string is always escaped, so a pattern with bare quotes
finds keys only. The bytes that a server writes before its output are learned from the first event, since looking for
them costs a tenth of the pattern.
"""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from operator import sub

from attrs import define, evolve, field, frozen

from ai_energy_benchmarks.backends.server.json_text import LARGEST_COUNT_TOKENS, json_object, mapping, token_count
from ai_energy_benchmarks.safety.printable import one_line
from ai_energy_benchmarks.safety.secrets import SafeRepr, clipped

_TEXT = re.compile(rb'"(?:content|text)"\s*:\s*"(?!")')
_TOOL_CALLS = re.compile(rb'"tool_calls"\s*:\s*\[\s*\{')
_REASONING = re.compile(rb'"(?:reasoning_content|reasoning)"\s*:\s*"(?!")')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_TIMINGS = re.compile(rb'"timings"\s*:\s*\{')
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
# Where usage comes with every event: so many output tokens until then.
_COUNT = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})(?!\d)')
_ERROR = re.compile(rb'"error"\s*:\s*[{"]')
# llama.cpp sends a failure in a field named `error` (ggml-org/llama.cpp#16104), others in an event of that name.
_ERROR_FIELD = re.compile(rb"^(?:error:|event: ?error$)", re.MULTILINE)
# Finish reason and usage come at the end, on the last output event or within a few events after it.
_LAST_EVENTS = 8
# How a line begins that is empty or a comment, by which a server keeps a connection open.
_NO_DATA = (b"", b":")
_LINE_END = 10
_LONGEST_ERROR = 300
_REPR = SafeRepr()


@frozen
class Usage:
    """Token counts as the server reports them; None where it does not."""

    prompt_tokens: int
    output_tokens: int
    cached_prompt_tokens: int | None = None
    reasoning_tokens: int | None = None


@frozen
class StreamSummary:
    """What a whole stream said.

    Attributes:
        usage: None if the server sent none.
        finish_reason: the server's own word; None if it gave none.
        error: the server's error message; None if it sent none.
        impossible: why its counts cannot be; None if they can. There is no usage then.
    """

    usage: Usage | None
    finish_reason: str | None
    error: str | None
    impossible: str | None = None


@define
class EventStream:
    """Collects one stream; ``feed`` is called with every received block.

    Attributes:
        keep: keep every event, to decode its text later.
        token_times_s: when each event with output arrived.
        reasoning_events: how many of them were thinking.
        ended_s: when ``[DONE]`` has come; None before.
        at_end: called when it comes.
    """

    keep: bool = False
    token_times_s: array[float] = field(factory=lambda: array("d"))
    reasoning_events: int = 0
    ended_s: float | None = None
    at_end: Callable[[], None] | None = None
    kept: list[bytes] = field(factory=list)
    _counts: array[int] | None = field(factory=lambda: array("q"))  # output tokens until each event; None if unknown
    _rest: list[bytes] = field(factory=list)  # the beginning of an event, in the blocks that brought it
    _other_s: float = 0.0  # when an event that is neither a token event nor a comment came last
    _before_text: bytes = b""
    _last: deque[bytes] = field(factory=lambda: deque(maxlen=_LAST_EVENTS))
    _error: bytes = b""

    def feed(self, time_s: float, block: bytes) -> None:
        """Take in a block that arrived at ``time_s`` (monotonic seconds)."""
        if b"\r" in block:
            # A carriage return belongs to a line end here: JSON escapes it.
            block = block.replace(b"\r", b"")
        if self._rest:
            if not block:
                return
            if b"\n\n" not in block and not (block[0] == _LINE_END and self._rest[-1][-1] == _LINE_END):
                self._rest.append(block)  # an event of many megabytes is put together once, not with every block
                return
            block = b"".join((*self._rest, block))
        events = block.split(b"\n\n")
        self._rest = [rest] if (rest := events.pop()) else []
        before, take_time = self._before_text, self.token_times_s.append
        counting = self._counts is not None
        for event in events:
            at = event.find(before) if before else -1
            if at >= 0 and not event.startswith(b'"', at + len(before)):
                take_time(time_s)
            else:
                self._look_closer(time_s, event)
                before = self._before_text
            if counting:
                counting = self._count(event)
        self._last.extend(events)
        if self.keep:
            self.kept.extend(events)

    def _count(self, event: bytes) -> bool:
        """Note the tokens until a token event; false from the first one on that does not tell them."""
        counts = self._counts
        if counts is None or len(counts) == len(self.token_times_s):
            return counts is not None
        found = _COUNT.search(event)
        if found is None:
            self._counts = None
            return False
        counts.append(int(found[1]))
        return True

    def event_tokens(self, *, even: bool = False) -> Sequence[int]:
        """Tokens that each event carried, where usage came with every one.

        Args:
            even: tell them also where every event carried one; else that is empty too.
        """
        counts = self._counts
        if not counts or len(counts) != len(self.token_times_s):
            return ()
        tokens = array("q", map(sub, counts, (0, *counts)))
        return tokens if even or any(each != 1 for each in tokens) else ()

    def close(self, time_s: float) -> None:
        """The stream is over; an event without its closing empty line still counts."""
        if b"".join(self._rest).strip():
            self.feed(time_s, b"\n\n")
        self._rest = []

    @property
    def ended(self) -> bool:
        """Whether ``[DONE]`` has come."""
        return self.ended_s is not None

    def has_usage(self) -> bool:
        """Whether the last events have token counts."""
        return any(_USAGE.search(event) for event in self._last)

    def progress_s(self) -> float:
        """When the latest event came that is no comment; 0 before the first."""
        return max(self.token_times_s[-1] if self.token_times_s else 0.0, self._other_s)

    def summary(self) -> StreamSummary:
        """Decode what was set aside."""
        usage = next((event for event in reversed(self._last) if _USAGE.search(event)), b"")
        finish = next((event for event in reversed(self._last) if _FINISH.search(event)), b"")
        timings = next((event for event in reversed(self._last) if _TIMINGS.search(event)), b"")
        counts = _usage(usage, timings)
        impossible = _impossible(counts)
        return StreamSummary(
            None if impossible else counts, _finish_reason(finish), _error(self._error), impossible=impossible
        )

    def text(self) -> str:
        """The output text, thinking first; needs ``keep``."""
        return "".join(map(_text, self.kept))

    def _look_closer(self, time_s: float, event: bytes) -> None:
        if event[:1] not in _NO_DATA or any(line[:1] not in _NO_DATA for line in event.split(b"\n")):
            self._other_s = time_s
        if _ERROR_FIELD.search(event):
            self._error = event
        elif (text := _TEXT.search(event)) is not None:
            self._before_text = text[0]
            self.token_times_s.append(time_s)
        elif _TOOL_CALLS.search(event):
            self.token_times_s.append(time_s)
        elif _REASONING.search(event):
            self.token_times_s.append(time_s)
            self.reasoning_events += 1
        elif _ERROR.search(event):
            self._error = event
        elif b"[DONE]" in event:
            self.ended_s = time_s
            if self.at_end is not None:
                self.at_end()


def _decoded(event: bytes) -> dict[str, object]:
    """The JSON object of an event; empty if it is none."""
    fields = (line.partition(b":") for line in event.split(b"\n"))
    lines = [value.strip() for name, _, value in fields if name in (b"data", b"error")]
    return json_object(b"\n".join(lines) if lines else event)


def _impossible(usage: Usage | None) -> str | None:
    if usage is None:
        return None
    parts = usage.cached_prompt_tokens or 0, usage.reasoning_tokens or 0
    if max(usage.prompt_tokens, usage.output_tokens, *parts) <= LARGEST_COUNT_TOKENS:
        return None
    return f"the server's usage has a count of more than {LARGEST_COUNT_TOKENS:,} tokens"


def usage_from(document: dict[str, object]) -> Usage | None:
    """The ``usage`` of a response or an event; None if it is missing or has no counts."""
    usage = mapping(document.get("usage"))
    prompt, output = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
    if prompt is None or output is None:
        return None
    cached = token_count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    reasoning = token_count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    return Usage(prompt, output, cached, reasoning)


def _usage(event: bytes, timings: bytes) -> Usage | None:
    """The counts; cached prompt tokens also from ``timings.cache_n``, which llama.cpp has in its last chunks."""
    usage = usage_from(_decoded(event)) if event else None
    if usage is None or usage.cached_prompt_tokens is not None or not timings:
        return usage
    return evolve(usage, cached_prompt_tokens=token_count(mapping(_decoded(timings).get("timings")).get("cache_n")))


def _first_choice(event: bytes) -> dict[str, object]:
    choices = _decoded(event).get("choices")
    return mapping(choices[0]) if isinstance(choices, list) and choices else {}


def _finish_reason(event: bytes) -> str | None:
    reason = _first_choice(event).get("finish_reason") if event else None
    return reason if isinstance(reason, str) else None


def _text(event: bytes) -> str:
    choice = _first_choice(event)
    source = mapping(choice.get("delta")) or choice
    parts = (source.get(key) for key in ("reasoning_content", "reasoning", "content", "text"))
    return "".join(part for part in parts if isinstance(part, str))


def _error(event: bytes) -> str | None:
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
