"""Cells of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ai_energy_benchmarks.datasets.cells import Cell, Source, missing_column


def parquet_cells(path: Path, source: Source, count: int) -> Iterator[Cell]:
    """One column, no more than ``count`` rows of it; nothing else is read.

    Raises:
        DatasetError: it is not a Parquet file, or the column is missing or not text.
    """
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    try:
        columns = pl.read_parquet_schema(path)
        if source.column not in columns:
            raise missing_column(source, list(columns))
        found = pl.scan_parquet(path, glob=False).select(source.column).head(count).collect()[source.column]
        if isinstance(found.dtype, pl.Categorical | pl.Enum):
            found = found.cast(pl.String)
        values = found.to_list()
    except (PolarsError, PanicException) as error:  # the latter is how polars ends on some damaged files
        first_line = str(error).strip().splitlines()[:1]
        raise source.error(
            f"not a readable Parquet file: {' '.join(first_line)}", "write the file again, or choose another"
        ) from error
    for number, value in enumerate(values, start=1):
        yield Cell(f"row {number}", value)
