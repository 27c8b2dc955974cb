"""The outcomes of a very long pass in columns.

They are kept in pieces, so that those past a budget of memory can go to disk while the pass goes on.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, cast, overload

from attrs import define, field, frozen

from ai_energy_benchmarks.domain.blocks import Blocks
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome, TokenSource
from ai_energy_benchmarks.domain.outcome_frames import frame_of, rows_of, with_times
from ai_energy_benchmarks.domain.outcome_rows import Rows, holds
from ai_energy_benchmarks.domain.outcomes import PART_ROWS, Outcomes, begun_s

if TYPE_CHECKING:
    import polars

# A piece ends here, or at ``piece_rows``, so that writing one holds nothing up and reading one again is cheap.
_PIECE_BYTES = 4 * 2**20
_LAST_READ = 4  # pieces kept after reading; neighbours of a request lie in neighbouring pieces

T = TypeVar("T")


class Shelf(Protocol):
    """Where pieces go for which there is no room."""

    problem: str

    def put(self, rows: Rows) -> Callable[[], polars.DataFrame]:
        """Begin to store a piece, without waiting; the result brings it back as a table of ``outcome_frames``."""
        ...

    def wait(self) -> None:
        """Return when every piece is stored, and its rows have left the memory."""
        ...


@frozen
class _Facts:
    """What is asked of a piece so often, or of so many, that it must not be read again.

    Attributes:
        edges_s: when the first request was sent, and when the last one had ended; of no request never and never.
        sources: where the tokens of completions come from.
    """

    edges_s: tuple[float, float]
    sources: frozenset[TokenSource]

    @classmethod
    def of(cls, rows: Rows) -> _Facts:
        return cls(rows.edges_s if len(rows) else (math.inf, -math.inf), frozenset(rows.sources))


@define(eq=False)
class OutcomeTable(Outcomes):
    """Outcomes in the order in which they were added, in columns; objects are made whenever they are asked for.

    Failures, and completions that carry a text or token ids, are kept as they are: there are few of the first in a
    run worth having, and none of the second from a server that counts its tokens.

    Attributes:
        shelf: takes the oldest pieces once all together are larger than ``budget_bytes``; None keeps them here.
        piece_rows: how many rows a piece has at most.
        shelved_rows: how many the shelf was given while outcomes were added; then it gets the others too.
    """

    shelf: Shelf | None = None
    budget_bytes: int = 0
    piece_rows: int = 4096
    shelved_rows: int = 0
    _failed: int = 0
    _pieces: list[Rows | Callable[[], polars.DataFrame]] = field(factory=lambda: [Rows()])
    _starts: list[int] = field(factory=lambda: [0])
    _known: list[_Facts] = field(factory=list)  # of the pieces that are full
    _here: list[int] = field(factory=list)  # pieces that are full and not shelved
    _here_bytes: int = 0
    _read: dict[int, Rows] = field(factory=dict)
    _numbers: Blocks = field(factory=lambda: Blocks("q"))
    _whole: dict[int, Outcome] = field(factory=dict)
    _beyond: set[int] = field(factory=set)  # positions of which the columns hold something else, or not all
    _order: polars.Series | None = None
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
                if isinstance(outcome, Completion):
                    self._beyond.add(len(self))
                else:
                    self._failed += 1
                last.add_unknown(outcome.number, outcome.sent_s, outcome.finished_s)
            self._numbers.append(outcome.number)
            if len(last) >= self.piece_rows or last.size_bytes >= _PIECE_BYTES:
                self._end_piece(last)

    def _end_piece(self, last: Rows) -> None:
        self._known.append(_Facts.of(last))
        self._here.append(len(self._pieces) - 1)
        self._here_bytes += last.size_bytes
        self._pieces.append(Rows())
        self._starts.append(len(self))
        self._make_room()

    def _make_room(self) -> None:
        while self.shelf is not None and self._here and self._here_bytes > self.budget_bytes:
            self.shelved_rows += self._put_oldest(self.shelf)

    def _put_oldest(self, shelf: Shelf) -> int:
        """Give the oldest piece that is here to the shelf; how many rows it has."""
        oldest = self._here.pop(0)
        rows = self._pieces[oldest]
        assert isinstance(rows, Rows), "it is here"
        self._here_bytes -= rows.size_bytes
        self._pieces[oldest] = shelf.put(rows)
        return len(rows)

    def finish(self, finished: Callable[[Outcome], Outcome], sources: Collection[TokenSource] | None = None) -> None:
        self._memory.clear()
        self._order = _order(self._numbers)
        while self.shelved_rows and self._here and self.shelf is not None:
            # From here on pieces are read again one after the other, and other passes need their own room.
            self._put_oldest(self.shelf)
        if self.shelved_rows and self.shelf is not None:
            self.shelf.wait()  # figures take room of their own from here on
        for position in range(len(self)) if sources is None else self._from(sources):
            before = self._at(position)
            after = finished(before)
            if after is not before:
                self._whole[position] = after
                self._beyond.add(position)
                self._failed += isinstance(before, Completion) - isinstance(after, Completion)

    def _from(self, sources: Collection[TokenSource]) -> list[int]:
        """Positions of completions whose tokens come from one of these, and of all that are kept as they are."""
        found = set(self._whole)
        for number, start in enumerate(self._starts):
            if not self._facts(number).sources.isdisjoint(sources):
                found.update(start + row for row in self._piece(number).rows_from(sources))
        return sorted(found)

    def first_begun_s(self, count: int) -> list[float]:
        first: list[tuple[float, int, float]] = []
        for number in sorted(range(len(self._pieces)), key=lambda number: self._facts(number).edges_s[0]):
            if len(first) == count and first[-1][0] < self._facts(number).edges_s[0]:
                break  # most pieces stay on the disk
            outcomes = enumerate(self._in_order(self._positions(number)), self._starts[number])
            spans = [(outcome.sent_s, position, begun_s(outcome)) for position, outcome in outcomes]
            first = sorted((*first, *spans))[:count]
        return [span[2] for span in first]

    def last_finished_s(self) -> float:
        return max(self._facts(number).edges_s[1] for number in range(len(self._pieces)))

    def parts(self) -> Iterator[polars.DataFrame | Sequence[Outcome]]:
        import polars

        every = polars.int_range(len(self), eager=True) if self._order is None else self._order
        starts = polars.Series(self._starts, dtype=polars.Int64)
        tables: dict[int, polars.DataFrame] = {}
        for first in range(0, len(self), PART_ROWS):
            positions = every[first : first + PART_ROWS]
            if self._beyond and not self._beyond.isdisjoint(positions.to_list()):
                yield tuple(self._in_order(positions))
                continue
            pieces = starts.search_sorted(positions, side="right") - 1
            # Requests end about in the order of their numbers, so neighbouring parts share a piece or two.
            tables = {piece: tables[piece] if piece in tables else self._table(piece) for piece in pieces.unique()}
            shifts, length = [0] * len(starts), 0  # from a position to its row in all of the tables together
            for piece, table in tables.items():
                shifts[piece] = length - self._starts[piece]
                length += len(table)
            rows = positions + polars.Series(shifts, dtype=polars.Int64)[pieces]
            yield with_times(polars.concat(tables.values())[rows]).with_columns(self._reasons(positions))

    def _reasons(self, positions: polars.Series) -> polars.Series:
        import polars

        if self._whole:
            return polars.Series("reason", map(self._reason, positions), dtype=polars.String)
        return polars.repeat(None, len(positions), dtype=polars.String, eager=True).alias("reason")

    def _reason(self, position: int) -> str | None:
        outcome = self._whole.get(position)
        if not isinstance(outcome, FailedCompletion):
            return None
        return outcome.reason.encode("utf-8", "replace").decode()  # no table holds a lone surrogate

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

    def _in_order(self, positions: Iterable[int]) -> Iterator[Outcome]:
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
            self._read[number] = rows_of(piece())
        return self._read[number]

    def _facts(self, number: int) -> _Facts:
        if number < len(self._known):
            return self._known[number]
        last = self._pieces[number]
        assert isinstance(last, Rows), "only full pieces are shelved"
        return _Facts.of(last)

    def _positions(self, number: int) -> range:
        return range(self._starts[number], (*self._starts, len(self))[number + 1])

    def _table(self, number: int) -> polars.DataFrame:
        piece = self._pieces[number]
        return frame_of(piece) if isinstance(piece, Rows) else piece()


def _order(numbers: Blocks) -> polars.Series:
    """Where the smallest of them stands, then the next one; of equal ones the first comes first."""
    rows = numbers.series("number").to_frame().with_row_index()
    return rows.sort("number", maintain_order=True)["index"]
