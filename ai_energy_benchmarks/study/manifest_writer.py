"""Adding events to ``manifest.jsonl``, one process at a time."""

from __future__ import annotations

import errno
import json
import os
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path

from attrs import define

from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.results.run_directory import try_lock
from ai_energy_benchmarks.results.writing import sync_directory, write_errors
from ai_energy_benchmarks.study.manifest import MANIFEST_FILE


@define
class ManifestWriter:
    """``with`` around a process of a study: adds events, each on the disk when ``add`` returns.

    Only one process writes a manifest at a time, which a lock on the file ensures.
    """

    directory: Path
    _file: FileIO | None = None

    def __enter__(self) -> ManifestWriter:
        path = self.directory / MANIFEST_FILE
        with write_errors(path):
            self.directory.mkdir(parents=True, exist_ok=True)
            file = path.open("ab+", buffering=0)
            if not try_lock(file):
                file.close()
                raise ReporterError(
                    f"the study in {self.directory} is running already", remedy="wait until it has ended"
                )
            self._file = file
            _cut_torn_line(file)
            sync_directory(self.directory)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, event: str, **details: object) -> None:
        """Add one event.

        Raises:
            ReporterError: the disk refuses it.
        """
        assert self._file is not None, "the manifest is entered"
        at_utc = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"event": event, "at_utc": at_utc, **details}, ensure_ascii=False)
        content = line.encode("utf-8", errors="replace") + b"\n"
        with write_errors(self.directory / MANIFEST_FILE):
            size_bytes = os.fstat(self._file.fileno()).st_size
            try:
                if self._file.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(size_bytes)  # a full disk may take a part of a line, which is no event
                raise


def _cut_torn_line(file: FileIO) -> None:
    """Remove what a crash left of a line: it is no event, and the next one must begin a line of its own."""
    file.seek(0)
    content = file.read()
    if content and not content.endswith(b"\n"):
        file.truncate(content.rfind(b"\n") + 1)
        os.fsync(file.fileno())
