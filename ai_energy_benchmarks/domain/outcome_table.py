"""The outcomes of a very long pass in columns.

They are kept in pieces, so that those past a budget of memory can go to disk while the pass goes on.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar, cast, overload

from attrs import define, field

from ai_energy_benchmarks.domain.completions import Completion, Outcome, TokenSource
from ai_energy_benchmarks.domain.outcome_rows import Rows, holds
from ai_energy_benchmarks.domain.outcomes import Outcomes, as_outcomes

# A piece ends here, or at ``piece_rows``, so that writing one holds nothing up and reading one again is cheap.
_PIECE_BYTES = 4 * 2**20
_LAST_READ = 4  # pieces kept after reading; neighbours of a request lie in neighbouring pieces

T = TypeVar("T")


class Shelf(Protocol):
    """Where pieces go for which there is no room."""

    problem: str

    def put(self, rows: Rows) -> Callable[[], Rows]:
        """Begin to store a piece, without waiting; the result brings it back."""
        ...


@define(eq=False)
class OutcomeTable(Outcomes):
    """Outcomes in the order in which they were added, in columns; objects are made whenever they are asked for.

    Failures, and completions that carry a text or token ids, are kept as they are: there are few of the first in a
    run worth having, and none of the second from a server that counts its tokens.

    Attributes:
        shelf: takes the oldest pieces once all together are larger than ``budget_bytes``; None keeps them here.
        piece_rows: how many rows a piece has at most.
        shelved_rows: how many the shelf was given.
    """

    shelf: Shelf | None = None
    budget_bytes: int = 0
    piece_rows: int = 4096
    shelved_rows: int = 0
    _failed: int = 0
    _pieces: list[Rows | Callable[[], Rows]] = field(factory=lambda: [Rows()])
    _starts: list[int] = field(factory=lambda: [0])
    _here: list[int] = field(factory=list)  # pieces that are full and not shelved
    _here_bytes: int = 0
    _read: dict[int, Rows] = field(factory=dict)
    _numbers: array[int] = field(factory=lambda: array("q"))
    _whole: dict[int, Outcome] = field(factory=dict)
    _order: array[int] | None = None
    _memory: dict[Hashable, object] = field(factory=dict, init=False, repr=False)

    @property
    def failed(self) -> int:
        return self._failed

    @property
    def problem(self) -> str:
        return "" if self.shelf is None else self.shelf.problem

    @property
    def in_pieces(self) -> bool:
        return True

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._memory:
            self._memory[key] = make()
        return cast("T", self._memory[key])

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        self._memory.clear()
        for outcome in outcomes:
            last = self._pieces[-1]
            assert isinstance(last, Rows), "only full pieces are shelved"
            if isinstance(outcome, Completion) and holds(outcome):
                last.add(outcome)
            else:
                self._whole[len(self)] = outcome
                self._failed += not isinstance(outcome, Completion)
                last.add_unknown(outcome.number, outcome.sent_s, outcome.finished_s)
            self._numbers.append(outcome.number)
            if len(last) >= self.piece_rows or last.size_bytes >= _PIECE_BYTES:
                self._end_piece(last)

    def _end_piece(self, last: Rows) -> None:
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

    def finish(self, finished: Callable[[Outcome], Outcome], sources: Collection[TokenSource] | None = None) -> None:
        self._memory.clear()
        self._order = array("q", sorted(range(len(self)), key=self._numbers.__getitem__))
        for position in range(len(self)) if sources is None else self._from(sources):
            before = self._at(position)
            after = finished(before)
            if after is not before:
                self._whole[position] = after
                self._failed += isinstance(before, Completion) - isinstance(after, Completion)

    def _from(self, sources: Collection[TokenSource]) -> list[int]:
        """Positions of completions whose tokens come from one of these, and of all that are kept as they are."""
        found = set(self._whole)
        for number, start in enumerate(self._starts):
            found.update(start + row for row in self._piece(number).rows_from(sources))
        return sorted(found)

    def spans_s(self) -> Iterator[tuple[float, float, float]]:
        """In the order in which they were added."""
        for number, start in enumerate(self._starts):
            for position, span in enumerate(self._piece(number).spans_s(), start):
                yield next(as_outcomes((self._whole[position],)).spans_s()) if position in self._whole else span

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Outcome]:
        if self._order is None:
            return self._in_order(range(len(self)))
        return self._in_order(self._order)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...

    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        positions = (range(len(self)) if self._order is None else self._order)[index]
        return self._at(positions) if isinstance(positions, int) else tuple(self._in_order(positions))

    def _in_order(self, positions: Sequence[int]) -> Iterator[Outcome]:
        """The outcomes at these positions; pieces are made into objects as a whole, a few of them at a time."""
        made: dict[int, list[Completion | None]] = {}
        for position in positions:
            outcome = self._whole.get(position)
            if outcome is None:
                piece = bisect_right(self._starts, position) - 1
                if piece not in made:
                    while len(made) >= _LAST_READ:
                        del made[next(iter(made))]
                    made[piece] = list(self._piece(piece))
                outcome = made[piece][position - self._starts[piece]]
                assert outcome is not None, "what the columns do not hold is kept as it is"
            yield outcome

    def _at(self, position: int) -> Outcome:
        if position in self._whole:
            return self._whole[position]
        piece = bisect_right(self._starts, position) - 1
        outcome = self._piece(piece).at(position - self._starts[piece])
        assert outcome is not None, "what the columns do not hold is kept as it is"
        return outcome

    def _piece(self, number: int) -> Rows:
        piece = self._pieces[number]
        if isinstance(piece, Rows):
            return piece
        if number not in self._read:
            while len(self._read) >= _LAST_READ:
                del self._read[next(iter(self._read))]
            self._read[number] = piece()
        return self._read[number]
