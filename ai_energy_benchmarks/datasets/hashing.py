"""The fingerprint of what was asked, so that two results can be told to be of the same prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ai_energy_benchmarks.domain.prompts import Prompt


def dataset_sha256(prompts: Iterable[Prompt]) -> str:
    """SHA-256 of the texts in order, each preceded by its length in bytes, as hexadecimal digits.

    The lengths keep ``["ab", "c"]`` and ``["a", "bc"]`` apart. Indices do not count: the same texts from
    another file have the same hash. A prompt with a length of output of its own adds ``>``, that length and ``;``.
    Each earlier turn of a conversation comes before its prompt: ``<``, the role and the text, hashed in the same way.
    """
    digest = hashlib.sha256()

    def add(text: str) -> None:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(content))
        digest.update(content)

    for prompt in prompts:
        for turn in prompt.history:
            digest.update(b"<")
            add(turn.role)
            add(turn.content)
        add(prompt.text)
        if prompt.output_tokens is not None:
            digest.update(b">%d;" % prompt.output_tokens)
    return digest.hexdigest()
