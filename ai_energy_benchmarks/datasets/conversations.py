"""Conversations as ShareGPT and chat logs hold them: a list of turns in one cell."""

from __future__ import annotations

from collections.abc import Mapping

# ShareGPT says {"from": "human", "value": …}, everyone else {"role": "user", "content": …}.
_KEYS = (("from", "value"), ("role", "content"))
_USERS = ("human", "user")


def is_conversation(value: object) -> bool:
    """Whether a cell holds turns, each with a speaker and what was said; an empty list is a silent conversation."""
    return isinstance(value, list) and all(_turn(each) is not None for each in value)


def first_user_turn(value: object) -> object:
    """What the user says first; None if the user says nothing.

    Args:
        value: a cell for which ``is_conversation`` holds.
    """
    assert isinstance(value, list)
    turns = (_turn(each) for each in value)
    return next((said for turn in turns if turn is not None for speaker, said in [turn] if speaker in _USERS), None)


def _turn(value: object) -> tuple[object, object] | None:
    if not isinstance(value, Mapping):
        return None
    return next(((value[who], value[what]) for who, what in _KEYS if who in value and what in value), None)
