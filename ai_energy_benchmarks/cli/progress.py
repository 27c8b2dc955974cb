"""Progress on standard error: one line a stage, redrawn only when the runner says how far it is."""

from __future__ import annotations

import sys
import time

from attrs import define, field
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from ai_energy_benchmarks.domain.progress import Progress, Silent
from ai_energy_benchmarks.safety.printable import one_line

_BAR_CELLS = 24
# A download reports every chunk; more redraws than this would only flicker.
_REDRAW_S = 0.1
_LINE_ABOVE = Control((ControlType.CURSOR_UP, 1), ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))


def terminal_progress(*, quiet: bool) -> Progress:
    """Lines on a terminal; silent where standard error is none, and on request: redrawing would erase log lines."""
    return Silent() if quiet or not sys.stderr.isatty() else TerminalProgress()


@define
class TerminalProgress:
    """Draws in the caller's thread and keeps no timer, so nothing is redrawn inside a window.

    Every drawing ends its line: whatever is printed next, after Ctrl-C too, begins on a line of its own.
    """

    console: Console = field(factory=lambda: Console(stderr=True, highlight=False))
    _stage: str | None = None
    _total: int | None = None
    _done: int = 0
    _began_s: float = 0.0
    _drawn_s: float = 0.0
    _gone: bool = False

    def begin(self, stage: str, total: int | None = None) -> None:
        self.end()
        self._stage, self._total, self._done = stage, total, 0
        self._began_s = time.monotonic()
        self._draw(again=False)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        finished = self._total is not None and self._done >= self._total
        if self._stage is not None and (finished or time.monotonic() - self._drawn_s >= _REDRAW_S):
            self._draw(again=True)

    def end(self) -> None:
        if self._stage is None:
            return
        self._draw(again=True, over=True)
        self._stage = None

    def _draw(self, *, again: bool, over: bool = False) -> None:
        self._drawn_s = time.monotonic()
        if self._gone:
            return
        try:
            if again:
                self.console.control(_LINE_ABOVE)
            self.console.print(self._line(over), no_wrap=True, overflow="crop")
        except OSError:  # the terminal was closed; the run goes on
            self._gone = True

    def _line(self, over: bool) -> Text:
        line = Text.assemble(f"  {one_line(self._stage or ''):<14}")
        if self._total:
            share = min(self._done / self._total, 1.0)
            filled = round(share * _BAR_CELLS)
            line.append("━" * filled, "green").append("━" * (_BAR_CELLS - filled), "bright_black")
            line.append(f" {self._done}/{self._total}" if self._total < 10_000 else f" {share:.0%}")
        if over:
            line.append(f"  {time.monotonic() - self._began_s:.1f} s", "bright_black")
        elif not self._total:
            line.append("…", "bright_black")
        return line
