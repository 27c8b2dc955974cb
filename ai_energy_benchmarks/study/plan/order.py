"""In which order the cells of a study run in each cycle.

``latin_square`` is the design of Williams (E. J. Williams, "Experimental designs balanced for the estimation of
residual effects of treatments", Australian Journal of Scientific Research A 2 (1949) 149-168): every cell stands in
every place equally often, and every cell directly follows every other equally often, so that what one cell leaves
behind (heat, a full cache) falls on all others alike. An even number of cells k takes k cycles, an odd one 2k.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from attrs import frozen

from ai_energy_benchmarks.study.plan.design import DesignConfig
from ai_energy_benchmarks.text.problems import Problem


@frozen
class CycleOrder:
    """The order of one cycle.

    Attributes:
        cells: positions in the list of cells; a permutation.
        seed: of the draw; None where nothing was drawn.
    """

    cells: tuple[int, ...]
    seed: int | None = None


def williams_row(count: int, row: int) -> tuple[int, ...]:
    """One row, which is the order of one cycle, of a Williams design for ``count`` cells.

    The first row is 0, 1, k-1, 2, k-2, …, whose neighbouring differences are all different; each further row adds 1
    modulo k. For odd k the mirrored rows follow, since the differences then come in pairs.
    """
    first = [0]
    for step in range(1, count):
        first.append((step + 1) // 2 if step % 2 else count - step // 2)
    shifted = tuple((place + row) % count for place in first)
    return shifted if row < count else shifted[::-1]


def design_size(count: int) -> int:
    """How many cycles a Williams design for so many cells takes."""
    return count if count % 2 == 0 or count == 1 else 2 * count


def order_problems(design: DesignConfig, count: int) -> tuple[Problem, ...]:
    """Why the order contradicts the rest of the design; for a Williams design with the numbers of cycles that fit."""
    if design.order == "sequential" and design.until:
        text = "looks at all cells after each cycle, and order: sequential has no cycles; choose another order"
        return (Problem(("design", "until"), text),)
    if design.order != "latin_square":
        return ()
    if design.blocks:
        return (Problem(("design", "blocks"), "takes the balance from order: latin_square; keep one"),)
    size, cycles = design_size(count), design.max_cycles
    if cycles % size == 0:
        return ()
    key = ("design", "until", "max_cycles") if design.until else ("design", "cycles")
    below, above = cycles // size * size, (cycles // size + 1) * size
    fitting = " or ".join(str(each) for each in (below, above) if each)
    text = (
        f"a Williams design of {count} cells takes a multiple of {size} cycles, got {cycles}; "
        f"write {fitting}, or order: shuffle"
    )
    return (Problem(key, text),)


def cycle_orders(
    design: DesignConfig, seed: int, blocks: Sequence[object], first: int, cycles: int
) -> list[CycleOrder]:
    """The orders of some cycles.

    Args:
        seed: of the study; the orders of a cycle depend on it and on the cycle's number alone.
        blocks: for each cell, the block it belongs to; looked at only where ``design.blocks`` keeps them together.
        first: number of the first of these cycles, from 1.
        cycles: how many.
    """
    return [_order(design, seed, blocks, cycle) for cycle in range(first, first + cycles)]


def _order(design: DesignConfig, seed: int, blocks: Sequence[object], cycle: int) -> CycleOrder:
    count = len(blocks)
    cells = tuple(range(count))
    match design.order:
        case "interleave" | "sequential":
            drawn = CycleOrder(cells)
        case "reverse":
            drawn = CycleOrder(cells if cycle % 2 else cells[::-1])
        case "latin_square":
            drawn = _latin_row(count, seed, cycle)
        case "shuffle":
            drawn = _shuffled(count, seed, cycle)
    return CycleOrder(_together(drawn.cells, blocks), drawn.seed) if design.blocks else drawn


def _shuffled(count: int, seed: int, cycle: int) -> CycleOrder:
    fresh = _seed_of(seed, cycle)
    cells = list(range(count))
    random.Random(fresh).shuffle(cells)
    return CycleOrder(tuple(cells), fresh)


def _latin_row(count: int, seed: int, cycle: int) -> CycleOrder:
    """Which cell has which letter and which row comes first are drawn, for each design of ``design_size`` cycles."""
    size = design_size(count)
    fresh = _seed_of(seed, -1 - (cycle - 1) // size)
    draw = random.Random(fresh)
    letters, rows = list(range(count)), list(range(size))
    draw.shuffle(letters)
    draw.shuffle(rows)
    row = williams_row(count, rows[(cycle - 1) % size])
    return CycleOrder(tuple(letters[place] for place in row), fresh)


def _seed_of(seed: int, number: int) -> int:
    return random.Random(f"{seed}:{number}").getrandbits(63)


def _together(cells: Sequence[int], blocks: Sequence[object]) -> tuple[int, ...]:
    """Blocks in the order of their first cells, the cells of each in their own order."""
    grouped: dict[object, list[int]] = {}
    for cell in cells:
        grouped.setdefault(blocks[cell], []).append(cell)
    return tuple(cell for block in grouped.values() for cell in block)
