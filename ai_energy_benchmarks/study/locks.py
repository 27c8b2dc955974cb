"""Locks on the GPUs of a host, so that two studies on it cannot measure each other.

They are files that all users of the host share, locked as long as a study runs: however a study ends, its locks end
with it. Without GPUs the host itself is locked, whose processors two studies would share.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.results.run_directory import holder_of, try_lock

# For tests, and for containers that share GPUs and mount one directory.
DIRECTORY_VARIABLE = "AEB_LOCK_DIR"
HOST = "host"


def lock_directory() -> Path:
    """Where the locks of this host are."""
    return Path(os.environ.get(DIRECTORY_VARIABLE) or Path(tempfile.gettempdir()) / "ai_energy_benchmarks.locks")


@contextmanager
def locked(gpus: Sequence[str], study: Path) -> Iterator[None]:
    """Hold the locks of these GPUs by UUID, or that of the host if there is none.

    Raises:
        ReporterError: another study has one of them, or the files cannot be made.
    """
    with ExitStack() as stack:
        for name in sorted(gpus) or [HOST]:
            stack.enter_context(_lock(name, study))
        yield


def _lock(name: str, study: Path) -> IO[str]:
    directory = lock_directory()
    path = directory / f"{re.sub(r'[^A-Za-z0-9-]+', '_', name)}.lock"
    try:
        if not directory.exists():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o1777)  # like /tmp: anyone may add a file, no one remove those of others
        # No link is followed: the directory is everyone's.
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        with suppress(OSError):  # of another user, who has done this
            os.chmod(number, 0o666)
    except OSError as error:
        raise ReporterError(
            f"cannot lock {name} by {path}: {error.strerror or error}",
            remedy=f"set {DIRECTORY_VARIABLE} to a directory that every user of this host may write to",
        ) from error
    if not stat.S_ISREG(os.fstat(number).st_mode):  # made by another user, to be read for ever
        os.close(number)
        raise ReporterError(f"cannot lock {name}: {path} is no file", remedy=f"remove it, or set {DIRECTORY_VARIABLE}")
    file = os.fdopen(number, "r+", encoding="utf-8")
    if not try_lock(file):
        holder = _holder(file)
        file.close()
        what = "this host" if name == HOST else f"GPU {name}"
        raise ReporterError(
            f"{what} is in use by another study{holder}, and two would measure each other",
            remedy="wait until it has ended, or choose other GPUs with execution.gpus",
        )
    with suppress(OSError):  # a full disk costs the text of a refusal, not the lock
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "study": str(study.resolve())}))
        file.flush()
    return file


def _holder(file: IO[str]) -> str:
    try:
        holder = holder_of(file)
        return f" ({holder['study']}, process {holder['pid']} on {holder['host']})"
    except KeyError:
        return ""
