"""What a GPU was set to before, kept on disk while it is set otherwise, so that a killed process leaves no trace.

A note is locked as long as the process that wrote it lives, however that ends; one that is not locked was left behind.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from attrs import asdict, field, fields, frozen

from ai_energy_benchmarks.errors import BenchmarkError
from ai_energy_benchmarks.machine.hardware import read_text

try:
    import fcntl
except ImportError:  # Windows has no such locks; a note is then never taken for one of a living process
    fcntl = None  # type: ignore[assignment]

# For containers, whose home directory is gone with them: a directory of the host.
DIRECTORY_VARIABLE = "AEB_STATE_DIR"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def notes_directory() -> Path:
    """Where this user's notes are."""
    if named := os.environ.get(DIRECTORY_VARIABLE):
        return Path(named) / "gpu"
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "ai_energy_benchmarks" / "gpu"
    try:
        return Path.home() / ".local" / "state" / "ai_energy_benchmarks" / "gpu"
    except RuntimeError:  # a user without a home, as in containers
        user = os.getuid() if hasattr(os, "getuid") else 0
        return Path(tempfile.gettempdir()) / f"ai_energy_benchmarks-{user}" / "gpu"


@frozen
class GpuNote:
    """One GPU that is set otherwise.

    Attributes:
        before_w: its power limit before; None if that is not changed.
        set_w: the limit that was set.
        locked_mhz: the clock to which it was locked; None if that is not changed. A lock that was there before
            cannot be read, so there is none to put back.
        boot_id: of the running system; settings do not outlive it.
    """

    uuid: str
    before_w: float | None = None
    set_w: float | None = None
    locked_mhz: int | None = None
    pid: int = field(factory=os.getpid)
    since_utc: str = field(factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    boot_id: str = field(factory=lambda: read_text(_BOOT_ID) or "")

    @property
    def of_this_boot(self) -> bool:
        """Whether the system has not been started again since."""
        return self.boot_id == (read_text(_BOOT_ID) or "")


@frozen
class NoteFile:
    """An open, locked note."""

    path: Path
    file: IO[str]

    def write(self, note: GpuNote) -> None:
        """Replace its text; it is on the disk when this returns."""
        self.file.seek(0)
        self.file.truncate()
        self.file.write(json.dumps(asdict(note)))
        self.file.flush()
        os.fsync(self.file.fileno())

    def read(self) -> GpuNote | None:
        """The note; None if its text was cut short, when nothing had been set yet."""
        self.file.seek(0)
        try:
            note = json.loads(self.file.read())
            return GpuNote(**{key.name: note[key.name] for key in fields(GpuNote) if key.name in note})
        except (ValueError, TypeError):
            return None

    def remove(self) -> None:
        """The GPU is as it was."""
        self.path.unlink(missing_ok=True)
        self.file.close()

    def keep(self) -> None:
        """Leave the note to whoever can put the GPU back."""
        self.file.close()


def take(uuid: str) -> NoteFile:
    """Open the note of a GPU for this process.

    Raises:
        BenchmarkError: another process has set this GPU, or the directory cannot be written.
    """
    directory = notes_directory()
    path = directory / f"{re.sub(r'[^A-Za-z0-9-]+', '_', uuid)}.json"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = _open_locked(path)
    except OSError as error:
        raise BenchmarkError(
            f"cannot note the settings of {uuid} in {directory}: {error.strerror or error}",
            remedy=f"set {DIRECTORY_VARIABLE} to a directory that you may write to",
        ) from error
    if opened is None:
        raise BenchmarkError(
            f"another benchmark of this user has set the power limit or the clocks of {uuid}",
            remedy="wait until it has ended",
        )
    return opened


def left_notes() -> Iterator[NoteFile]:
    """Notes of processes that no longer live, each locked for this one."""
    for path in sorted(notes_directory().glob("*.json")):
        try:
            opened = _open_locked(path)
        except OSError:  # of another user, or gone by now
            continue
        if opened is not None:
            yield opened


def _open_locked(path: Path) -> NoteFile | None:
    """The file, locked; None if a living process has it. Raises OSError."""
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        file = os.fdopen(number, "r+", encoding="utf-8")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return NoteFile(path, file)
        except BlockingIOError:
            file.close()
            return None
        file.close()  # whoever had it has just removed it
