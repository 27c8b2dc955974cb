"""Progress on a terminal: drawn only on request, and never in the way of what is printed next."""

from __future__ import annotations

import io

from rich.console import Console

from ai_energy_benchmarks.cli.progress import TerminalProgress, terminal_progress
from ai_energy_benchmarks.domain.progress import Silent


def terminal() -> Console:
    """A terminal of 60 columns that keeps what is drawn."""
    return Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None, legacy_windows=False)


def drawn(console: Console) -> str:
    """Everything written to it."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_drawing_ends_its_line() -> None:
    """After Ctrl-C in the middle of a stage the next print begins on a line of its own."""
    console = terminal()
    progress = TerminalProgress(console)
    progress.begin("warm-up", 2)
    assert drawn(console).endswith(" 0/2\n")
    progress.advance()
    progress.advance()
    assert drawn(console).endswith(" 2/2\n")


def test_a_stage_is_redrawn_in_place() -> None:
    """Each redraw goes up to the line that it replaces, so a stage takes one line."""
    console = terminal()
    progress = TerminalProgress(console)
    progress.begin("trials", 3)
    progress.advance(3)
    progress.end()
    text = drawn(console)
    assert text.count("\n") - text.count("\x1b[1A") == 1


def test_a_stage_of_unknown_length_says_when_it_is_over() -> None:
    """There is no bar, only the time at the end."""
    console = terminal()
    progress = TerminalProgress(console)
    progress.begin("resident idle")
    progress.end()
    assert "━" not in drawn(console)
    assert drawn(console).endswith(" s\n")


def test_nothing_is_drawn_between_calls_nor_without_a_stage() -> None:
    """Advancing or ending what did not begin draws nothing; beginning the next stage ends the one before."""
    console = terminal()
    progress = TerminalProgress(console)
    progress.advance()
    progress.end()
    assert drawn(console) == ""
    progress.begin("load")
    progress.begin("trials", 1)
    assert drawn(console).count("load") == 2


def test_many_small_steps_are_drawn_rarely() -> None:
    """A download in a hundred thousand chunks costs a handful of drawings."""
    console = terminal()
    progress = TerminalProgress(console)
    progress.begin("download", 10**9)
    for _ in range(1000):
        progress.advance(1)
    assert drawn(console).count("\n") < 100


def test_there_is_no_progress_without_a_terminal() -> None:
    """Under pytest standard error is no terminal; and a quiet progress is silent anywhere."""
    assert isinstance(terminal_progress(quiet=False), Silent)
    assert isinstance(terminal_progress(quiet=True), Silent)
