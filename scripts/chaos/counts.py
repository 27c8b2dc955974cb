"""What a server has been sent and has answered, in a file that other processes read while it goes on."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_FORMAT = struct.Struct("<QQ")


class Counts:
    """Two numbers in a file.

    Args:
        file: made, with zeros, if it is not there.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(_FORMAT.pack(0, 0))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), _FORMAT.size)

    def read(self) -> tuple[int, int]:
        """Requests that have arrived, and those that were answered to their end."""
        arrived, answered = _FORMAT.unpack(self._memory[:])
        return arrived, answered

    def reset(self) -> None:
        """Begin again at zero."""
        self._memory[:] = _FORMAT.pack(0, 0)

    @property
    def arrived(self) -> int:
        return self.read()[0]

    @arrived.setter
    def arrived(self, number: int) -> None:
        self._memory[:8] = struct.pack("<Q", number)

    @property
    def answered(self) -> int:
        return self.read()[1]

    @answered.setter
    def answered(self, number: int) -> None:
        self._memory[8:] = struct.pack("<Q", number)
