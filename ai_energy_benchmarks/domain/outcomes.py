"""The outcomes of a very long pass in columns: some hundred bytes a request, where objects would take a thousand.

Columns are kept in pieces, so that those past a budget of memory can go to disk while the pass goes on.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Protocol, overload

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

SOURCES: tuple[TokenSource, ...] = ("token_ids", "usage", "retokenised")
REASONS: tuple[FinishReason, ...] = ("stop", "length", "unknown", "cancelled")
UNTOLD = -1
# Column → its type code; -1 stands for None, which none of these counts can be.
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
HASH_BYTES = 32
_values = attrgetter(*WHOLE)
# A piece ends here, or at ``piece_rows``, so that writing one holds nobody up and reading one again is cheap.
_PIECE_BYTES = 4 * 2**20
_ROW_BYTES = 100
_LAST_READ = 4  # pieces kept after reading; neighbours of a request lie in neighbouring pieces


@define(eq=False)
class Rows:
    """A piece of the columns: completions one after the other.

    Attributes:
        columns: whole numbers by the names of ``WHOLE``.
        codes: token source and finish reason of each.
        times_s: when each was sent, and when it was finished.
        token_times_s: those of all, one after the other.
        ends: where those of each end.
        hashes: ``HASH_BYTES`` each; zeros where there is none.
    """

    columns: dict[str, array[int]] = field(factory=lambda: {name: array(code) for name, code in WHOLE.items()})
    codes: bytearray = field(factory=bytearray)
    times_s: array[float] = field(factory=lambda: array("d"))
    token_times_s: array[float] = field(factory=lambda: array("d"))
    ends: array[int] = field(factory=lambda: array("q"))
    hashes: bytearray = field(factory=bytearray)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def size_bytes(self) -> int:
        """About what they take in memory."""
        return _ROW_BYTES * len(self) + self.token_times_s.itemsize * len(self.token_times_s)

    def add(self, done: Completion) -> None:
        for column, value in zip(self.columns.values(), _values(done), strict=True):
            column.append(UNTOLD if value is None else value)
        self.codes.append(SOURCES.index(done.token_source) * len(REASONS) + REASONS.index(done.finish_reason))
        self.times_s.extend((done.sent_s, done.finished_s))
        self.token_times_s.extend(done.token_times_s)
        self.ends.append(len(self.token_times_s))
        self.hashes += bytes.fromhex(done.rendered_sha256) if done.rendered_sha256 else bytes(HASH_BYTES)

    def at(self, row: int) -> Completion:
        counts = {name: column[row] for name, column in self.columns.items()}
        source, reason = divmod(self.codes[row], len(REASONS))
        first = self.ends[row - 1] if row else 0
        return Completion(
            **{name: None if value == UNTOLD else value for name, value in counts.items()},  # type: ignore[arg-type] # only counts that may be
            token_source=SOURCES[source],
            sent_s=self.times_s[2 * row],
            token_times_s=self.token_times_s[first : self.ends[row]],
            finished_s=self.times_s[2 * row + 1],
            finish_reason=REASONS[reason],
            rendered_sha256=self.hashes[HASH_BYTES * row : HASH_BYTES * (row + 1)].hex(),
        )


class Shelf(Protocol):
    """Where pieces go for which there is no room."""

    def put(self, rows: Rows) -> Callable[[], Rows]:
        """Begin to store a piece, without waiting; the result brings it back."""
        ...


@define(eq=False)
class OutcomeTable(Sequence[Outcome]):
    """Outcomes in the order in which they were added; each is made anew whenever it is asked for.

    Failures, and completions that carry a text or token ids, are kept as they are: there are few of the first in a
    run worth having, and none of the second from a server that counts its tokens.

    Attributes:
        shelf: takes the oldest pieces once all together are larger than ``budget_bytes``; None keeps them here.
        piece_rows: how many rows a piece has at most.
        shelved_rows: how many the shelf was given.
        failed: how many outcomes are failures.
    """

    shelf: Shelf | None = None
    budget_bytes: int = 0
    piece_rows: int = 4096
    shelved_rows: int = 0
    failed: int = 0
    _pieces: list[Rows | Callable[[], Rows]] = field(factory=lambda: [Rows()])
    _starts: list[int] = field(factory=lambda: [0])
    _here: list[int] = field(factory=list)  # pieces that are full and not shelved
    _here_bytes: int = 0
    _read: dict[int, Rows] = field(factory=dict)
    _numbers: array[int] = field(factory=lambda: array("q"))
    _whole: dict[int, Outcome] = field(factory=dict)
    _order: array[int] | None = None

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
        last = self._pieces[-1]
        assert isinstance(last, Rows), "only full pieces are shelved"
        last.add(done)
        self._numbers.append(done.number)
        if len(last) >= self.piece_rows or last.size_bytes >= _PIECE_BYTES:
            self._here.append(len(self._pieces) - 1)
            self._here_bytes += last.size_bytes
            self._pieces.append(Rows())
            self._starts.append(len(self))
            self._make_room()

    def _make_room(self) -> None:
        while self.shelf is not None and self._here and self._here_bytes > self.budget_bytes:
            oldest = self._here.pop(0)
            rows = self._pieces[oldest]
            assert isinstance(rows, Rows), "it is here"
            self._here_bytes -= rows.size_bytes
            self.shelved_rows += len(rows)
            self._pieces[oldest] = self.shelf.put(rows)

    def finish(self, finished: Callable[[Outcome], Outcome]) -> None:
        """Order the outcomes by their numbers, and put in the place of each what ``finished`` makes of it."""
        self._order = array("q", sorted(range(len(self)), key=self._numbers.__getitem__))
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
        return len(self._numbers)

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
        piece = bisect_right(self._starts, position) - 1
        return self._piece(piece).at(position - self._starts[piece])

    def _piece(self, number: int) -> Rows:
        piece = self._pieces[number]
        if isinstance(piece, Rows):
            return piece
        if number not in self._read:
            while len(self._read) >= _LAST_READ:
                del self._read[next(iter(self._read))]
            self._read[number] = piece()
        return self._read[number]


def _fits(done: Completion) -> bool:
    """Whether the columns hold all of it."""
    return not done.text and not len(done.output_token_ids) and len(done.rendered_sha256) == 2 * HASH_BYTES


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
