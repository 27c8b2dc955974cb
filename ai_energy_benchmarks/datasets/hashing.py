"""The fingerprint of what was asked, so that two results can be told to be of the same prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ai_energy_benchmarks.domain.prompts import Prompt

_KEPT = 1000


def dataset_sha256(prompts: Iterable[Prompt]) -> str:
    """SHA-256 of the texts in order, each preceded by its length in bytes, as hexadecimal digits.

    The lengths keep ``["ab", "c"]`` and ``["a", "bc"]`` apart. Indices do not count: the same texts from
    another file have the same hash. A prompt with a length of output of its own adds ``>``, that length and ``;``.
    Each earlier turn of a conversation comes before its prompt: ``<``, the role and the text, hashed in the same way.
    """
    digest, known = hashlib.sha256(), dict[int, tuple[Prompt, bytes]]()
    for prompt in prompts:
        # A long pass repeats some prompts very often; they are kept, so that no other can have their identity.
        entry = known.get(id(prompt))
        if entry is None:
            entry = prompt, _content(prompt)
            if len(known) < _KEPT:
                known[id(prompt)] = entry
        digest.update(entry[1])
    return digest.hexdigest()


def _content(prompt: Prompt) -> bytes:
    turns = (b"<" + _counted(turn.role) + _counted(turn.content) for turn in prompt.history)
    length = b"" if prompt.output_tokens is None else b">%d;" % prompt.output_tokens
    return b"".join((*turns, _counted(prompt.text), length))


def _counted(text: str) -> bytes:
    content = text.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(content), content)
