"""Output tokens of a batch are counted row by row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ai_energy_benchmarks.backends.token_rows import row_output


def test_end_token_is_counted_and_padding_is_not() -> None:
    """A row that ends early counts its end token and none of the padding behind it."""
    output = row_output([5, 6, 2, 0, 0, 0], end_token_ids={2}, budget_tokens=6)
    assert output.token_ids == (5, 6, 2)
    assert output.finish_reason == "stop"


def test_padding_with_the_end_token_is_not_counted_twice() -> None:
    """Where the padding token is the end token, only the first of them belongs to the row."""
    assert row_output([5, 2, 2, 2], end_token_ids={2}, budget_tokens=4).token_ids == (5, 2)


def test_any_of_several_end_tokens_ends_the_row() -> None:
    """Every id of a list of end tokens ends a row."""
    assert row_output([5, 9, 7, 2], end_token_ids={2, 9}, budget_tokens=4).token_ids == (5, 9)


def test_a_row_that_uses_its_budget_ends_by_length() -> None:
    """Without an end token the whole budget is output."""
    output = row_output([5, 6, 7], end_token_ids={2}, budget_tokens=3)
    assert (output.token_ids, output.finish_reason) == ((5, 6, 7), "length")


@given(own=st.lists(st.integers(3, 50), max_size=20), padding=st.integers(0, 10), pad_is_end=st.booleans())
def test_padding_never_changes_the_count(own: list[int], padding: int, pad_is_end: bool) -> None:
    """However much padding follows, a row counts what it generated before and including its end token."""
    padded = [*own, 2, *([2 if pad_is_end else 0] * padding)]
    assert row_output(padded, end_token_ids={2}, budget_tokens=100).token_ids == (*own, 2)
