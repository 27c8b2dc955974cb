"""Progress for people who use the library: a bar for each stage in a notebook, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from attrs import define, field

from ai_energy_benchmarks.domain.durations import left, spoken
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.runner.plain_progress import PlainProgress

_BAR_CELLS = 24
_REDRAW_S = 0.1


def bars_or_lines() -> Progress:
    """Bars in a notebook, plain lines on standard error elsewhere."""
    return BarProgress(sys.stdout) if "ipykernel" in sys.modules else PlainProgress(_write_line)


def _write_line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@define
class BarProgress:
    """A line for each stage, rewritten after a carriage return, as notebooks show it.

    Every drawing is flushed before the run goes on: a notebook's stream is sent by a thread of its own, which would
    otherwise work inside the next window.

    Attributes:
        stream: where to draw.
        now_s: the clock.
    """

    stream: TextIO
    now_s: Callable[[], float] = time.monotonic
    _stage: str | None = None
    _total: int | None = None
    _done: int = 0
    _began_s: float = 0.0
    _drawn_s: float = 0.0
    _width: int = field(default=0, init=False)

    def begin(self, stage: str, total: int | None = None) -> None:
        self.end()
        self._stage, self._total, self._done = stage, total, 0
        self._began_s = self.now_s()
        self._draw()

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        finished = self._total is not None and self._done >= self._total
        if self._stage is not None and (finished or self.now_s() - self._drawn_s >= _REDRAW_S):
            self._draw()

    def end(self) -> None:
        if self._stage is not None:
            self._draw(over=True)
            self._stage, self._width = None, 0

    def _draw(self, *, over: bool = False) -> None:
        self._drawn_s = self.now_s()
        line = self._line(over)
        self.stream.write(f"\r{line:<{self._width}}{chr(10) if over else ''}")
        self.stream.flush()
        self._width = len(line)

    def _line(self, over: bool) -> str:
        elapsed_s = self.now_s() - self._began_s
        parts = [f"{self._stage:<14}"]
        if self._total:
            filled = round(min(self._done / self._total, 1.0) * _BAR_CELLS)
            remaining = "" if over else left(self._done, self._total, elapsed_s)
            parts += ["█" * filled + "░" * (_BAR_CELLS - filled), f"{self._done}/{self._total}"]
            return f"{' '.join(parts)} {spoken(elapsed_s)}{remaining}"
        return f"{parts[0]} {spoken(elapsed_s)}" if over else f"{parts[0]} …"
