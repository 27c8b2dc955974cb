"""Numbers as they come, of which there may be millions."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    import polars

# Of 8 bytes each: a mebibyte.
_BLOCK = 2**17


@define(eq=False)
class Blocks:
    """An array that grows by blocks.

    One that grows as a whole is copied to where there is room for all of it, and leaves a hole in memory each time.

    Attributes:
        code: type code of the numbers: ``d``, ``q`` or ``Q``, as ``array`` has it.
    """

    code: str
    _full: list[array[float] | polars.Series] = field(factory=list)
    _in_full: int = 0
    _last: array[float] = field(init=False)

    @_last.default
    def _first(self) -> array[float]:
        return array(self.code)

    def append(self, number: float) -> None:
        """Add a number at the end."""
        self._last.append(number)
        if len(self._last) >= _BLOCK:
            self._begin()

    def extend(self, numbers: Iterable[float]) -> None:
        """Add numbers at the end."""
        self._last.extend(numbers)
        if len(self._last) >= _BLOCK:
            self._begin()

    def extend_column(self, numbers: polars.Series) -> None:
        """Add the numbers of a column of this type at the end; they become a block as they are."""
        if len(self._last):
            self._begin()
        self._full.append(numbers)
        self._in_full += len(numbers)

    def _begin(self) -> None:
        self._full.append(self._last)
        self._in_full += len(self._last)
        self._last = array(self.code)

    def clear(self) -> None:
        """Remove all."""
        self._full.clear()
        self._in_full, self._last = 0, array(self.code)

    def copy(self) -> Blocks:
        """The same numbers; what is added to one is not in the other."""
        copied = Blocks(self.code, self._full.copy(), self._in_full)
        copied.extend(self._last)
        return copied

    def series(self, name: str = "") -> polars.Series:
        """All of them as a column of the frame library."""
        import polars

        kind = {"d": polars.Float64, "q": polars.Int64, "Q": polars.UInt64}[self.code]
        return polars.concat(polars.Series(name, block, dtype=kind) for block in (*self._full, self._last))

    def __len__(self) -> int:
        return self._in_full + len(self._last)

    def __iter__(self) -> Iterator[float]:
        return chain.from_iterable(map(_numbers, (*self._full, self._last)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocks) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # they change


def _numbers(block: array[float] | polars.Series) -> Iterable[float]:
    """Those of a block; one of the frame library makes a Python number faster in a list than in turn."""
    return block if isinstance(block, array) else block.to_list()
