"""Which prompts of a dataset a pass takes: the first, random ones, or all lengths in their proportion."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import Literal

from ai_energy_benchmarks.datasets.base import Dataset
from ai_energy_benchmarks.domain.prompts import Prompt, Tokenizer

Sampling = Literal["first", "random", "stratified"]
ALL = 2**31 - 1
STRATA = 10


def take(source: Dataset, count: int, sampling: Sampling, seed: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
    """``count`` prompts, fewer if there are no more; each keeps the index that it has in the dataset.

    Unless ``sampling`` is ``first``, the whole dataset is read. Which prompts come first does not depend on
    ``count``, so that more warm-up does not change what is measured.

    Args:
        sampling: ``first``; ``random`` without replacement; ``stratified``: as many from each tenth of the lengths.
        seed: decides the order.

    Raises:
        DatasetError: the dataset cannot be read, or has no end.
    """
    if sampling == "first":
        return source.prompts(count, tokenizer)
    found = source.prompts(ALL, tokenizer)
    return tuple(_ORDERS[sampling](found, seed, tokenizer)[:count])


def random_order(prompts: Sequence[Prompt], seed: int, tokenizer: Tokenizer | None) -> list[Prompt]:
    """All prompts, shuffled."""
    return random.Random(seed).sample(prompts, len(prompts))


def stratified_order(prompts: Sequence[Prompt], seed: int, tokenizer: Tokenizer | None) -> list[Prompt]:
    """All prompts, so that any first few have lengths in the proportion of the whole.

    The prompts are sorted by length (in tokens; in characters without a tokenizer), cut into ten strata of equal
    size, shuffled within each, and dealt from the strata in turn, each round in a random order of strata.
    """
    dice = random.Random(seed)
    lengths = {
        prompt.index: len(tokenizer.encode(prompt.transcript) if tokenizer else prompt.transcript) for prompt in prompts
    }
    ordered = sorted(prompts, key=lambda prompt: (lengths[prompt.index], prompt.index))
    edges = [len(ordered) * number // STRATA for number in range(STRATA + 1)]
    strata = [ordered[low:high] for low, high in pairwise(edges)]
    shuffled = [dice.sample(stratum, len(stratum)) for stratum in strata]
    rounds = [[prompt for prompt in dealt if prompt is not None] for dealt in zip_longest(*shuffled)]
    return [prompt for dealt in rounds for prompt in dice.sample(dealt, len(dealt))]


_ORDERS: Mapping[str, Callable[[Sequence[Prompt], int, Tokenizer | None], list[Prompt]]] = {
    "random": random_order,
    "stratified": stratified_order,
}
