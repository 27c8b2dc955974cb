"""Memory that this process has freed and the C library still holds."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return it to the system with ``malloc_trim(3)`` of glibc; nothing happens where there is no such call.

    After millions of small pieces of memory were freed, those that are still in use lie between them, and other
    libraries, which have an allocator of their own, would take as much again from the system.
    """
    with suppress(OSError, AttributeError, TypeError):  # macOS and musl have no such call, Windows no such library
        ctypes.CDLL(None).malloc_trim(0)
