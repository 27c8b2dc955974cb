"""Thinking apart from the answer, in the ids of one output."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence


def thinking_tokens(
    token_ids: Sequence[int], decode: Callable[[list[int]], str], opens: str, closes: str, *, begun: bool
) -> int:
    """How many of an output's tokens are thinking: those up to and including the text that closes it.

    Without a closing text all tokens are thinking if it had begun, else none. The text is looked for, not its ids,
    because a tokenizer may merge its last character with what follows.

    Args:
        decode: ids to text, special tokens included.
        begun: whether the prompt itself ended within thinking.
    """
    ids = list(token_ids)
    whole = decode(ids)
    if closes not in whole:
        return len(ids) if begun or whole.lstrip().startswith(opens.strip()) else 0
    return bisect_left(range(len(ids)), True, key=lambda count: closes in decode(ids[:count]))
