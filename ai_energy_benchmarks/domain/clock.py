"""The runner's clock, as a contract: real in a run, simulated in tests."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, and waiting."""

    def now_s(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...
