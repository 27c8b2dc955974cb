"""Cells of a CSV table that no spreadsheet takes for a formula."""

from __future__ import annotations

import re

# OWASP, "CSV Injection": these begin a formula, or hide one. An apostrophe makes a cell text in every spreadsheet.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")


def guarded(text: str) -> str:
    """A cell of text, with a leading apostrophe where it would be a formula. Not for numbers, which may be negative."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """What ``guarded`` was given."""
    return cell[1:] if _GUARDED.match(cell) else cell
