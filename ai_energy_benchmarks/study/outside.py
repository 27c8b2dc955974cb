"""What of a cell runs outside the process that was started, such as a container of a daemon."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from ai_energy_benchmarks.study.commands import Detached

# A daemon that has much to do answers late; one that has died never does.
_DAEMON_CAP_S = 30.0


def end_detached(detached: Detached | None) -> None:
    """End what of a cell runs outside its process; nothing where that has ended."""
    if detached is not None:
        _said(detached.end)


def first_process(detached: Detached | None) -> int | None:
    """The first process of what runs outside, as this machine numbers it; None if there is none here."""
    if detached is None:
        return None
    said = _said(detached.first_process).strip()
    return int(said) if said.isdecimal() and int(said) > 0 else None


def _said(command: Sequence[str]) -> str:
    """What a command prints; nothing if it cannot be started, or does not answer."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            timeout=_DAEMON_CAP_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
