"""Whether this process was forked from one whose libraries had threads already, which a fork does not copy.

A call that waits for one of these threads waits for ever (fork(2), and the frame library's page on multiprocessing).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from attrs import define

# The frame library's pool begins with the first frame; its threads are numbered. Importing polars 2.1 begins one that
# is not of the pool (``polars-ooc-cleaner``), and frames of a fork after that are well.
_POOL = re.compile(r"polars-\d")
_TASKS = Path("/proc/self/task")


@define
class _Fork:
    pool_ran: bool = False
    unsafe: bool = False


_fork = _Fork()


def forked_with_threads() -> bool:
    """Whether a frame that is written here would wait for threads that only the parent has."""
    return _fork.unsafe


def _before() -> None:
    _fork.pool_ran = _pool_runs()


def _in_child() -> None:
    _fork.unsafe = _fork.unsafe or _fork.pool_ran


def _pool_runs() -> bool:
    try:
        return any(_POOL.match((task / "comm").read_text()) for task in _TASKS.iterdir())
    except OSError:
        return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)
