"""Thinking apart from the answer, in the ids of one output."""

from __future__ import annotations

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
    too_few, enough = 0, len(ids)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if closes in decode(ids[:middle]):
            enough = middle
        else:
            too_few = middle
    return enough
