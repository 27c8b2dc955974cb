"""Whether others used the workload's GPUs."""

from __future__ import annotations

from attrs import frozen


@frozen
class StrangerCheck:
    """One GPU of the workload over one window.

    Attributes:
        gpu: its id.
        found: who else ran on it; None if no one was seen.
        unchecked: why that could not be checked; None if it was.
    """

    gpu: str
    found: str | None = None
    unchecked: str | None = None
