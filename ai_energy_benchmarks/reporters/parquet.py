"""Every request and every raw sample, as Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from attrs import frozen

from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.results.clean_frames import clean_frame
from ai_energy_benchmarks.results.requests import FILLERS_FILE, fillers_frame, request_frames, requests_frame
from ai_energy_benchmarks.results.timeline import timeline_frame
from ai_energy_benchmarks.results.writing import replacing, write_errors

if TYPE_CHECKING:
    import polars


_ROWS_IN_GROUP = 50_000


@frozen
class ParquetReporter:
    """Writes ``requests.parquet``, ``timeline.parquet`` and, where filler requests were sent, ``fillers.parquet``.

    Next to ``result.json`` and ``config.yaml`` they hold everything that re-analysis needs: of each request its token
    times, of each window what every reading is computed from, and all raw samples
    (``results/requests.py`` and ``results/timeline.py`` describe the columns).

    Attributes:
        requests_file: one row per request and trial; the timeline goes into the same directory.
    """

    requests_file: Path

    @classmethod
    def from_settings(cls, settings: ReporterSettings) -> ParquetReporter:
        return cls(settings.output_file or settings.output_dir / "requests.parquet")

    def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
        timeline_file = self.requests_file.with_name("timeline.parquet")
        stored = result.row_files
        if stored is not None and stored.requests:
            _join(stored.requests, self.requests_file)
        elif any(trial.outcomes.in_pieces for trial in result.trials):
            _write_in_pieces(request_frames(result), self.requests_file)
        else:
            _write(requests_frame(result), self.requests_file)
        _write(timeline_frame(result), timeline_file)
        return self.requests_file, timeline_file, *self._fillers(result)

    def _fillers(self, result: BenchmarkResult) -> tuple[Path, ...]:
        """The filler requests, if there were any; those of an earlier run must not stay."""
        file = self.requests_file.with_name(FILLERS_FILE)
        stored = result.row_files
        if stored is not None and stored.fillers:
            _join(stored.fillers, file)
            return (file,)
        frame = fillers_frame(result) if stored is None else None
        if frame is not None:
            _write(frame, file)
            return (file,)
        with write_errors(file):
            file.unlink(missing_ok=True)
        return ()


def _join(pieces: Sequence[Path], path: Path) -> None:
    with _frame_errors(path), replacing(path) as temporary:
        _sink(pieces, temporary)


def _sink(pieces: Sequence[Path], path: Path) -> None:
    """One file of all pieces, of which each is read only when the one before it is on its way to the file.

    A scan of all of them reads ahead, and on a slow disk all rows of a very long run are in memory then.
    """
    import polars
    from polars.io.plugins import register_io_source

    def rows(*_: object) -> Iterator[polars.DataFrame]:
        return (polars.read_parquet(piece, glob=False) for piece in pieces)

    schema = polars.scan_parquet([pieces[0]], glob=False).collect_schema()
    source = register_io_source(rows, schema=schema)
    source.sink_parquet(path, maintain_order=True, row_group_size=_ROWS_IN_GROUP)


@contextmanager
def _frame_errors(path: Path) -> Iterator[None]:
    """A full disk is an error of the frame library, not of the system."""
    import polars

    try:
        yield
    except polars.exceptions.PolarsError as error:
        raise ReporterError(
            f"cannot write {path}: {error}",
            remedy="free space, or name a place that you may write to (output_dir, output_file, or the option for it)",
        ) from error


def _write(frame: polars.DataFrame, path: Path) -> None:
    with _frame_errors(path), replacing(path) as temporary, temporary.open("xb") as file:
        clean_frame(frame).write_parquet(file)


def _write_in_pieces(frames: Iterable[polars.DataFrame], path: Path) -> None:
    """A file whose rows never exist at once: pieces on disk first, then one after the other into their place."""
    with (
        _frame_errors(path),
        replacing(path) as temporary,
        TemporaryDirectory(dir=temporary.parent, prefix=".requests") as directory,
    ):
        pieces = []
        for number, frame in enumerate(frames):
            pieces.append(Path(directory) / f"{number:06}.parquet")
            with pieces[-1].open("xb") as file:
                clean_frame(frame).write_parquet(file)
        _sink(pieces, temporary)
