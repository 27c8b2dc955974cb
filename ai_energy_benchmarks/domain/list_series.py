"""Columns whose cells are lists, made from all values one after the other: a series for each cell takes far longer."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars


def of_cells(name: str, cells: Sequence[Sequence[float] | None], code: str) -> polars.Series:
    """One list for each cell; null where there is none.

    Args:
        code: type code of the values: ``d`` for floats, ``q`` for whole numbers.
    """
    import polars

    values: array[float] = array(code)
    for cell in cells:
        if cell is not None:
            values.extend(cell.tolist() if isinstance(cell, array) and cell.typecode != code else cell)
    lengths = polars.Series([0 if cell is None else len(cell) for cell in cells], dtype=polars.Int64)
    lists = of_lengths(name, values, lengths)
    absent = polars.Series([cell is None for cell in cells], dtype=polars.Boolean)
    return lists.to_frame().select(polars.when(~absent).then(polars.col(name)).alias(name))[name]


def of_lengths(name: str, values: array[float], lengths: polars.Series) -> polars.Series:
    """A list for each length, from all values one after the other."""
    import polars

    rows = polars.int_range(len(lengths), eager=True)
    some = lengths > 0
    owners = rows.filter(some).repeat_by(lengths.filter(some)).explode().cast(rows.dtype).set_sorted()
    kind = polars.Float64 if values.typecode == "d" else polars.Int64
    flat = polars.DataFrame({"row": owners, name: polars.Series(values=values, dtype=kind)})
    grouped = flat.group_by("row", maintain_order=True).agg(name)
    if len(grouped) == len(rows):
        return grouped[name]
    joined = polars.DataFrame({"row": rows}).join(grouped, on="row", how="left", maintain_order="left")
    return joined[name].fill_null([])
