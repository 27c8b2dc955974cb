"""The cells of a file and their texts, with errors that name file, place, column and fix."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from attrs import frozen

from ai_energy_benchmarks.errors import DatasetError
from ai_energy_benchmarks.safety.printable import one_line

_REMEDY_EMPTY = "fill it in, remove the row, or set scenario.dataset_options.skip_empty: true"
# Chat Completions and Anthropic's API; the Responses API.
_TEXT_KINDS = ("text", "input_text", "output_text")
DEFAULT_COLUMN = "text"


@frozen
class Cell:
    """One value as the file holds it.

    Attributes:
        place: where it stands, for messages: ``line 3``, ``row 7``.
    """

    place: str
    value: object


@frozen
class Source:
    """What messages name: the file or dataset as the user wrote it, and the column."""

    name: str
    column: str | None = None

    def error(self, what: str, remedy: str, *, place: str = "") -> DatasetError:
        """The error for one file, place and column."""
        where = [self.name, *([place] if place else []), *([f"column {self.column!r}"] if self.column else [])]
        return DatasetError(one_line(f"{', '.join(where)}: {what}"), remedy=remedy)


def text_of(cell: Cell, source: Source) -> str:
    """The cell's text, unchanged.

    Raises:
        DatasetError: it is not a text that a model can be sent.
    """
    value = joined_parts(cell, source)
    if not isinstance(value, str):
        raise source.error(f"expected text, found {_describe(value)}", _remedy(value), place=cell.place)
    if not value.strip():
        raise source.error("the prompt is empty", _REMEDY_EMPTY, place=cell.place)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise source.error(
            f"half of a surrogate pair at character {error.start + 1}, which is no text",
            "write characters outside the basic plane as two \\u escapes, or as UTF-8",
            place=cell.place,
        ) from error
    return value


def is_empty(cell: Cell) -> bool:
    """Whether a cell holds nothing, or nothing but spaces."""
    return cell.value is None or (isinstance(cell.value, str) and not cell.value.strip())


def joined_parts(cell: Cell, source: Source) -> object:
    """The text of a message whose content is a list of parts, as OpenAI's API has it; any other value as it is.

    Parts are joined by line ends, as vLLM does for templates that take text alone.

    Raises:
        DatasetError: a part is no text.
    """
    parts = cell.value
    if not isinstance(parts, list | tuple) or not any(_kind(part) for part in parts):
        return parts
    texts = []
    for number, part in enumerate(parts, start=1):
        text = part.get("text") if isinstance(part, Mapping) and _kind(part) in _TEXT_KINDS else part
        if not isinstance(text, str):
            what = f"part {number} of the message is of type {_kind(part) or 'unknown'}, not text"
            raise source.error(what, "remove it; this package measures text alone", place=cell.place)
        texts.append(text)
    return "\n".join(texts)


def _kind(part: object) -> str:
    """The type that a part of a message names; empty if it is none."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _describe(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int | float):
        return f"a number ({value:.12g})"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a value of type {type(value).__name__}"


def _remedy(value: object) -> str:
    if value is None:
        return _REMEDY_EMPTY
    if isinstance(value, dict | list | tuple):
        return "name the column that holds plain text in scenario.text_column_name"
    return "write the prompt as text, in quotes"


def missing_column(source: Source, columns: Sequence[str], *, place: str = "") -> DatasetError:
    """The error for a column that is not there; it names the nearest and lists all."""
    near = difflib.get_close_matches(source.column or "", columns, n=1, cutoff=0.5)
    listed = ", ".join(map(repr, columns[:20])) + (" …" if len(columns) > 20 else "")
    one_column = len(columns) == 1 and next((sign for sign in ";\t|" if sign in columns[0]), None)
    if one_column:
        remedy = f"separate the columns with commas; this file seems to use {one_column!r}"
    else:
        remedy = f"set scenario.text_column_name to {near[0] if near else 'one of them'}"
    return source.error(f"there is no such column; there are {listed or 'none'}", remedy, place=place)


def no_columns(source: Source) -> None:
    """Refuse a column name where there are no columns.

    Raises:
        DatasetError: a column other than the default was named.
    """
    if source.column not in (None, DEFAULT_COLUMN):
        raise source.error("there are no columns here", "leave scenario.text_column_name out")
