"""Prompts of an exact number of tokens."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.sampling import take
from ai_energy_benchmarks.datasets.synthetic import Length, SyntheticDataset, SyntheticOptions
from ai_energy_benchmarks.datasets.words import WORDS
from ai_energy_benchmarks.domain.prompts import Tokenizer
from ai_energy_benchmarks.errors import DatasetError


class ByteTokenizer:
    """One token a byte, between a start and an end token, as T5 and Llama add them."""

    def encode(self, text: str) -> list[int]:
        return [256, *text.encode(), 257]

    def decode(self, token_ids: list[int]) -> str:
        return bytes(each for each in token_ids if each < 256).decode()


class WordTokenizer:
    """One token a word and none for anything else: no filler without a space adds one."""

    def encode(self, text: str) -> list[int]:
        return [hash(word) for word in text.split()]

    def decode(self, token_ids: list[int]) -> str:
        return ""


class PairTokenizer:
    """Two tokens for every word, so that odd numbers cannot be reached."""

    def encode(self, text: str) -> list[int]:
        return [0, 1] * len(text.split())

    def decode(self, token_ids: list[int]) -> str:
        return ""


def lengths(tokenizer: Tokenizer, count: int, options: SyntheticOptions, seed: int = 0) -> list[int]:
    """Tokens of each prompt, without what the tokenizer adds to any text."""
    added = len(tokenizer.encode(""))
    prompts = SyntheticDataset(DatasetSettings("synthetic", "text", seed, options)).prompts(count, tokenizer)
    assert [prompt.index for prompt in prompts] == list(range(count))
    return [len(tokenizer.encode(prompt.text)) - added for prompt in prompts]


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), WordTokenizer()])
@given(wanted=st.integers(1, 300), seed=st.integers(0, 9))
def test_a_prompt_has_exactly_the_tokens_asked_for(tokenizer: Tokenizer, wanted: int, seed: int) -> None:
    """Not one more or less, and tokens that surround every text do not count."""
    options = SyntheticOptions(Length(wanted))
    assert lengths(tokenizer, 2, options, seed) == [wanted, wanted]


def test_a_real_tokenizer_is_met_exactly(tmp_path: Path) -> None:
    """Byte-pair merges included, at lengths up to thousands of tokens."""
    pytest.importorskip("tokenizers", reason="comes with transformers")
    from tokenizers import Tokenizer as Raw
    from tokenizers import decoders, models, pre_tokenizers, trainers

    raw = Raw(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    raw.train_from_iterator([" ".join(WORDS[number::3]) for number in range(3)], trainer)

    class Adapter:
        """The contract of the package over a bare tokenizer."""

        def encode(self, text: str) -> list[int]:
            return list(raw.encode(text).ids)

        def decode(self, token_ids: list[int]) -> str:
            return str(raw.decode(token_ids))

    for wanted in (1, 2, 3, 17, 128, 1000, 4000):
        options = SyntheticOptions(Length(wanted), prefix_tokens=wanted // 2)
        assert lengths(Adapter(), 2, options) == [wanted, wanted]


def test_a_prompt_depends_on_the_seed_and_its_number_alone() -> None:
    """More prompts do not change the first ones; another seed changes all."""

    def texts(count: int, seed: int) -> list[str]:
        settings = DatasetSettings("synthetic", "text", seed, SyntheticOptions(Length(40)))
        return [prompt.text for prompt in SyntheticDataset(settings).prompts(count, WordTokenizer())]

    assert texts(9, 1)[:4] == texts(4, 1)
    assert not set(texts(9, 1)) & set(texts(9, 2))
    assert len(set(texts(9, 1))) == 9


def test_lengths_follow_their_distribution() -> None:
    """A normal distribution cut at both ends: its mean and spread are met, its ends are never passed."""
    drawn = lengths(WordTokenizer(), 400, SyntheticOptions(Length(100, sigma=20, min=50, max=150)))
    assert fmean(drawn) == pytest.approx(100, abs=4 * 20 / 400**0.5)
    assert stdev(drawn) == pytest.approx(20, rel=0.2)
    assert 50 <= min(drawn) <= max(drawn) <= 150
    cut = lengths(WordTokenizer(), 100, SyntheticOptions(Length(10, sigma=1000, min=8, max=12)))
    assert set(cut) == {8, 9, 10, 11, 12}


@pytest.mark.parametrize("length", [(5, 0.0, 6, None), (5, 1.0, 1, 4), (0, 0.0, 1, None), (5, -1.0, 1, None)])
def test_a_length_that_contradicts_itself_is_refused(length: tuple[int, float, int, int | None]) -> None:
    """The mean lies between the ends, and nothing is negative."""
    with pytest.raises(ValueError, match=r"must (lie|be)"):
        Length(*length)


def test_beginnings_are_shared_in_turn() -> None:
    """With two prefixes every second prompt begins alike, token by token, and not with the other's beginning."""
    options = SyntheticOptions(Length(60), prefix_tokens=24, prefixes=2)
    settings = DatasetSettings("synthetic", "text", 0, options)
    tokenizer = ByteTokenizer()
    found = SyntheticDataset(settings).prompts(6, tokenizer)
    begins = [tuple(tokenizer.encode(prompt.text)[1 : 1 + 24]) for prompt in found]
    assert begins == begins[:2] * 3
    assert begins[0] != begins[1]
    assert len({prompt.text for prompt in found}) == 6


def test_a_prompt_must_be_longer_than_its_beginning() -> None:
    """Else all prompts would be the same."""
    with pytest.raises(DatasetError, match="no more than its prefix"):
        lengths(WordTokenizer(), 1, SyntheticOptions(Length(10), prefix_tokens=10))


def test_a_number_that_cannot_be_reached_is_an_error() -> None:
    """A tokenizer that only makes pairs is told so, not sent something near."""
    assert lengths(PairTokenizer(), 1, SyntheticOptions(Length(8))) == [8]
    with pytest.raises(DatasetError, match="no text of exactly 7 tokens"):
        lengths(PairTokenizer(), 1, SyntheticOptions(Length(7)))


def test_a_tokenizer_is_needed() -> None:
    """A backend without one cannot count, and guessing would not be exact."""
    with pytest.raises(DatasetError, match="counted with the model's tokenizer"):
        SyntheticDataset(DatasetSettings("synthetic", "text")).prompts(1, None)


def test_there_is_no_end_to_sample_from() -> None:
    """Every prompt is random already."""
    with pytest.raises(DatasetError, match="cannot be sampled"):
        take(SyntheticDataset(DatasetSettings("synthetic", "text")), 1, "random", 0, WordTokenizer())
