"""Progress in plain lines, for pipes, log files and notebooks."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import define, field

from ai_energy_benchmarks.domain.durations import left, spoken

# Of a stage with many parts, such as a download, a line in so many seconds is enough; trials have one each.
_SELDOM_S = 10.0
_TRIALS = "trials"


@define
class PlainProgress:
    """A line at the beginning and at the end of each stage, and for each trial, with the time that is left.

    Attributes:
        write: takes each line, such as ``print``.
        now_s: the clock.
    """

    write: Callable[[str], object]
    now_s: Callable[[], float] = time.monotonic
    _stage: str | None = None
    _total: int | None = None
    _done: int = 0
    _began_s: float = 0.0
    _said_s: float = 0.0
    _first_s: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._first_s = self.now_s()

    def begin(self, stage: str, total: int | None = None) -> None:
        self.end()
        self._stage, self._total, self._done = stage, total, 0
        self._began_s = self.now_s()
        self._say(stage)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        if self._stage is None or self._total is None:
            return
        elapsed_s = self.now_s() - self._began_s
        if self._stage == _TRIALS or self.now_s() - self._said_s >= _SELDOM_S:
            share = f"{self._done} of {self._total}" if self._total < 10_000 else f"{self._done / self._total:.0%}"
            self._say(f"{self._stage}: {share} in {spoken(elapsed_s)}{left(self._done, self._total, elapsed_s)}")

    def end(self) -> None:
        if self._stage is not None:
            self._say(f"{self._stage}: done in {spoken(self.now_s() - self._began_s)}")
            self._stage = None

    def _say(self, text: str) -> None:
        self._said_s = self.now_s()
        self.write(f"[{_clock(self._said_s - self._first_s)}] {text}")


def _clock(seconds: float) -> str:
    """Minutes and seconds since the beginning, with hours where there are any."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
