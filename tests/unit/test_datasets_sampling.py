"""Which prompts of a dataset a pass takes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.builtin import BuiltinDataset
from ai_energy_benchmarks.datasets.local import LocalDataset
from ai_energy_benchmarks.datasets.sampling import STRATA, Sampling, random_order, stratified_order, take
from ai_energy_benchmarks.domain.prompts import Prompt

BUILTIN = BuiltinDataset(DatasetSettings("builtin", "text"))
HUNDRED = [Prompt(index, "x" * (index + 1)) for index in range(100)]


def sample(count: int, sampling: Sampling, seed: int = 0) -> list[int]:
    return [prompt.index for prompt in take(BUILTIN, count, sampling, seed, None)]


def test_first_is_the_order_of_the_data_set() -> None:
    """Nothing beyond what is asked for is read."""
    assert sample(5, "first") == [0, 1, 2, 3, 4]


def test_a_seed_decides_the_sample() -> None:
    """The same seed gives the same prompts, another seed others."""
    for sampling in ("random", "stratified"):
        assert sample(20, sampling, 1) == sample(20, sampling, 1)
        assert sample(20, sampling, 1) != sample(20, sampling, 2)


def test_more_warm_up_does_not_change_what_is_measured() -> None:
    """The first few of a larger sample are the smaller sample."""
    for sampling in ("random", "stratified"):
        assert sample(30, sampling)[:12] == sample(12, sampling)


def test_prompts_keep_the_index_of_the_data_set(tmp_path: Path) -> None:
    """An index leads back to the row of the file."""
    path = tmp_path / "a.txt"
    path.write_text("".join(f"prompt {index}\n" for index in range(30)))
    for prompt in take(LocalDataset(DatasetSettings(str(path), "text")), 10, "random", 0, None):
        assert prompt.text == f"prompt {prompt.index}"


def test_strata_have_equal_shares() -> None:
    """Of 100 prompts of different lengths, the first 20 hold two from each tenth of the lengths."""
    chosen = stratified_order(HUNDRED, 3, None)[:20]
    assert Counter(prompt.index // STRATA for prompt in chosen) == dict.fromkeys(range(10), 2)


def test_lengths_are_tokens_where_there_is_a_tokenizer() -> None:
    """The strata follow the model's own idea of length."""

    class Reversed:
        """A tokenizer to which the shorter text is the longer."""

        def encode(self, text: str) -> list[int]:
            return [0] * (200 - len(text))

        def decode(self, token_ids: list[int]) -> str:
            return ""

    by_tokens = stratified_order(HUNDRED, 3, Reversed())
    assert by_tokens != stratified_order(HUNDRED, 3, None)
    assert Counter(prompt.index // STRATA for prompt in by_tokens[:10]) == dict.fromkeys(range(10), 1)


@given(count=st.integers(0, 45), seed=st.integers())
def test_every_order_holds_every_prompt_once(count: int, seed: int) -> None:
    """Nothing is lost or doubled, whatever the number of prompts."""
    prompts = HUNDRED[:count]
    for order in (random_order, stratified_order):
        assert sorted(order(prompts, seed, None), key=lambda prompt: prompt.index) == prompts
