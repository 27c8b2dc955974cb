"""Which of an output's tokens are thinking: a tokenizer of one token for each word, and one that merges the end."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.thinking import thinking_tokens

OPENS, CLOSES = "<think>\n", "</think>"


def count(words: str, *, begun: bool) -> int:
    """With the words as tokens."""
    tokens = words.split()
    return thinking_tokens(range(len(tokens)), lambda ids: " ".join(tokens[i] for i in ids), OPENS, CLOSES, begun=begun)


@pytest.mark.parametrize(
    ("words", "begun", "thinking"),
    [
        ("<think> a b </think> c d", False, 4),
        ("a b </think> c d", True, 3),
        ("</think> c d", True, 1),
        ("a b c </think>", True, 4),
        ("a b c d", True, 4),
        ("<think> a b", False, 3),
        ("a b c d", False, 0),
        ("", True, 0),
        ("", False, 0),
    ],
)
def test_thinking_ends_with_the_text_that_closes_it(words: str, begun: bool, thinking: int) -> None:
    """That included; without it all is thinking if it had begun, in the prompt or with the opening text."""
    assert count(words, begun=begun) == thinking


@pytest.mark.parametrize("before", range(9))
def test_the_end_is_found_wherever_it_is(before: int) -> None:
    """After any number of words, and any number after it."""
    for after in range(6):
        words = " ".join(["a"] * before + [CLOSES] + ["b"] * after)
        assert count(words, begun=True) == before + 1


def test_a_token_that_holds_more_than_the_end_is_thinking() -> None:
    """A tokenizer may merge the last character of the closing text with what follows."""
    texts = ["a ", "</thi", "nk>b", " c"]
    assert thinking_tokens(range(4), lambda ids: "".join(texts[i] for i in ids), OPENS, CLOSES, begun=True) == 3
