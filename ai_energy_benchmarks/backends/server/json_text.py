"""JSON from a server, which may send anything: deep nesting, half characters, counts without bound."""

from __future__ import annotations

import json
import re

# No request has more tokens, and whole-number columns of files hold no more; 2³¹ - 1.
LARGEST_COUNT_TOKENS = 2**31 - 1
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def json_object(text: bytes) -> dict[str, object]:
    """The object in a JSON text; empty if it is none, or nested deeper than Python follows.

    Half of a UTF-16 pair (RFC 8259 §8.2), which no file can be written with, becomes a question mark.
    """
    try:
        value = json.loads(text)
        if _SURROGATE.search(text):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def mapping(value: object) -> dict[str, object]:
    """A value that should be an object; empty if it is none."""
    return value if isinstance(value, dict) else {}


def token_count(value: object) -> int | None:
    """A value that should be a count; None if it is none. JSON does not distinguish 8 from 8.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
