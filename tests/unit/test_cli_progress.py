"""Progress on a terminal: drawn only on request, and never in the way of what is printed next."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ai_energy_benchmarks.cli.progress import TerminalProgress, terminal_progress
from ai_energy_benchmarks.domain.durations import spoken
from ai_energy_benchmarks.runner.plain_progress import PlainProgress


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


def test_a_stage_shows_elapsed_and_remaining_time() -> None:
    """Two of five trials in 10 s leave 15 s; the end has the time alone."""
    now = [0.0]
    console = Console(file=io.StringIO(), force_terminal=True, width=90, color_system=None, legacy_windows=False)
    progress = TerminalProgress(console, lambda: now[0])
    progress.begin("trials", 5)
    now[0] = 10.0
    progress.advance(2)
    assert drawn(console).endswith(" 2/5  10.0 s, about 15.0 s left\n")
    now[0] = 25.0
    progress.end()
    assert drawn(console).endswith(" 2/5  25.0 s\n")


def test_a_log_line_is_not_drawn_over() -> None:
    """The stage goes on in a new line below it, and is redrawn in place from then on."""
    console = terminal()
    progress = TerminalProgress(console)
    progress.begin("trials", 3)
    progress.leave_line()
    before = drawn(console).count("\x1b[1A")
    progress.advance(3)
    assert drawn(console).count("\x1b[1A") == before
    progress.end()
    assert drawn(console).count("\x1b[1A") == before + 1


def test_without_a_terminal_there_are_plain_lines() -> None:
    """Under pytest standard error is no terminal."""
    assert isinstance(terminal_progress(), PlainProgress)


def test_a_plain_line_for_each_step_and_trial() -> None:
    """With the time since the beginning, "2 of 3", and what is left."""
    now, lines = [0.0], list[str]()
    progress = PlainProgress(lines.append, lambda: now[0])
    progress.begin("load model")
    now[0] = 12.3
    progress.end()
    progress.begin("trials", 3)
    for _ in range(3):
        now[0] += 100.0
        progress.advance()
    progress.end()
    assert lines == [
        "[00:00] load model",
        "[00:12] load model: done in 12.3 s",
        "[00:12] trials",
        "[01:52] trials: 1 of 3 in 100.0 s, about 3 min 20 s left",
        "[03:32] trials: 2 of 3 in 3 min 20 s, about 100.0 s left",
        "[05:12] trials: 3 of 3 in 5 min 00 s",
        "[05:12] trials: done in 5 min 00 s",
    ]


def test_plain_lines_of_a_long_stage_are_few() -> None:
    """A download in a thousand chunks has one in ten seconds, with its share."""
    now, lines = [0.0], list[str]()
    progress = PlainProgress(lines.append, lambda: now[0])
    progress.advance()
    progress.begin("download", 10**6)
    for _ in range(1000):
        now[0] += 0.025
        progress.advance(1000)
    assert lines == [
        "[00:00] download",
        "[00:10] download: 40% in 10.0 s, about 15.0 s left",
        "[00:20] download: 80% in 20.0 s, about 5.0 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (119.94, "119.9 s"), (245, "4 min 05 s"), (7620, "2 h 07 min")]
)
def test_durations_as_people_read_them(seconds: float, text: str) -> None:
    """Seconds up to two minutes, minutes up to an hour, then hours."""
    assert spoken(seconds) == text
