"""Cells of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ai_energy_benchmarks.datasets.cells import Cell, Source, missing_column


def parquet_cells(path: Path, source: Source, count: int) -> Iterator[Cell]:
    """One column, read in portions of ``count`` rows; nothing else is read.

    Raises:
        DatasetError: it is not a Parquet file, or the column is missing.
    """
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    number = 0
    try:
        columns = pl.read_parquet_schema(path)
        if source.column not in columns:
            raise missing_column(source, list(columns))
        column = pl.scan_parquet(path, glob=False).select(source.column)
        if isinstance(columns[source.column], pl.Categorical | pl.Enum):
            column = column.cast(pl.String)
        while values := column.slice(number, count).collect()[source.column].to_list():
            for value in values:
                number += 1
                yield Cell(f"row {number}", value)
    except (PolarsError, PanicException) as error:  # the latter is how polars ends on some damaged files
        first_line = str(error).strip().splitlines()[:1]
        raise source.error(
            f"not a readable Parquet file: {' '.join(first_line)}", "write the file again, or choose another"
        ) from error
