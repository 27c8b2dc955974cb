"""Parquet files of results, which may come from anyone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ai_energy_benchmarks.safety.files import refuse_special

if TYPE_CHECKING:
    import polars


def read_frame(file: Path) -> polars.DataFrame:
    """The table in a Parquet file.

    Raises:
        OSError: it cannot be read, or is a pipe or a device.
        polars.exceptions.PolarsError: it is no whole Parquet file.
    """
    import polars

    refuse_special(file)
    try:
        return polars.read_parquet(file, glob=False)
    except polars.exceptions.PanicException as error:  # on some damaged files, and no Exception
        raise polars.exceptions.ComputeError(f"{file} is damaged: {error}") from None
