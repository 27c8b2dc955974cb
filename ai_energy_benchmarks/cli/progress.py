"""Progress on standard error: one line a stage, redrawn only when the runner says how far it is."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from attrs import define, field
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from ai_energy_benchmarks.cli.logs import PACKAGE
from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.domain.durations import left, spoken
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.runner.plain_progress import PlainProgress
from ai_energy_benchmarks.safety.printable import one_line

_BAR_CELLS = 24
# A download reports every chunk; more redraws than this would only flicker.
_REDRAW_S = 0.1
_LINE_ABOVE = Control((ControlType.CURSOR_UP, 1), ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))


def terminal_progress() -> Progress:
    """Lines that are redrawn on a terminal; plain ones, each written once, where standard error is none."""
    return on_terminal(TerminalProgress()) if sys.stderr.isatty() else plain_progress()


def plain_progress() -> PlainProgress:
    """Lines on standard error, each written once."""
    return PlainProgress(partial(say, err=True))


def on_terminal(progress: TerminalProgress) -> TerminalProgress:
    """The same, going on below every log record that the terminal gets."""
    package = logging.getLogger(PACKAGE)
    package.addHandler(_Below(progress, [each for each in package.handlers if type(each) is logging.StreamHandler]))
    return progress


class _Below(logging.Handler):
    """After a record that went to the terminal, the stage goes on in a line of its own below it."""

    def __init__(self, progress: TerminalProgress, terminals: list[logging.Handler]) -> None:
        super().__init__(min((each.level for each in terminals), default=logging.CRITICAL))
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.leave_line()


@define
class TerminalProgress:
    """Draws in the caller's thread and keeps no timer, so nothing is redrawn inside a window.

    Every drawing ends its line: whatever is printed next, after Ctrl-C too, begins on a line of its own.

    Attributes:
        console: where to draw.
        now_s: the clock.
    """

    console: Console = field(factory=lambda: Console(stderr=True, highlight=False))
    now_s: Callable[[], float] = time.monotonic
    _stage: str | None = None
    _total: int | None = None
    _done: int = 0
    _began_s: float = 0.0
    _drawn_s: float = 0.0
    _gone: bool = False
    _left: bool = False
    _height: int = 0

    def leave_line(self) -> None:
        """Something else was written below the stage's line, which stays as it is."""
        self._left = True

    def begin(self, stage: str, total: int | None = None) -> None:
        self.end()
        self._stage, self._total, self._done = stage, total, 0
        self._began_s = self.now_s()
        self._draw(again=False)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        finished = self._total is not None and self._done >= self._total
        if self._stage is not None and (finished or self.now_s() - self._drawn_s >= _REDRAW_S):
            self._draw(again=True)

    def end(self) -> None:
        if self._stage is None:
            return
        self._draw(again=True, over=True)
        self._stage = None

    def figures(self) -> Sequence[Text]:
        """Lines below the stage's own."""
        return ()

    def _draw(self, *, again: bool, over: bool = False) -> None:
        self._drawn_s = self.now_s()
        if self._gone:
            return
        try:
            if again and not self._left:
                self.console.control(*[_LINE_ABOVE] * self._height)
            self._left = False
            lines = (self._line(over), *self.figures())
            for line in lines:
                self.console.print(line, no_wrap=True, overflow="crop")
            self._height = len(lines)
        except OSError:  # the terminal was closed; the run goes on
            self._gone = True

    def _line(self, over: bool) -> Text:
        line = Text.assemble(f"  {one_line(self._stage or ''):<14}")
        if self._total:
            share = min(self._done / self._total, 1.0)
            filled = round(share * _BAR_CELLS)
            line.append("━" * filled, "green").append("━" * (_BAR_CELLS - filled), "bright_black")
            line.append(f" {self._done}/{self._total}" if self._total < 10_000 else f" {share:.0%}")
        elapsed_s = self.now_s() - self._began_s
        if over or (self._total and 0 < self._done < self._total):
            remaining = "" if over or not self._total else left(self._done, self._total, elapsed_s)
            line.append(f"  {spoken(elapsed_s)}{remaining}", "bright_black")
        elif not self._total:
            line.append("…", "bright_black")
        return line
