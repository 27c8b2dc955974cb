"""Conversations as prompts."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.cells import Cell, Source
from ai_energy_benchmarks.datasets.conversations import Turns, is_conversation, prompts_from
from ai_energy_benchmarks.datasets.local import LocalDataset, LocalOptions
from ai_energy_benchmarks.domain.prompts import Message, Prompt
from ai_energy_benchmarks.errors import DatasetError

SHAREGPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
SILENT = [{"from": "gpt", "value": "Anyone?"}]


LONG = [
    {"from": "system", "value": "Be brief."},
    {"from": "human", "value": "Hi"},
    {"from": "gpt", "value": "Hello"},
    {"from": "human", "value": "Why?"},
    {"from": "gpt", "value": "Because."},
]
BEFORE_WHY = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello"))


def read(path: Path, count: int = 10, turns: Turns = "first") -> tuple[Prompt, ...]:
    settings = DatasetSettings(str(path), "conversations", options=LocalOptions(turns))
    return LocalDataset(settings).prompts(count, None)


def asked(*values: object, turns: Turns = "first") -> list[Prompt]:
    cells = (Cell(f"row {number}", value) for number, value in enumerate(values, start=1))
    return list(prompts_from(cells, Source("chats.json", "conversations"), turns))


@pytest.mark.parametrize(("turns", "said"), [(SHAREGPT, "Hi"), (CHAT, "Why?"), (SILENT, None), ([], None)])
def test_the_prompt_is_the_users_first_turn(turns: object, said: str | None) -> None:
    """Both ways of naming speakers are understood; what others say first is not a prompt."""
    assert is_conversation(turns)
    assert asked(turns) == ([] if said is None else [Prompt(0, said)])


@pytest.mark.parametrize("value", ["Hi", None, {"from": "human", "value": "Hi"}, [1], [{"from": "human"}], ["Hi"]])
def test_other_values_are_no_conversation(value: object) -> None:
    """A list needs a speaker and a text in each turn."""
    assert not is_conversation(value)


def test_a_sharegpt_file_is_read(tmp_path: Path) -> None:
    """A conversation in which the user says nothing is passed over, and its number is missing."""
    path = tmp_path / "sharegpt.json"
    path.write_text(json.dumps([{"id": "a", "conversations": turns} for turns in (SHAREGPT, SILENT, [], SHAREGPT)]))
    assert read(path) == (Prompt(0, "Hi"), Prompt(3, "Hi"))


def test_conversations_in_parquet_are_read_until_there_are_enough(tmp_path: Path) -> None:
    """Those passed over do not count."""
    path = tmp_path / "sharegpt.parquet"
    pl.DataFrame({"conversations": [SILENT, SILENT, SHAREGPT, SHAREGPT]}).write_parquet(path)
    assert read(path, count=1) == (Prompt(2, "Hi"),)


def test_an_empty_question_is_an_error(tmp_path: Path) -> None:
    """As any empty prompt."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"conversations": [{"from": "human", "value": " "}]}))
    with pytest.raises(DatasetError, match="the prompt is empty"):
        read(path)


PARTS = [{"type": "text", "text": "Look:"}, {"type": "text", "text": "why?", "image_url": None}]


@pytest.mark.parametrize("turns", ["first", "last", "all"])
def test_content_of_several_text_parts_is_one_text(turns: Turns) -> None:
    """As OpenAI's API has it, in every turn; the parts are lines."""
    chat = [{"role": "system", "content": [{"type": "input_text", "text": "s"}]}, {"role": "user", "content": PARTS}]
    history = () if turns == "first" else (Message("system", "s"),)
    assert asked(chat, turns=turns) == [Prompt(0, "Look:\nwhy?", history=history)]
    assert asked(PARTS) == [Prompt(0, "Look:\nwhy?")]


def test_text_parts_in_parquet_are_read(tmp_path: Path) -> None:
    """There each part is a structure with every key."""
    path = tmp_path / "chats.parquet"
    pl.DataFrame({"conversations": [[{"role": "user", "content": PARTS}]]}).write_parquet(path)
    assert read(path) == (Prompt(0, "Look:\nwhy?"),)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "image_url", "image_url": {"url": "data:"}}, "image_url"),
        ({"type": "input_audio", "text": "not this"}, "input_audio"),
        ({"type": "text", "text": None}, "text"),
        ({"text": "without a type"}, "unknown"),
    ],
)
def test_a_part_that_is_no_text_is_refused(part: object, kind: str) -> None:
    """A prompt without it would be another one: its place and type are named."""
    with pytest.raises(DatasetError, match=f"turn 1.*part 3 of the message is of type {kind}, not text") as caught:
        asked([{"role": "user", "content": [*PARTS, part]}])
    assert "text alone" in str(caught.value.remedy)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.parquet"])
