"""Prompts that a pass sends more than once."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.outcomes import MANY_REQUESTS


def repeated_prompts(completions: Sequence[Completion]) -> int:
    """How many prompts had been sent before in the pass.

    By the first 64 bits of their hashes: of a million prompts no two share those by chance (one in 30 million).
    """
    seen = array("Q", (int(each.rendered_sha256[:16], 16) for each in completions if each.rendered_sha256))
    if len(seen) < MANY_REQUESTS:
        return len(seen) - len(set(seen))
    import polars

    return len(seen) - polars.Series(seen, dtype=polars.UInt64).n_unique()
