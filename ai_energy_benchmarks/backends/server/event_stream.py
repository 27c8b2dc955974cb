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
from itertools import pairwise
from operator import sub

from attrs import define, field

from ai_energy_benchmarks.backends.server.event_decoding import (
    ERROR,
    StreamSummary,
    Usage,
    beginning_of,
    error_of,
    fails,
    finish_reason_of,
    impossible_count,
    text_of,
    usage_of,
)
from ai_energy_benchmarks.domain.completions import exceeds

_TEXT = re.compile(rb'"(?:content|text|refusal)"\s*:\s*"(?!")')
_TOOL_CALLS = re.compile(rb'"(?:tool_calls"\s*:\s*\[|function_call"\s*:)\s*\{')
_REASONING = re.compile(rb'"(?:reasoning_content|reasoning|thinking)"\s*:\s*"(?!")')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_SOME_USAGE = re.compile(_USAGE.pattern + rb'\s*"')  # that is not empty
_TIMINGS = re.compile(rb'"timings"\s*:\s*\{')
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
# Where usage comes with every event: so many output tokens until then.
_COUNT = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})(?!\d)')
# llama.cpp sends a failure in a field named `error` (ggml-org/llama.cpp#16104), others in an event of that name.
_ERROR_FIELD = re.compile(rb"^(?:\xef\xbb\xbf)?(?:error:|event: ?error$)", re.MULTILINE)
# Finish reason and usage come at the end, on the last output event or within a few events after it.
_LAST_EVENTS, _ENDINGS = 8, 4
# How a line begins that is empty or a comment, by which a server keeps a connection open.
_NO_DATA = (b"", b":")
_LINE_END = 10
_NO_COUNTS = "its usage has no whole numbers of prompt and completion tokens"
_OF_EACH_EVENT = "its usage is that of each event, and not of the answer until then"


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
    # Events without text that hold usage or the finish reason, after how many token events: pings may follow them.
    _endings: deque[tuple[int, bytes]] = field(factory=lambda: deque(maxlen=_ENDINGS))

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
        of_each = counts[0] > 1 and len(counts) > 1 and not any(tokens[1:])
        if of_each or min(tokens) < 0:  # usage of each event, and not of the answer until then
            return ()
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
        ends = [event for events, event in self._endings if events == len(self.token_times_s)]
        ends += self._last
        usage = next((event for event in reversed(ends) if _USAGE.search(event)), b"")
        finish = next((event for event in reversed(ends) if _FINISH.search(event)), b"")
        timings = next((event for event in reversed(ends) if _TIMINGS.search(event)), b"")
        counts = usage_of(usage, timings)
        impossible = impossible_count(counts)
        if counts is None:
            doubt = _NO_COUNTS if _SOME_USAGE.search(usage) else None
        else:
            doubt = None if impossible else counts.doubt or self._not_cumulative(counts)
        error = error_of(self._error or next(filter(fails, self._last), b""))
        usable = None if impossible or doubt else counts
        return StreamSummary(usable, finish_reason_of(finish), error, impossible, doubt)

    def _not_cumulative(self, usage: Usage) -> str | None:
        """Whether usage came with every token event and is that of the event; as far as the counts show it.

        A count that never grows may also be that of the whole answer, which was ready before it was sent.
        """
        counts, events = self._counts, len(self.token_times_s)
        if not counts or len(counts) != events or events < 2:
            return None
        falls = any(later < earlier for earlier, later in pairwise(counts))
        if falls and not exceeds(sum(counts), usage.output_tokens) and not exceeds(usage.output_tokens, sum(counts)):
            return None  # the last one is that of the answer, next to those of each event
        still = counts[0] == counts[-1] == usage.output_tokens and len(set(counts)) == 1
        if falls or (still and exceeds(sum(counts), usage.output_tokens)):
            return _OF_EACH_EVENT
        return None

    def beginning(self) -> str:
        """The message of an answer that is no stream of events, or how it begins."""
        return beginning_of(self._last[0] if self._last else b"")

    def text(self) -> str:
        """The output text, thinking first; needs ``keep``."""
        return "".join(map(text_of, self.kept))

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
        elif ERROR.search(event):
            self._error = event
        elif b"[DONE]" in event:
            self.ended_s = time_s
            if self.at_end is not None:
                self.at_end()
        elif _USAGE.search(event) or _FINISH.search(event):
            self._endings.append((len(self.token_times_s), event))
