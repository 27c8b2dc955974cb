"""A random first line for prompts, where a server has no key that keeps its prefix cache from serving them again."""

from __future__ import annotations

import hashlib

from attrs import evolve

from ai_energy_benchmarks.domain.prompts import Request

# Common words of at most five letters, which most tokenizers hold as one token each: a line is about as long whichever
# they are.
_TABLE = """
able acid also area army away baby back ball band bank base bird blue boat body book born both call camp card care case
city club cold cook cool data deal door down east face fact farm fast film fire fish five food foot form four game girl
gold half hall hand hard head high home hope idea iron king lake land late lead
"""
_WORDS = _TABLE.split()
_LINE_WORDS = 8  # of 64 words, so one of 2⁴⁸ lines


def line(salt: str, number: int) -> str:
    """The line of a request: the same for the same salt and number, another one for any other."""
    digest = hashlib.sha256(f"{salt}:{number}".encode()).digest()
    return " ".join(_WORDS[byte % len(_WORDS)] for byte in digest[:_LINE_WORDS]) + "\n"


def salted(request: Request, salt: str) -> Request:
    """The request with its line before the first thing that is said, so that all of the prompt comes after it.

    Only what the model's template writes before the first turn stands ahead of it.
    """
    first_line = line(salt, request.number)
    if not request.messages:
        return evolve(request, prompt=evolve(request.prompt, text=first_line + request.prompt.text))
    first, *later = request.messages
    return evolve(request, messages=(evolve(first, content=first_line + first.content), *later))
