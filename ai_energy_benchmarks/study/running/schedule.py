"""Which cell runs when: the orders of the cycles, as the manifest has them or freshly drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import define, field, frozen

from ai_energy_benchmarks.study.cells import Cell
from ai_energy_benchmarks.study.plan.blocks import block_of
from ai_energy_benchmarks.study.plan.order import cycle_orders, design_size
from ai_energy_benchmarks.study.running.enough import headline_j_per_token, relative_half_width
from ai_energy_benchmarks.study.running.judging import completed_document
from ai_energy_benchmarks.study.running.opening import OpenStudy


@frozen
class Turn:
    """One cell in one cycle."""

    cell: Cell
    cycle: int
    position: int


@frozen
class NewOrder:
    """An order that is not in the manifest yet."""

    cycle: int
    seed: int | None
    cells: tuple[str, ...]


@define
class Schedule:
    """The turns of a study, in the order in which they come.

    Attributes:
        new_orders: drawn since the last call of ``next_turns``; they belong into the manifest before the turns run.
    """

    opened: OpenStudy
    new_orders: list[NewOrder] = field(factory=list)
    _orders: dict[int, tuple[str, ...]] = field(factory=dict)
    _given: int = 0

    def __attrs_post_init__(self) -> None:
        if self.opened.manifest is not None:
            self._orders.update(self.opened.manifest.orders)

    def next_turns(self) -> tuple[Turn, ...]:
        """The turns until the next moment at which the study may have enough; none once it has."""
        design = self.opened.study.config.design
        first = self._given + 1
        if first > design.max_cycles or (design.until is not None and self._enough()):
            return ()
        cycles = 1 if design.until is not None else design.max_cycles
        if design.until is not None and design.order == "latin_square":
            cycles = design_size(len(self.opened.cells))
        last = min(self._given + cycles, design.max_cycles)
        self._given = last
        numbers = range(first, last + 1)
        orders = {cycle: self._order(cycle) for cycle in numbers}
        return tuple(_turns(self.opened.cells, orders, by_cell=design.order == "sequential"))

    def _order(self, cycle: int) -> tuple[str, ...]:
        if cycle not in self._orders:
            opened = self.opened
            blocks = self._blocks() if opened.study.config.design.blocks else range(len(opened.cells))
            (drawn,) = cycle_orders(opened.study.config.design, opened.seed, blocks, cycle, 1)
            self._orders[cycle] = tuple(opened.cells[place].id for place in drawn.cells)
            self.new_orders.append(NewOrder(cycle, drawn.seed, self._orders[cycle]))
        return self._orders[cycle]

    def _blocks(self) -> list[str]:
        return [block_of(self.opened.study, cell) for cell in self.opened.cells]

    def _enough(self) -> bool:
        until = self.opened.study.config.design.until
        assert until is not None  # as the caller saw
        if self._given < until.min_cycles:
            return False
        widths = half_widths(self.opened.directory, self.opened.cells, self._given)
        return all(width <= until.relative_half_width for width in widths.values())


def half_widths(directory: Path, cells: tuple[Cell, ...], cycles: int) -> Mapping[str, float]:
    """Cell → relative half-width of its J per output token over the cycles that completed."""
    found = {}
    for cell in cells:
        documents = (_document(cell, directory, cycle) for cycle in range(1, cycles + 1))
        values = (headline_j_per_token(document) for document in documents if document is not None)
        found[cell.id] = relative_half_width([value for value in values if value is not None])
    return found


def _document(cell: Cell, study: Path, cycle: int) -> Mapping[str, object] | None:
    documents = map(completed_document, cell.run_directories(study, cycle))
    return next((document for document in documents if document is not None), None)


def _turns(cells: tuple[Cell, ...], orders: Mapping[int, tuple[str, ...]], *, by_cell: bool) -> Iterator[Turn]:
    known = {cell.id: cell for cell in cells}
    turns = [Turn(known[name], cycle, place) for cycle, order in orders.items() for place, name in enumerate(order)]
    yield from sorted(turns, key=lambda turn: (turn.position, turn.cycle)) if by_cell else turns
