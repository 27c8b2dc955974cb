"""What works, in columns: words wrap, and a command to be copied stays whole."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ai_energy_benchmarks.cli.states import Shown, print_states

INSTALL = 'pip install "ai_energy_benchmarks[tensorrt]"'


def printed(width: int, *rows: Shown) -> str:
    stream = io.StringIO()
    print_states(Console(file=stream, width=width, color_system=None), "engines", rows)
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_command_is_never_broken(width: int) -> None:
    """However narrow the terminal is, the line that installs something can be copied."""
    row = Shown("tensorrt_llm_offline", "missing", ("An engine in this process.", f"fix: {INSTALL}; or wait"))
    lines = printed(width, row).splitlines()
    assert any(INSTALL in line for line in lines)
    assert lines[0] == "engines"
    assert lines[1].split()[:2] == ["tensorrt_llm_offline", "missing"]


def test_subject_state_and_sentences_stand_in_columns() -> None:
    """Each sentence begins on a line of its own; nothing is printed of a part without rows."""
    text = printed(80, Shown("a", "ready", ("One.",)), Shown("longer", "limited", ("Two.", "Three.")))
    assert text.splitlines() == [
        "engines",
        "  a       ready    One.",
        "  longer  limited  Two.",
        "                   Three.",
    ]
    assert printed(80) == ""
