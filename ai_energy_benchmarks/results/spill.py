"""Rows of requests for which there is no memory: Parquet files next to the result, written while the pass goes on."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from ai_energy_benchmarks.domain.outcome_rows import CODES, FAILED, HASH_BYTES, LISTS, UNTOLD, WHOLE, Lists, Rows
from ai_energy_benchmarks.results.clean_frames import clean_frame
from ai_energy_benchmarks.results.list_series import of_lengths
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

    def put(self, rows: Rows) -> Callable[[], Rows]:
        self._written += 1
        piece = _Piece(rows)
        self._thread.submit(self._write, piece, self._written)
        return piece.read

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
                clean_frame(_frame(piece.rows)).write_parquet(opened, compression="lz4")
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

    def read(self) -> Rows:
        rows = self.rows  # before the file is asked: the writer sets the file first
        return _rows(self.file) if rows is None else rows


def _frame(rows: Rows) -> polars.DataFrame:
    """The columns of ``requests.parquet`` that the rows hold, under the same names; null where a request has none."""
    import polars

    ends = [CODES.get(code, (None, None)) for code in rows.codes]
    hashes, width = rows.hashes.hex(), 2 * HASH_BYTES
    frame = polars.DataFrame(
        {
            **{name: _series(column) for name, column in rows.columns.items()},
            "ok": [code != FAILED for code in rows.codes],
            "token_source": polars.Series([source for source, _ in ends], dtype=polars.String),
            "finish_reason": polars.Series([reason for _, reason in ends], dtype=polars.String),
            "sent_s": _series(rows.times_s[::2]),
            "finished_s": _series(rows.times_s[1::2]),
            "rendered_sha256": [hashes[at : at + width] for at in range(0, len(hashes), width)],
        }
    ).with_columns(polars.col(*WHOLE).replace(UNTOLD, None))
    return frame.with_columns(**{name: _lists(name, each) for name, each in rows.lists.items()})


def _lists(name: str, of: Lists) -> polars.Series:
    ends = _series(of.ends)
    return of_lengths(name, of.values, ends.diff().fill_null(ends[0]))


def _series(values: array[int] | array[float]) -> polars.Series:
    import polars

    return polars.Series(values=values, dtype=polars.Float64 if values.typecode == "d" else polars.Int64)


def _rows(file: Path) -> Rows:
    import polars

    frame = polars.read_parquet(file, glob=False)
    rows = Rows()
    for name, code in WHOLE.items():
        rows.columns[name] = array(code, frame[name].fill_null(UNTOLD).to_list())
    codes = {pair: code for code, pair in CODES.items()}
    pairs = zip(frame["token_source"].to_list(), frame["finish_reason"].to_list(), strict=True)
    rows.codes.extend(codes.get(pair, FAILED) for pair in pairs)
    rows.times_s = array("d", frame.select(polars.concat_list("sent_s", "finished_s").explode()).to_series().to_list())
    for name, code in LISTS.items():
        values = frame[name]
        ends = array("q", values.list.len().cast(polars.Int64).cum_sum().to_list())
        rows.lists[name] = Lists(array(code, values.explode().drop_nulls().to_list()), ends)
    rows.hashes = bytearray.fromhex("".join(frame["rendered_sha256"].to_list()))
    return rows
