"""Engines in this process one at a time: two would count each other's energy, and load into each other's way.

While transformers builds a model it changes torch's defaults for the whole process, so a second model that is loaded
meanwhile ends up without weights ("Cannot copy out of meta tensor").
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

_running = threading.RLock()
_loading = threading.RLock()


@contextmanager
def running_alone(*, in_process: bool) -> Iterator[None]:
    """Around a whole benchmark: one in another thread is waited for, since its work would be in the idle power too.

    Args:
        in_process: whether the engine works in this process; a server's client disturbs no other.
    """
    if not in_process:
        yield
        return
    if not _running.acquire(blocking=False):
        logger.warning("another benchmark runs in this process; this one begins once it has ended")
        _running.acquire()
    try:
        yield
    finally:
        _running.release()


def loading_alone() -> threading.RLock:
    """Around the loading of a model."""
    return _loading
