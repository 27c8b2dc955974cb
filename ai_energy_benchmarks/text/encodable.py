"""Text that files can hold."""

from __future__ import annotations

from ai_energy_benchmarks.text.problems import shown, wrong


def require_encodable(text: str) -> None:
    """Refuse what no file could hold, before anything is measured.

    Raises:
        InvalidError: the text has lone surrogates, as Python makes of bytes of a command line that are no UTF-8.
    """
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise wrong(f"holds a character that is none in UTF-8, got {shown(ascii(text))}; write it otherwise")