def test_empty_rows_can_be_skipped_and_are_counted(tmp_path: Path, name: str) -> None:
    """Of those read until there were enough; the others keep their numbers, and without the setting it is named."""
    path, texts = tmp_path / name, ["a", "", "  ", "b", "", "c"]
    if name == "a.jsonl":
        path.write_text("\n".join(json.dumps({"text": text or None}) for text in texts))
    elif name == "a.parquet":
        pl.DataFrame({"text": texts}).write_parquet(path)
    else:
        path.write_text("\n".join([*(["id,text"] if name == "a.csv" else []), *(
            f"1,{text}" if name == "a.csv" else text for text in texts)]))  # fmt: skip
    skipping = LocalDataset(DatasetSettings(str(path), "text", options=LocalOptions(skip_empty=True)))
    assert skipping.prompts(3, None) == (Prompt(0, "a"), Prompt(3, "b"), Prompt(5, "c"))
    assert skipping.skipped_rows == 3
    assert skipping.prompts(2, None) == (Prompt(0, "a"), Prompt(3, "b"))
    assert skipping.skipped_rows == 2
    with pytest.raises(DatasetError) as caught:
        LocalDataset(DatasetSettings(str(path), "text")).prompts(3, None)
    assert "scenario.dataset_options.skip_empty: true" in str(caught.value.remedy)


def test_the_last_turn_of_the_user_comes_with_what_was_said_before_it() -> None:
    """Under the roles that chat templates know; what follows it is not sent."""
    assert asked(SILENT[:0], LONG, turns="last") == [Prompt(1, "Why?", history=BEFORE_WHY)]
    assert asked(SHAREGPT, turns="last") == [Prompt(0, "Hi")]


def test_every_turn_of_the_user_can_be_a_prompt() -> None:
    """They are numbered through, since one conversation gives several."""
    again = Prompt(2, "Why?", history=(Message("system", "Be brief."),))
    assert asked(LONG, CHAT, turns="all") == [
        Prompt(0, "Hi", history=(Message("system", "Be brief."),)),
        Prompt(1, "Why?", history=BEFORE_WHY),
        again,
    ]


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        (SILENT, "turn 1, column 'conversations': a turn of the assistant cannot stand at the beginning"),
        ([*SHAREGPT[:1], *LONG[1:]], "turn 2, .*: a turn of the user cannot stand after a turn of the user"),
        ([*SHAREGPT, CHAT[0]], "turn 3, .*: a turn of the system cannot stand after a turn of the assistant"),
        ([{"role": "tool", "content": "42"}], "turn 1, .*: the speaker 'tool' is none of human, user"),
        ([{"role": [], "content": "42"}], r"turn 1, .*: the speaker \[\] is none of human, user"),
        ([*SHAREGPT, {"from": "human", "value": None}], "turn 3, .*: expected text, found null"),
        ("Hi", "'conversations': this is one text, not a conversation"),
        (7, "'conversations': expected text, found a number"),
    ],
)
def test_what_is_no_chat_is_told_with_its_place(turns: object, told: str) -> None:
    """The file, the record and the turn; and that the first turn alone could be taken."""
    with pytest.raises(DatasetError, match=f"^chats.json, .*{told}") as refused:
        asked(turns, turns="last")
    assert refused.value.remedy


def test_the_first_turn_asks_nothing_of_the_others() -> None:
    """Whoever speaks before or after, in whatever order."""
    assert asked([*SILENT, *SHAREGPT, {"role": "tool", "content": None}]) == [Prompt(0, "Hi")]


def test_a_file_is_read_with_its_earlier_turns(tmp_path: Path) -> None:
    """In Parquet as in JSON, and only as far as is needed."""
    path, table = tmp_path / "chats.json", tmp_path / "chats.parquet"
    path.write_text(json.dumps([{"conversations": turns} for turns in (LONG, SHAREGPT)]))
    pl.DataFrame({"conversations": [LONG, SHAREGPT]}).write_parquet(table)
    for each in (path, table):
        assert read(each, turns="last") == (Prompt(0, "Why?", history=BEFORE_WHY), Prompt(1, "Hi"))
        assert [prompt.text for prompt in read(each, count=2, turns="all")] == ["Hi", "Why?"]


def test_a_transcript_names_the_speakers() -> None:
    """It is what lengths are taken of, and what is saved."""
    (prompt,) = asked(CHAT, turns="last")
    assert prompt.transcript == "system: Be brief.\n\nuser: Why?"
    assert Prompt(0, "Why?").transcript == "Why?"
