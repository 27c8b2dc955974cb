"""Rows of requests for which there is no memory: Parquet files next to the result, written while the pass goes on."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from ai_energy_benchmarks.domain.outcome_frames import frame_of
from ai_energy_benchmarks.domain.outcome_rows import Rows
from ai_energy_benchmarks.results.clean_frames import clean_frame
from ai_energy_benchmarks.results.run_directory import SPILL_PREFIX

if TYPE_CHECKING:
    import polars


@define(eq=False)
class SpillDirectory:
    """A ``domain.outcome_table.Shelf`` on disk, with a thread that writes.

    The directory, ``requests.spill.…`` next to the result, is gone with the last reference to this object. A process
    that is killed leaves it: its files have columns of ``requests.parquet`` under the same names, and a request
    of which only the times are there has ``ok`` false.

    Attributes:
        parent: where the directory is made once it is needed.
        problem: why a piece stays in memory after all; empty if none does.
    """

    parent: Path
    problem: str = ""
    _directory: Path | None = None
    _written: int = 0
    _thread: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="spill"))

    def put(self, rows: Rows) -> Callable[[], polars.DataFrame]:
        self._written += 1
        piece = _Piece(rows)
        self._thread.submit(self._write, piece, self._written)
        return piece.read

    def wait(self) -> None:
        self._thread.submit(int).result()  # one thread writes, so this comes after all pieces

    def _write(self, piece: _Piece, number: int) -> None:
        assert piece.rows is not None, "it is written once"
        try:
            if self._directory is None:
                self.parent.mkdir(parents=True, exist_ok=True)
                self._directory = Path(tempfile.mkdtemp(prefix=SPILL_PREFIX, dir=self.parent))
                weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
            file = self._directory / f"{number:06}.parquet"
            part = file.with_suffix(".part")
            with part.open("xb") as opened:
                clean_frame(frame_of(piece.rows)).write_parquet(opened, compression="lz4")
            part.rename(file)
        except OSError as error:
            self.problem = f"{self._directory or self.parent}: {error.strerror or error}"
            return
        piece.file, piece.rows = file, None


@define(eq=False)
class _Piece:
    """Rows on their way to a file."""

    rows: Rows | None
    file: Path = Path()

    def read(self) -> polars.DataFrame:
        import polars

        rows = self.rows  # before the file is asked: the writer sets the file first
        # Several threads for so few rows take twice the time.
        return polars.read_parquet(self.file, glob=False, parallel="none") if rows is None else frame_of(rows)
