"""Conversations as prompts."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.conversations import first_user_turn, is_conversation
from ai_energy_benchmarks.datasets.local import LocalDataset
from ai_energy_benchmarks.domain.prompts import Prompt
from ai_energy_benchmarks.errors import DatasetError

SHAREGPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
SILENT = [{"from": "gpt", "value": "Anyone?"}]


def read(path: Path, count: int = 10) -> tuple[Prompt, ...]:
    return LocalDataset(DatasetSettings(str(path), "conversations")).prompts(count, None)


@pytest.mark.parametrize(("turns", "said"), [(SHAREGPT, "Hi"), (CHAT, "Why?"), (SILENT, None), ([], None)])
def test_the_prompt_is_the_users_first_turn(turns: object, said: str | None) -> None:
    """Both ways of naming speakers are understood; what others say first is not a prompt."""
    assert is_conversation(turns)
    assert first_user_turn(turns) == said


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
