"""A CSV table that rows are added to by column name, from several processes at once."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.results.run_directory import try_lock
from ai_energy_benchmarks.results.writing import replacing, write_errors
from ai_energy_benchmarks.safety.secrets import blanked

try:
    import fcntl
except ImportError:  # Windows has no advisory locks; one writer at a time there
    fcntl = None  # type: ignore[assignment]

_LOCK_PATIENCE_S = 5.0
_LOCK_LOOK_S = 0.02


def append_row(path: Path, row: Mapping[str, str]) -> None:
    """Add one row, each value under the column of its name.

    Columns that the table lacks are added at its right end, empty in the rows before. No earlier cell moves or
    changes. The table is replaced as a whole, so a reader never sees half a row.

    Args:
        path: the table; made if it is not there.
        row: column → value; a column that is not named stays empty.

    Raises:
        ReporterError: the file cannot be read as CSV, or cannot be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as file:
            header, rows = _read(path, file)
            columns = _widened(header, rows, row)
            with replacing(path) as temporary, temporary.open("x", encoding="utf-8", newline="") as out:
                # CRLF, as RFC 4180 has it: with LF alone the writer of Python < 3.13 leaves a bare CR unquoted.
                writer = csv.writer(out)
                writer.writerow(columns)
                writer.writerows(each + [""] * (len(columns) - len(each)) for each in rows)
                writer.writerow(_placed(columns, row))


@contextmanager
def _locked(path: Path) -> Iterator[TextIO]:
    """Open the table and hold its lock; whoever waited for a file that was replaced meanwhile opens it again."""
    while True:
        with path.open("a+", encoding="utf-8-sig", newline="") as file:
            if fcntl is not None:
                _wait_for_lock(path, file)
                if not _is_still(path, file):
                    continue
            file.seek(0)
            yield file
            return


def _wait_for_lock(path: Path, file: TextIO) -> None:
    """Others hold it for the time of writing one row.

    Raises:
        ReporterError: it was not given up.
    """
    limit_s = time.monotonic() + _LOCK_PATIENCE_S
    while not try_lock(file):
        if time.monotonic() >= limit_s:
            raise ReporterError(
                f"cannot write {path}: another process has held its lock for {_LOCK_PATIENCE_S:g} s",
                remedy="end the process that holds it (`fuser FILE` names it); the run's other files are whole",
            )
        time.sleep(_LOCK_LOOK_S)


def _is_still(path: Path, file: TextIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _read(path: Path, file: TextIO) -> tuple[list[str], list[list[str]]]:
    try:
        lines = [each for each in csv.reader(file, strict=True) if each]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ReporterError(
            f"{path} is not a CSV table in UTF-8: {error}",
            remedy="move the file away, or name another one with output_file",
        ) from error
    return (lines[0], lines[1:]) if lines else ([], [])


def _widened(header: list[str], rows: list[list[str]], row: Mapping[str, str]) -> list[str]:
    """The header with a name for every cell that is there, then the columns that are new."""
    widest = max(map(len, rows), default=0)
    named = header + [f"unnamed_{number}" for number in range(len(header) + 1, widest + 1)]
    return named + [each for each in row if each not in named]


def _placed(columns: list[str], row: Mapping[str, str]) -> list[str]:
    """The row's cells in the order of the columns; of two columns with one name the first is meant."""
    cells = [""] * len(columns)
    for name, value in row.items():
        cells[columns.index(name)] = blanked(value)
    return cells
