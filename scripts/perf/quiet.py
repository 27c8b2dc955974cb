"""A core of one's own, as far as the system lets us: standard library only, for every interpreter that runs a part."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PRIORITY = -15


def settle(core: int | None) -> None:
    """Stay on one core and go before other programs there; each only where the system allows it.

    To be called in a session of its own: the priority of a session is that of all its programs.
    """
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    if hasattr(os, "setpriority"):
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    # Where Linux groups processes by session, the group's priority is what other sessions meet (sched(7)).
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(PRIORITY))
