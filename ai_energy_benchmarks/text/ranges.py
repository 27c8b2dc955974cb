"""What the types of keys say next to the type, so that loading, the schema and the docs read the same source."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen


@frozen
class AtLeast:
    """The smallest value that a key accepts."""

    value: float


@frozen
class MoreThan:
    """A value that a key must exceed."""

    value: float


@frozen
class AtMost:
    """The largest value that a key accepts."""

    value: float


@frozen
class Matching:
    """What a text must look like, as a pattern for all of it and in words (``must be …``)."""

    pattern: str
    words: str


Count = Annotated[int, AtLeast(1)]
Index = Annotated[int, AtLeast(0)]
Seconds = Annotated[float, AtLeast(0)]
Text = Annotated[str, Matching(r"[^\0]*[^\0\s][^\0]*", "text that is not empty")]
Scalar = str | int | float | bool | None
