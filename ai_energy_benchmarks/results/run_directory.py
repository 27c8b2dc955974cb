"""Where a run keeps what it has until its report is written: ``runs/<run id>/`` of the output directory."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.results.writing import write_errors
from ai_energy_benchmarks.safety.files import entries
from ai_energy_benchmarks.text.json_text import parsed

try:
    import fcntl
except ImportError:  # Windows has no advisory locks; one run at a time there
    fcntl = None  # type: ignore[assignment]

RUNS = "runs"
JOURNAL = "journal"
LINES_FILE = "run.jsonl"
SPILL_PREFIX = "requests.spill."
_LOCK_FILE = ".lock"
_LONGEST_HOLDER = 10_000


def run_directory(output_dir: Path, run_id: str) -> Path:
    """The directory of one run: its journal while it goes on, its report if it did not complete."""
    return output_dir / RUNS / run_id


@contextmanager
def held(output_dir: Path, run_id: str) -> Iterator[None]:
    """Keep other runs out of an output directory; the lock ends with the process, however that ends.

    Raises:
        ReporterError: another run is using the directory, or it cannot be written.
    """
    path = output_dir / RUNS / _LOCK_FILE
    with write_errors(path):
        file = _locked(path, output_dir)
    with file:
        holder = {"run_id": run_id, "pid": os.getpid(), "host": socket.gethostname(), "since_utc": _now_utc()}
        with suppress(OSError):  # a full disk costs the text of a refusal, not the lock
            file.truncate(0)
            file.write(json.dumps(holder))
            file.flush()
        try:
            yield
        finally:
            # Removed while the lock is held: whoever waits for this file sees that it is no longer the one in place.
            with suppress(OSError):
                path.unlink()
                path.parent.rmdir()


def _locked(path: Path, output_dir: Path) -> IO[str]:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+", encoding="utf-8")
        except FileNotFoundError:  # the run before has just removed the empty directory
            continue
        if not try_lock(file):
            holder = _holder(file)
            file.close()
            raise ReporterError(
                f"{output_dir} is in use by {holder}",
                remedy="wait until that run has ended, or choose another output_dir",
            )
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def try_lock(file: IO[str] | IO[bytes]) -> bool:
    """Lock an open file until it is closed; False if another one has it. True where there are no locks."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _holder(file: IO[str]) -> str:
    try:
        holder = holder_of(file)
        return f"run {holder['run_id']} (process {holder['pid']} on {holder['host']} since {holder['since_utc']})"
    except KeyError:
        return "another run"


def holder_of(file: IO[str]) -> Mapping[str, object]:
    """What the holder of a lock has written into its file, which may be anyone's; empty if that is nothing."""
    try:
        file.seek(0)
        holder = parsed(file.read(_LONGEST_HOLDER))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _now_utc() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def left_journals(output_dir: Path) -> tuple[Path, ...]:
    """Directories of runs that ended without writing their report, the oldest first; not those that still go on."""
    return tuple(lines.parents[1] for lines in _lines_of_runs(output_dir) if not _goes_on(lines))


def _lines_of_runs(output_dir: Path) -> Iterator[Path]:
    """The lines of every journal; runs may begin and end meanwhile, and remove theirs."""
    found = (run / JOURNAL / LINES_FILE for run in entries(output_dir / RUNS))
    return (lines for lines in found if lines.exists())


def _goes_on(lines: Path) -> bool:
    try:
        with lines.open("r+", encoding="utf-8") as file:
            return not try_lock(file)
    except OSError:
        return False


def left_spills(output_dir: Path) -> tuple[Path, ...]:
    """Directories with rows of requests that killed runs left; none while a run goes on, which may need them."""
    if any(map(_goes_on, _lines_of_runs(output_dir))):
        return ()
    return tuple(path for path in entries(output_dir) if path.name.startswith(SPILL_PREFIX) and path.is_dir())


def remove_journal(directory: Path) -> None:
    """Remove what a run kept until its report was written, and its directory if that leaves it empty."""
    shutil.rmtree(directory / JOURNAL, ignore_errors=True)
    for each in (directory, directory.parent):
        with suppress(OSError):
            each.rmdir()
