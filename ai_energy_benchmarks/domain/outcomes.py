"""The outcomes of a very long pass in columns: some hundred bytes a request, where objects would take a thousand."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import overload

from attrs import define, field

from ai_energy_benchmarks.domain.completions import (
    Completion,
    FailedCompletion,
    FinishReason,
    Outcome,
    TokenSource,
)

# A pass with more requests than this is kept in columns.
MANY_REQUESTS = 100_000

_SOURCES: tuple[TokenSource, ...] = ("token_ids", "usage", "retokenised")
_REASONS: tuple[FinishReason, ...] = ("stop", "length", "unknown")
_UNTOLD = -1
# Column → its type code; -1 stands for None, which none of these counts can be.
_WHOLE = {
    "number": "q",
    "prompt_tokens": "q",
    "output_tokens": "q",
    "truncated_prompt_tokens": "i",
    "cached_prompt_tokens": "i",
    "reasoning_tokens": "i",
    "first_event_tokens": "i",
}
_values = attrgetter(*_WHOLE)
_HASH_BYTES = 32


@define(eq=False)
class OutcomeTable(Sequence[Outcome]):
    """Outcomes in the order in which they were added; each is made anew whenever it is asked for.

    Failures, and completions that carry a text or token ids, are kept as they are: there are few of the first in a
    run worth having, and none of the second from a server that counts its tokens.
    """

    _columns: dict[str, array[int]] = field(factory=lambda: {name: array(code) for name, code in _WHOLE.items()})
    _codes: bytearray = field(factory=bytearray)
    _times_s: array[float] = field(factory=lambda: array("d"))  # sent, finished
    _token_times_s: array[float] = field(factory=lambda: array("d"))
    _ends: array[int] = field(factory=lambda: array("q"))
    _hashes: bytearray = field(factory=bytearray)
    _whole: dict[int, Outcome] = field(factory=dict)
    _order: array[int] | None = None
    failed: int = 0

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Add outcomes at the end."""
        for outcome in outcomes:
            if isinstance(outcome, Completion) and _fits(outcome):
                self._add(outcome)
            else:
                self._keep(outcome)

    def _keep(self, outcome: Outcome) -> None:
        self._whole[len(self)] = outcome
        self.failed += not isinstance(outcome, Completion)
        self._add(Completion(outcome.number, 0, 0, "usage", outcome.sent_s, (), outcome.finished_s, "unknown"))

    def _add(self, done: Completion) -> None:
        for column, value in zip(self._columns.values(), _values(done), strict=True):
            column.append(_UNTOLD if value is None else value)
        self._codes.append(_SOURCES.index(done.token_source) * len(_REASONS) + _REASONS.index(done.finish_reason))
        self._times_s.extend((done.sent_s, done.finished_s))
        self._token_times_s.extend(done.token_times_s)
        self._ends.append(len(self._token_times_s))
        self._hashes += bytes.fromhex(done.rendered_sha256) if done.rendered_sha256 else bytes(_HASH_BYTES)

    def finish(self, finished: Callable[[Outcome], Outcome]) -> None:
        """Order the outcomes by their numbers, and put in the place of each what ``finished`` makes of it."""
        self._order = array("q", sorted(range(len(self)), key=self._columns["number"].__getitem__))
        for position in range(len(self)):
            before = self._at(position)
            after = finished(before)
            if after is not before:
                self._whole[position] = after
                self.failed += isinstance(before, Completion) - isinstance(after, Completion)

    @property
    def completions(self) -> Completions:
        """Those that succeeded, made anew whenever they are asked for."""
        return Completions(self)

    @property
    def failures(self) -> tuple[FailedCompletion, ...]:
        """Those that failed."""
        return tuple(each for each in self if isinstance(each, FailedCompletion)) if self.failed else ()

    def __len__(self) -> int:
        return len(self._codes)

    def __iter__(self) -> Iterator[Outcome]:
        return map(self._at, self._positions)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...

    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        positions = self._positions[index]
        return self._at(positions) if isinstance(positions, int) else tuple(map(self._at, positions))

    @property
    def _positions(self) -> Sequence[int]:
        """Where each outcome stands in the columns."""
        return range(len(self)) if self._order is None else self._order

    def _at(self, position: int) -> Outcome:
        if position in self._whole:
            return self._whole[position]
        counts = {name: column[position] for name, column in self._columns.items()}
        source, reason = divmod(self._codes[position], len(_REASONS))
        first = self._ends[position - 1] if position else 0
        return Completion(
            **{name: None if value == _UNTOLD else value for name, value in counts.items()},  # type: ignore[arg-type] # only counts that may be
            token_source=_SOURCES[source],
            sent_s=self._times_s[2 * position],
            token_times_s=self._token_times_s[first : self._ends[position]],
            finished_s=self._times_s[2 * position + 1],
            finish_reason=_REASONS[reason],
            rendered_sha256=self._hashes[_HASH_BYTES * position : _HASH_BYTES * (position + 1)].hex(),
        )


def _fits(done: Completion) -> bool:
    """Whether the columns hold all of it."""
    return not done.text and not len(done.output_token_ids) and len(done.rendered_sha256) == 2 * _HASH_BYTES


@define(eq=False)
class Completions(Sequence[Completion]):
    """The completions of a table, without copying them."""

    _table: OutcomeTable

    def __len__(self) -> int:
        return len(self._table) - self._table.failed

    def __iter__(self) -> Iterator[Completion]:
        return (each for each in self._table if isinstance(each, Completion))

    @overload
    def __getitem__(self, index: int) -> Completion: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Completion]: ...

    def __getitem__(self, index: int | slice) -> Completion | Sequence[Completion]:
        return tuple(self)[index]
