"""From cells to prompts: plain texts, and conversations as ShareGPT and chat logs hold them, lists of turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Literal

from attrs import evolve

from ai_energy_benchmarks.datasets.cells import Cell, Source, is_empty, text_of
from ai_energy_benchmarks.domain.prompts import Message, Prompt
from ai_energy_benchmarks.errors import DatasetError

Turns = Literal["first", "last", "all"]

# ShareGPT says {"from": "human", "value": …}, everyone else {"role": "user", "content": …}.
_KEYS = (("from", "value"), ("role", "content"))
_ROLES: Mapping[object, str] = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "model", "bot", "bing", "bard"), "assistant"),
    "system": "system",
}
_MAY_FOLLOW: Mapping[str, tuple[str | None, ...]] = {
    "system": (None,),
    "user": (None, "system", "assistant"),
    "assistant": ("user",),
}
_REMEDY = "correct or remove this record, or set scenario.dataset_options.turns: first"


def prompts_from(cells: Iterable[Cell], source: Source, turns: Turns = "first") -> Iterator[Prompt]:
    """Prompts, their texts exactly as read.

    A conversation in which the user says nothing is passed over. Prompts are numbered from 0 by the place of their
    cell, so that its number is missing; where each turn of the user is a prompt, they are numbered through.

    Args:
        turns: of a conversation, the user's ``first`` turn and nothing else, the ``last`` one with everything before
            it, or ``all`` of them, each with everything before it.

    Raises:
        DatasetError: a cell is missing, empty, not text, or not valid Unicode; or earlier turns are wanted, and it is
            no conversation, or has speakers that are unknown or come in an order that no chat has.
    """
    numbers = count()
    for place, cell in enumerate(cells):
        for prompt in _prompts(cell, source, turns):
            yield evolve(prompt, index=next(numbers) if turns == "all" else place)


class Filled:
    """Cells without the empty ones.

    Attributes:
        skipped: how many were empty, of those that have been read.
    """

    def __init__(self, cells: Iterable[Cell], skip: bool) -> None:
        self._cells = cells
        self._skip = skip
        self.skipped = 0

    def __iter__(self) -> Iterator[Cell]:
        for cell in self._cells:
            empty = self._skip and is_empty(cell)
            self.skipped += empty
            yield Cell(cell.place, []) if empty else cell  # a conversation in which nothing is said keeps its number


def is_conversation(value: object) -> bool:
    """Whether a cell holds turns, each with a speaker and what was said; an empty list is a silent conversation."""
    return isinstance(value, list) and all(_turn(each) is not None for each in value)


def _prompts(cell: Cell, source: Source, turns: Turns) -> Iterator[Prompt]:
    if not is_conversation(cell.value):
        if turns != "first":
            text_of(cell, source)  # what is no prompt at all is told first
            raise source.error("this is one text, not a conversation with turns", _REMEDY, place=cell.place)
        yield Prompt(0, text_of(cell, source))
    elif turns == "first":
        yield from _first(cell, source)
    else:
        found = list(_questions(cell, source))
        yield from found if turns == "all" else found[-1:]


def _first(cell: Cell, source: Source) -> Iterator[Prompt]:
    """What the user says first, whatever stands around it."""
    for number, (speaker, said) in enumerate(_said(cell.value), start=1):
        if isinstance(speaker, str) and _ROLES.get(speaker) == "user":
            yield Prompt(0, text_of(_at(cell, number, said), source))
            return


def _questions(cell: Cell, source: Source) -> Iterator[Prompt]:
    """Each turn of the user with those before it."""
    before: list[Message] = []
    for number, (speaker, said) in enumerate(_said(cell.value), start=1):
        turn = _at(cell, number, said)
        role = _ROLES.get(speaker) if isinstance(speaker, str) else None
        last = before[-1].role if before else None
        if role is None:
            raise _unusual(source, turn, f"the speaker {speaker!r} is none of {', '.join(map(str, _ROLES))}")
        if last not in _MAY_FOLLOW[role]:
            after = f"after a turn of the {last}" if last else "at the beginning"
            raise _unusual(source, turn, f"a turn of the {role} cannot stand {after}")
        text = text_of(turn, source)
        if role == "user":
            yield Prompt(0, text, history=tuple(before))
        before.append(Message(role, text))


def _unusual(source: Source, turn: Cell, what: str) -> DatasetError:
    return source.error(what, _REMEDY, place=turn.place)


def _at(cell: Cell, number: int, said: object) -> Cell:
    return Cell(f"{cell.place}, turn {number}", said)


def _said(value: object) -> Iterator[tuple[object, object]]:
    """Speaker and words of each turn, of a cell for which ``is_conversation`` holds."""
    assert isinstance(value, list)
    return (turn for each in value if (turn := _turn(each)) is not None)


def _turn(value: object) -> tuple[object, object] | None:
    if not isinstance(value, Mapping):
        return None
    return next(((value[who], value[what]) for who, what in _KEYS if who in value and what in value), None)
