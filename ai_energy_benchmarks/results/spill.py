"""Rows of requests for which there is no memory: Parquet files beside the result, written while the pass goes on."""

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

from ai_energy_benchmarks.domain.outcomes import HASH_BYTES, REASONS, SOURCES, UNTOLD, WHOLE, Rows
from ai_energy_benchmarks.results.run_directory import SPILL_PREFIX

if TYPE_CHECKING:
    import polars


@define(eq=False)
class SpillDirectory:
    """A ``domain.outcomes.Shelf`` on disk, with a thread that writes.

    The directory, ``requests.spill.…`` beside the result, is gone with the last reference to this object. A process
    that is killed leaves it: its files have columns of ``requests.parquet`` under the same names, where a failed
    request has no tokens.

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
                _frame(piece.rows).write_parquet(opened, compression="lz4")
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
    import polars

    codes = [divmod(each, len(REASONS)) for each in rows.codes]
    hashes = rows.hashes.hex()
    width = 2 * HASH_BYTES
    lengths = _series(rows.ends).diff().fill_null(rows.ends[0])
    some = lengths > 0
    owners = polars.int_range(len(rows), eager=True).filter(some).repeat_by(lengths.filter(some)).explode()
    times_s = polars.DataFrame({"row": owners, "t": _series(rows.token_times_s)})
    grouped = times_s.group_by("row", maintain_order=True).agg("t")
    frame = polars.DataFrame(
        {
            **{name: _series(column) for name, column in rows.columns.items()},
            "token_source": [SOURCES[source] for source, _ in codes],
            "finish_reason": [REASONS[reason] for _, reason in codes],
            "sent_s": _series(rows.times_s[::2]),
            "finished_s": _series(rows.times_s[1::2]),
            "rendered_sha256": [hashes[at : at + width] for at in range(0, len(hashes), width)],
        }
    ).with_row_index("row")
    told = frame.with_columns(polars.col(*WHOLE).replace(UNTOLD, None), polars.col("row").cast(polars.Int64))
    joined = told.join(grouped, on="row", how="left", maintain_order="left").drop("row")
    return joined.rename({"t": "token_times_s"}).with_columns(polars.col("token_times_s").fill_null([]))


def _series(values: array[int] | array[float]) -> polars.Series:
    import polars

    return polars.Series(values=values, dtype=polars.Float64 if values.typecode == "d" else polars.Int64)


def _rows(file: Path) -> Rows:
    import polars

    frame = polars.read_parquet(file, glob=False)
    rows = Rows()
    for name, code in WHOLE.items():
        rows.columns[name] = array(code, frame[name].fill_null(UNTOLD).to_list())
    sources, reasons = frame["token_source"].to_list(), frame["finish_reason"].to_list()
    rows.codes.extend(
        SOURCES.index(source) * len(REASONS) + REASONS.index(reason)
        for source, reason in zip(sources, reasons, strict=True)
    )
    rows.times_s = array("d", frame.select(polars.concat_list("sent_s", "finished_s").explode()).to_series().to_list())
    times_s = frame["token_times_s"]
    rows.token_times_s = array("d", times_s.explode().drop_nulls().to_list())
    rows.ends = array("q", times_s.list.len().cast(polars.Int64).cum_sum().to_list())
    rows.hashes = bytearray.fromhex("".join(frame["rendered_sha256"].to_list()))
    return rows
