"""Putting into place what a node returned that does not see the study's directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.results.reading import RESULT_FILE
from ai_energy_benchmarks.results.writing import write_errors


def put_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their path below a directory; the report last, since with it a cell counts as complete.

    Raises:
        ReporterError: a path leads out of the directory, or it cannot be written.
    """
    for name in sorted(files, key=lambda name: name == RESULT_FILE):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ReporterError(f"a node returned the file {name!r}, which leads out of the cell's directory")
        target = directory / path
        with write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(files[name])
