"""A piece of a very long pass in columns: some hundred bytes a request, where objects would take a thousand."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

from attrs import define, field

from ai_energy_benchmarks.domain.completions import Completion, FinishReason, TokenSource

SOURCES: tuple[TokenSource, ...] = ("token_ids", "usage", "retokenised")
REASONS: tuple[FinishReason, ...] = ("stop", "length", "unknown", "cancelled")
# Stands for None, which none of the counts can be.
UNTOLD = -1
# Code → what it stands for.
CODES = {
    SOURCES.index(source) * len(REASONS) + REASONS.index(reason): (source, reason)
    for source in SOURCES
    for reason in REASONS
}
# The code of a request without an answer, which has neither a source of tokens nor an end.
FAILED = 255
# Column → its type code.
WHOLE = {
    "number": "q",
    "prompt_tokens": "q",
    "output_tokens": "q",
    "truncated_prompt_tokens": "i",
    "cached_prompt_tokens": "i",
    "reasoning_tokens": "i",
    "first_event_tokens": "i",
    "budget_tokens": "q",
}
# Column → its type code; of each request one value for each of its token events, or none.
LISTS = {"token_times_s": "d", "event_tokens": "q"}
HASH_BYTES = 32
ROW_BYTES = 110
_values = attrgetter(*WHOLE)
_NO_HASH = bytes(HASH_BYTES)
_LARGEST = 2**31 - 1


def _column(code: str) -> array[int]:
    return array(code)


@define(eq=False)
class Lists:
    """Values of several requests, one after the other; ``ends`` says where those of each request end."""

    values: array[float]
    ends: array[int] = field(factory=lambda: array("q"))

    def add(self, values: Sequence[float]) -> None:
        other = isinstance(values, array) and values.typecode != self.values.typecode
        self.values.extend(values.tolist() if other and isinstance(values, array) else values)
        self.ends.append(len(self.values))

    def __iter__(self) -> Iterator[array[float]]:
        begin, values = 0, self.values
        for end in self.ends:
            yield values[begin:end]
            begin = end

    def at(self, row: int) -> array[float]:
        return self.values[self.ends[row - 1] if row else 0 : self.ends[row]]


@define(eq=False)
class Rows:
    """A piece of the columns: requests one after the other.

    Attributes:
        columns: whole numbers by the names of ``WHOLE``.
        codes: token source and finish reason of each, ``FAILED`` where there is no answer.
        times_s: when each was sent, and when it was finished.
        lists: values for each token event by the names of ``LISTS``.
        hashes: ``HASH_BYTES`` each; zeros where there is none.
    """

    columns: dict[str, array[int]] = field(factory=lambda: {name: _column(code) for name, code in WHOLE.items()})
    codes: bytearray = field(factory=bytearray)
    times_s: array[float] = field(factory=lambda: array("d"))
    lists: dict[str, Lists] = field(factory=lambda: {name: Lists(array(code)) for name, code in LISTS.items()})
    hashes: bytearray = field(factory=bytearray)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def size_bytes(self) -> int:
        """About what they take in memory."""
        return ROW_BYTES * len(self) + 8 * sum(len(each.values) for each in self.lists.values())

    def add(self, done: Completion) -> None:
        """Add a completion of which ``holds`` is true."""
        for column, value in zip(self.columns.values(), _values(done), strict=True):
            column.append(UNTOLD if value is None else value)
        self.codes.append(SOURCES.index(done.token_source) * len(REASONS) + REASONS.index(done.finish_reason))
        self._add_times(done.sent_s, done.finished_s)
        self.lists["token_times_s"].add(done.token_times_s)
        self.lists["event_tokens"].add(done.event_tokens)
        self.hashes += bytes.fromhex(done.rendered_sha256) if done.rendered_sha256 else _NO_HASH

    def add_unknown(self, number: int, sent_s: float, finished_s: float) -> None:
        """Add a request of which the columns hold only the times: it failed, or it is kept elsewhere."""
        for name, column in self.columns.items():
            column.append(number if name == "number" else UNTOLD)
        self.codes.append(FAILED)
        self._add_times(sent_s, finished_s)
        for each in self.lists.values():
            each.add(array("d"))
        self.hashes += _NO_HASH

    def _add_times(self, sent_s: float, finished_s: float) -> None:
        self.times_s.append(sent_s)
        self.times_s.append(finished_s)

    def __iter__(self) -> Iterator[Completion | None]:
        """The completions; None in the place of a request of which the columns hold only the times."""
        hashes = self.hashes.hex()
        width = 2 * HASH_BYTES
        told = [
            [None if value == UNTOLD else value for value in column] if UNTOLD in column else column
            for column in self.columns.values()
        ]
        rows = zip(*told, self.codes, self.times_s[::2], self.times_s[1::2], *self.lists.values(), strict=True)
        for row, values in enumerate(rows):
            yield _completion(hashes[row * width : (row + 1) * width], values)

    @property
    def edges_s(self) -> tuple[float, float]:
        """When the first of them was sent, and when the last of them had ended."""
        return min(self.times_s[::2]), max(self.times_s[1::2])

    @property
    def sources(self) -> set[TokenSource]:
        """Where the tokens of completions come from."""
        return {CODES[code][0] for code in set(self.codes) if code in CODES}

    def rows_from(self, sources: Collection[TokenSource]) -> Iterator[int]:
        """Rows of completions whose tokens come from one of these."""
        codes = {code for code, (source, _) in CODES.items() if source in sources}
        return (row for row, code in enumerate(self.codes) if code in codes)

    def at(self, row: int) -> Completion | None:
        """One of the completions; None where the columns hold only the times."""
        counts = (None if column[row] == UNTOLD else column[row] for column in self.columns.values())
        times_s = self.times_s[2 * row], self.times_s[2 * row + 1]
        lists = (each.at(row) for each in self.lists.values())
        rendered = self.hashes[HASH_BYTES * row : HASH_BYTES * (row + 1)].hex()
        return _completion(rendered, tuple(chain(counts, (self.codes[row],), times_s, lists)))


def _completion(rendered: str, values: tuple[Any, ...]) -> Completion | None:
    number, prompt, output, cut, cached, thinking, first, budget, code, sent_s, finished_s, times_s, carried = values
    if code == FAILED:
        return None
    source, reason = CODES[code]
    return Completion(
        number,
        prompt,
        output,
        source,
        sent_s,
        times_s,
        finished_s,
        reason,
        cut,
        cached,
        thinking,
        first,
        budget,
        carried if len(carried) else (),
        rendered,
    )


def holds(done: Completion) -> bool:
    """Whether the columns hold all of a completion: no text, no ids, a hash, and counts that fit."""
    if done.text or done.amounts or len(done.output_token_ids) or len(done.rendered_sha256) != 2 * HASH_BYTES:
        return False
    _, prompt, output, cut, cached, thinking, first, budget = _values(done)
    # Written out, since this happens in the window: of each request, and of several a millisecond.
    return (
        -1 < prompt <= _LARGEST
        and -1 < output <= _LARGEST
        and -1 < cut <= _LARGEST
        and (cached is None or -1 < cached <= _LARGEST)
        and (thinking is None or -1 < thinking <= _LARGEST)
        and (first is None or -1 < first <= _LARGEST)
        and (budget is None or -1 < budget <= _LARGEST)
    )
