"""Text of servers, models and files as it may be printed: it moves no cursor and begins no line of its own."""

from __future__ import annotations

import re
from html import escape

from ai_energy_benchmarks.safety.secrets import blanked

# Control characters but for the line feed (C0, DEL, C1), line separators, and what reverses the direction of text
# (Unicode Standard, 23.1 and 23.2; UAX 9, explicit formatting characters) or is invisible.
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
# Lone surrogates have no encoding (Unicode Standard, 3.9), and JSON may hold them escaped.
_NOT_IN_JSON = re.compile(f"{_CONTROL.pattern[:-1]}\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def printable(text: str) -> str:
    """Several lines for a terminal or a log: secrets blanked, control characters written as ``\\x1b``."""
    text = blanked(text).replace("\r\n", "\n")
    return text if text.isprintable() else _CONTROL.sub(_escaped, text)


def one_line(text: str) -> str:
    """The same on a single line; line ends become a space."""
    text = blanked(text)
    return text if text.isprintable() else _CONTROL.sub(_escaped, _LINE_END.sub(" ", text))


def in_json(text: str) -> str:
    """JSON that was written with its letters as they are: control characters inside its strings as JSON escapes them.

    A terminal can show it, and whoever parses it has every value as it was.
    """
    return _NOT_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def in_html(text: str) -> str:
    """Text as it may stand in a page, in an attribute too: no element, no secret, and nothing that turns it around."""
    return escape(printable(text))


def _escaped(match: re.Match[str]) -> str:
    if match[0] == "\t":
        return " "
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
