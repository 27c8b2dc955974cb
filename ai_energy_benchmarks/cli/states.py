"""What works on this machine, in columns that leave a command whole."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from ai_energy_benchmarks.domain.readiness import State
from ai_energy_benchmarks.safety.printable import one_line

if TYPE_CHECKING:
    from rich.console import Console

STYLES: dict[State, str] = {"ready": "green", "limited": "yellow", "missing": "yellow"}
_NARROWEST = 40
_KEPT = "\N{NO-BREAK SPACE}"
_COMMAND = re.compile(r'pip install (?:-\S+ )*(?:"[^"]*"|\S+)')


@frozen
class Shown:
    """One thing, whether it works, and sentences about it; each begins on a line of its own."""

    subject: str
    state: State
    sentences: Sequence[str]


def print_states(console: Console, heading: str, rows: Iterable[Shown]) -> None:
    """Subject, state and sentences, wrapped between words; a command to be copied is never broken."""
    from rich.text import Text

    shown = tuple(rows)
    if not shown:
        return
    console.print(Text(heading, style="bold"))
    subject_cells = max(len(row.subject) for row in shown)
    indent = 2 + subject_cells + 2 + len("missing") + 2
    width = max(_NARROWEST, console.width - indent)
    for row in shown:
        first, *more = [line for sentence in row.sentences for line in _wrapped(one_line(sentence), width)] or [""]
        line = Text.assemble(
            f"  {one_line(row.subject):{subject_cells}}  ", (f"{row.state:7}", STYLES[row.state]), f"  {first}"
        )
        line.rstrip()
        console.print(line, soft_wrap=True)
        for text in more:
            console.print(Text(" " * indent + text), soft_wrap=True)


def _wrapped(sentence: str, width: int) -> list[str]:
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _KEPT), sentence)
    lines = textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_KEPT, " ") for line in lines]
