"""Whether something can be used on this machine."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

State = Literal["ready", "limited", "missing"]


@frozen
class Readiness:
    """What was found of one backend, meter or the like.

    Attributes:
        state: ``ready`` to use; ``limited``: there, but not as good as it could be; ``missing``.
        detail: what was found, or why not.
        remedy: a command or setting that closes the gap; None if there is no gap, or nothing that helps.
    """

    state: State
    detail: str
    remedy: str | None = None
