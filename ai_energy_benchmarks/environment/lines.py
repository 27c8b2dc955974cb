"""One line of a doctor's report."""

from __future__ import annotations

from attrs import frozen

from ai_energy_benchmarks.domain.readiness import State


@frozen
class Line:
    """What was found of one thing.

    Attributes:
        subject: ``CPU``, ``nvml``, ``pytorch`` …
        state: ``ready`` to use; ``limited``: there, but not as good as it could be; ``missing``.
        detail: what was found, or why not.
        fix: a command or setting that closes the gap; None if there is no gap, or nothing that helps.
    """

    subject: str
    state: State
    detail: str
    fix: str | None = None
