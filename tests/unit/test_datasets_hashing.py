"""The fingerprint of a dataset."""

from __future__ import annotations

import hashlib

from ai_energy_benchmarks.datasets.hashing import dataset_sha256
from ai_energy_benchmarks.domain.prompts import Message, Prompt


def sha256(*texts: str) -> str:
    return dataset_sha256(Prompt(index, text) for index, text in enumerate(texts))


def test_it_is_the_hash_of_lengths_and_texts() -> None:
    """Anyone can recompute it: each text in UTF-8 after its length in bytes and a colon."""
    assert sha256("a", "é") == hashlib.sha256(b"1:a2:\xc3\xa9").hexdigest()


def test_where_a_prompt_ends_matters() -> None:
    """The same characters cut elsewhere are another dataset, and so is another order."""
    assert len({sha256("ab", "c"), sha256("a", "bc"), sha256("c", "ab"), sha256("abc")}) == 4


def test_the_index_does_not_matter() -> None:
    """The same texts from another place of another file are the same workload."""
    assert dataset_sha256([Prompt(5, "a")]) == sha256("a")


def test_earlier_turns_matter() -> None:
    """Each comes before its prompt after a ``<``, its role and its text hashed as texts are."""
    talk = Prompt(0, "b", history=(Message("user", "a"), Message("assistant", "é")))
    assert dataset_sha256([talk]) == hashlib.sha256(b"<4:user1:a<9:assistant2:\xc3\xa91:b").hexdigest()
    assert dataset_sha256([talk]) != sha256("a", "é", "b")


def test_text_that_is_not_unicode_has_a_hash_too() -> None:
    """Prompts made by hand may hold half a surrogate pair."""
    assert sha256("\ud800") != sha256("?")
