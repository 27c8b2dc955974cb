"""Units of what a pass produces: output tokens of text, and what other models make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

OUTPUT_TOKENS = "output_tokens"


@frozen
class Unit:
    """A unit of work.

    Attributes:
        name: as results name it.
        one, many: as people write one of it, and several.
    """

    name: str
    one: str
    many: str


_KNOWN = {
    known.name: known
    for known in (
        Unit(OUTPUT_TOKENS, "output token", "output tokens"),
        Unit("images", "image", "images"),
        Unit("audio_s", "second of audio", "seconds of audio"),
        Unit("pixels", "pixel", "pixels"),
        Unit("documents", "document", "documents"),
        Unit("correct_answers", "correct answer", "correct answers"),
    )
}


def unit(name: str) -> Unit:
    """The unit of a name; one that is not known here is called by its name."""
    plain = name.replace("_", " ")
    return _KNOWN.get(name) or Unit(name, plain, plain)


def together(amounts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sum of several, unit by unit."""
    sums: dict[str, float] = {}
    for part in amounts:
        for name, amount in part.items():
            sums[name] = sums.get(name, 0.0) + amount
    return sums
