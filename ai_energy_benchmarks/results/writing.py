"""Files that are whole or not there: written next to their place, then moved into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.safety.secrets import blanked


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into an error that names the file and a fix.

    Raises:
        ReporterError: the directory or the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise ReporterError(
            f"cannot write {path}: {why}",
            remedy="free space, or name a place that you may write to (output_dir, output_file, or the option for it)",
        ) from error


def check_directory(directory: Path) -> None:
    """Try whether files can be written to a directory, which is made for that if need be; nothing stays behind.

    Raises:
        ReporterError: they cannot.
    """
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    with write_errors(directory):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=directory).close()
        finally:
            for each in missing:
                with suppress(OSError):
                    each.rmdir()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same directory; if the block succeeds, it takes the place of ``path``.

    Missing directories are made. A link keeps pointing where it did; the file behind it is replaced. After an
    error the old file is untouched and the temporary one is gone.

    Raises:
        ReporterError: the directory or the file cannot be written.
    """
    with write_errors(path):
        place = path.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name[:100]}.{os.getpid()}.part")
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, place)
            sync_directory(place.parent)
        except BaseException:
            # Ctrl-C too must leave no half-written file; what the disk said first matters more than this.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def _sync(file: Path) -> None:
    # A file that is in place but not on the disk would be an empty one after a power loss.
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def sync_directory(directory: Path) -> None:
    """Bring the names of a directory's files to the disk, where the system can."""
    with suppress(OSError):  # Windows opens no directories, and some file systems sync none
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all, and without any secret that is known.

    What UTF-8 cannot hold (a lone surrogate) becomes a question mark.

    Raises:
        ReporterError: the directory or the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(blanked(text), encoding="utf-8", errors="replace", newline="\n")
