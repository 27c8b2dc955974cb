"""Files that are read as inputs: a pipe would wait for ever, and a device such as ``/dev/zero`` has no end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def special_kind(path: Path) -> str | None:
    """What a path is that is neither a file nor a directory; None for these, and where there is nothing.

    Raises:
        OSError: the path cannot be looked at.
        ValueError: it is none, for instance because it holds a NUL character.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    kinds = (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for applies, name in kinds if applies(mode)), None)


def refuse_special(path: Path) -> None:
    """Go on with files and directories alone.

    Raises:
        OSError: it is something else, or cannot be looked at.
    """
    if (kind := special_kind(path)) is not None:
        raise OSError(errno.EINVAL, f"it is {kind}, which may never end", str(path))


def entries(directory: Path) -> tuple[Path, ...]:
    """What is in a directory, by name; nothing where it is not there, or was removed just now."""
    try:
        return tuple(Path(directory, name) for name in sorted(os.listdir(directory)))
    except (FileNotFoundError, NotADirectoryError):
        return ()


def files_below(directory: Path, name: str) -> Iterator[Path]:
    """Whatever has this name in a directory and those below it.

    Runs may go on there meanwhile: a directory that is removed while it is looked at has no such file.
    """
    for folder, _, names in os.walk(directory):
        if name in names:
            yield Path(folder, name)
