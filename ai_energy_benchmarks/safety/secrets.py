"""The one owner of the secrets that this process knows: their values are blanked in whatever leaves it.

A value is learned where it comes in: under a secret key of a config, from a secret environment variable, from an
address. From then on it is ``***`` in every file, log, traceback and line of the terminal, in each of its spellings.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import reprlib
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

from attrs import define, field

from ai_energy_benchmarks.safety.keys import is_secret_variable
from ai_energy_benchmarks.safety.urls import HIDDEN, secret_parts, spellings

# A shorter value is part of too many words to be looked for by itself; it is masked at its key.
SHORTEST = 8
# A cut through a text may leave the beginning of a secret; so much of one says nothing yet.
_FEW = 4


@define
class _Known:
    """Every spelling that is looked for, and the pattern that finds them."""

    needles: set[str] = field(factory=set)
    pattern: re.Pattern[str] | None = None
    lock: threading.Lock = field(factory=threading.Lock)


_known = _Known()


def learn(value: str) -> None:
    """Blank this value from now on, and each of its lines; too short ones are not looked for."""
    parts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    news = {each for part in parts if len(part) >= SHORTEST for each in _spellings(part)} - _known.needles
    if not news:
        return
    with _known.lock:
        _known.needles |= news
        # The longest first, so that no secret is found in the middle of a longer one.
        ordered = sorted(_known.needles, key=len, reverse=True)
        _known.pattern = re.compile("|".join(map(_searched, ordered)))


def learn_address(url: str) -> None:
    """Learn what is secret in an address."""
    for part in secret_parts(url):
        for each in spellings(part):
            learn(each)
        if ":" in part:
            learn(base64.b64encode(spellings(part)[1].encode("utf-8", "replace")).decode())


def learn_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Learn the values of all variables with a secret name, and passwords in addresses such as a proxy's."""
    for name, value in environment.items():
        if is_secret_variable(name):
            learn(value)
        elif "://" in value and "@" in value:
            learn_address(value)


def known() -> list[str]:
    """All that is blanked, for a process of this package that blanks in our place."""
    return sorted(_known.needles)


def blank_file(file: Path) -> None:
    """Blank a text file in its place, line by line; nothing happens where no secret is known."""
    if _known.pattern is None:
        return
    part = file.with_name(f".{file.name[:100]}.{os.getpid()}.part")
    with suppress(OSError), file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out:
            out.writelines(map(blanked, lines))
        os.replace(part, file)


def forget() -> None:
    """Know no secret any more; for tests, which share a process."""
    with _known.lock:
        _known.needles, _known.pattern = set(), None


def blanked(text: str) -> str:
    """The text with ``***`` in the place of every known secret."""
    return text if _known.pattern is None else _known.pattern.sub(HIDDEN, text)


def clipped(text: str, limit: int) -> str:
    """The beginning of a text, blanked before it is cut: half a secret would not be recognised."""
    return blanked(text)[:limit]


def blanked_beginning(text: str) -> str:
    """Blank a text that was cut already: the beginning of a secret at its end goes too."""
    text = blanked(text)
    longest = max(map(len, _known.needles), default=0)
    for start in range(max(0, len(text) - longest), len(text) - _FEW + 1):
        if any(needle.startswith(text[start:]) for needle in _known.needles):
            return text[:start] + HIDDEN
    return text


class SafeRepr(reprlib.Repr):
    """Values shortened for a message, blanked before that."""

    def repr_str(self, x: str, level: int) -> str:
        shown = getattr(x, "shown", x)
        return super().repr_str(blanked(str(shown)), level)

    # reprlib finds methods by the name of the type.
    repr_Secret = repr_str  # noqa: N815


def _spellings(value: str) -> set[str]:
    """As it stands, and as URLs, JSON, Python, HTML and headers write it."""
    encoded = value.encode("utf-8", "replace")
    return {
        value,
        quote(value, safe="", errors="replace"),
        quote_plus(value, errors="replace"),
        quote(value, errors="replace"),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        repr(encoded)[2:-1],
        html.escape(value),
        base64.b64encode(encoded).decode(),
        base64.urlsafe_b64encode(encoded).decode(),
    }


def _searched(needle: str) -> str:
    # A secret of digits alone must not change a figure that happens to contain them.
    return rf"(?<![\d.]){needle}(?![\d.])" if needle.isdecimal() else re.escape(needle)
