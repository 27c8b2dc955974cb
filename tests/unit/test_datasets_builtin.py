"""The prompts that come with the package."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.builtin import BuiltinDataset
from ai_energy_benchmarks.errors import DatasetError

PROMPTS = BuiltinDataset(DatasetSettings("builtin", "text")).prompts(10_000, None)
RECORDS = [
    json.loads(line)
    for line in (files("ai_energy_benchmarks.datasets") / "builtin_prompts.jsonl").read_text("utf-8").splitlines()
]


def test_there_are_enough_for_the_default_of_the_command_line() -> None:
    """100 samples and 10 of warm-up need no prompt twice."""
    assert len(PROMPTS) >= 110
    assert len({prompt.text for prompt in PROMPTS}) == len(PROMPTS)


def test_they_are_short_and_long() -> None:
    """From a dozen words or fewer to several hundred, all within a context of 1,024 tokens."""
    words = sorted(len(prompt.text.split()) for prompt in PROMPTS)
    assert words[len(words) // 4] <= 20
    assert sum(count > 100 for count in words) >= 10
    assert 500 < words[-1] < 800
    assert max(len(prompt.text) for prompt in PROMPTS) < 4 * 1024


def test_they_are_of_many_kinds_and_languages() -> None:
    """At least ten kinds of task, in at least ten languages."""
    assert len({record["kind"] for record in RECORDS}) >= 10
    assert len({record["language"] for record in RECORDS}) >= 10


def test_the_first_few_are_a_fair_sample() -> None:
    """The first eight, which the quick start sends, are of at least six kinds and none is very long."""
    assert len({record["kind"] for record in RECORDS[:8]}) >= 6
    assert max(len(record["text"].split()) for record in RECORDS[:8]) < 120


def test_a_record_holds_what_is_read_and_no_more() -> None:
    """Kind, language and text; the text is what is sent."""
    assert all(set(record) == {"kind", "language", "text"} for record in RECORDS)
    assert [record["text"] for record in RECORDS] == [prompt.text for prompt in PROMPTS]


def test_the_first_prompts_are_always_the_same() -> None:
    """``count`` takes from the beginning, numbered from 0."""
    few = BuiltinDataset(DatasetSettings("builtin", "text", seed=7)).prompts(3, None)
    assert few == PROMPTS[:3]
    assert [prompt.index for prompt in few] == [0, 1, 2]


def test_a_column_is_refused() -> None:
    """There are no columns to choose from."""
    with pytest.raises(DatasetError, match="no columns"):
        BuiltinDataset(DatasetSettings("builtin", "prompt")).prompts(1, None)
