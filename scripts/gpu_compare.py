"""Compares two JSON files of scripts/gpu_acceptance.sh, field by field: python scripts/gpu_compare.py LAST NEW

Each field of FIELDS has one line with both values, the change, and how much of a change is accepted. The exit code is
0 if all of them keep to it, 1 if one does not, and 2 if the files are of different GPUs or cannot be read. A field that
one file lacks is a change too, for a meter that falls silent is what such a comparison is for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from attrs import frozen

Value = float | str | None


@frozen
class Field:
    """A field of the file, and how much of a change is accepted.

    Attributes:
        path: keys from the top; ``*`` stands for each key there.
        change: ``times``: larger over smaller, less one; ``plus``: the absolute difference in the unit of the field;
            ``note``: the values are shown, and may differ.
        limit: the largest change that is accepted.
    """

    path: tuple[str, ...]
    change: Literal["times", "plus", "note"]
    limit: float = 0.0


# The limits of times are wide, for the host decides how long a call takes; what the GPU decides has narrow ones.
FIELDS = (
    Field(("environment", "driver_version"), "note"),
    Field(("environment", "package_version"), "note"),
    Field(("environment", "libraries", "torch"), "note"),
    Field(("fields", "*", "tick_median_s"), "times", 0.10),
    Field(("fields", "*", "tick_p95_s"), "times", 0.50),
    Field(("fields", "*", "call_median_s"), "times", 1.00),
    Field(("fields", "*", "delay_median_s"), "plus", 0.025),
    Field(("slowdown", "value"), "plus", 0.01),
    Field(("windows", "long_variation"), "plus", 0.01),
    Field(("windows", "short_over_long"), "plus", 0.02),
    Field(("agreement", "*", "value"), "plus", 0.02),
)


class NotComparableError(Exception):
    """The files cannot be compared; the message says why and what to do."""


@frozen
class Row:
    """One line of the comparison."""

    name: str
    last: Value
    new: Value
    change: float | None
    limit: float | None
    verdict: Literal["ok", "CHANGED", "note"]

    @property
    def line(self) -> str:
        change = "" if self.change is None else f"{self.change:.3g}"
        limit = "" if self.limit is None else f"≤ {self.limit:g}"
        return f"{self.name:<44} {_text(self.last):>14} {_text(self.new):>14} {change:>9} {limit:>8}  {self.verdict}"


def _text(value: Value) -> str:
    return "absent" if value is None else value if isinstance(value, str) else f"{value:.5g}"


def compare(last: Mapping[str, object], new: Mapping[str, object]) -> list[Row]:
    """The rows of two files.

    Raises:
        NotComparableError: they are of different GPUs, or one measured no GPU.
    """
    before, after = _gpu(last), _gpu(new)
    if before != after:
        raise NotComparableError(
            f"the last file is of {before}, the new one of {after}; compare files of one GPU model"
        )
    return [row for field in FIELDS for row in _rows(field, last, new)]


def _gpu(document: Mapping[str, object]) -> str:
    """The model of the first visible GPU, which is the one that was measured."""
    name = _at(document, ("environment", "boards", "0", "name"))
    if _at(document, ("device",)) == "cpu" or not isinstance(name, str):
        raise NotComparableError("a file has no GPU in it; run scripts/gpu_acceptance.sh where CUDA sees one")
    return name


def _rows(field: Field, last: Mapping[str, object], new: Mapping[str, object]) -> Iterator[Row]:
    for path in _paths(field.path, last, new):
        before, after = _scalar(_at(last, path)), _scalar(_at(new, path))
        if before is None and after is None:
            continue
        name = ": ".join(path[1:]) if path[0] == "fields" else ": ".join(path)
        if field.change == "note":
            yield Row(name, before, after, None, None, "note" if before != after else "ok")
            continue
        change = _change(field, before, after)
        kept = change is not None and change <= field.limit
        yield Row(name, before, after, change, field.limit, "ok" if kept else "CHANGED")


def _paths(pattern: Sequence[str], *documents: Mapping[str, object]) -> list[tuple[str, ...]]:
    """The pattern with each key that any of the files has in place of ``*``; one ``*`` at most."""
    if "*" not in pattern:
        return [tuple(pattern)]
    place = pattern.index("*")
    holders = [_at(document, pattern[:place]) for document in documents]
    keys = dict.fromkeys(str(key) for holder in holders if isinstance(holder, Mapping) for key in holder)
    return [(*pattern[:place], key, *pattern[place + 1 :]) for key in keys]


def _at(document: object, path: Sequence[str]) -> object:
    """What stands at a path; None if nothing does."""
    for key in path:
        if isinstance(document, Mapping):
            document = document.get(key)
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def _scalar(value: object) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return value if isinstance(value, str) else float(value)


def _change(field: Field, before: Value, after: Value) -> float | None:
    """How much a number changed; None if one of the two is missing or no positive number where a ratio is asked for."""
    if not isinstance(before, float) or not isinstance(after, float):
        return None
    if field.change == "plus":
        return abs(after - before)
    low, high = sorted((before, after))
    return high / low - 1 if low > 0 else None


def _read(path: str) -> Mapping[str, object]:
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotComparableError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise NotComparableError(f"{path} is no file of scripts/gpu_acceptance.sh")
    return document


def main() -> int:
    """Print the comparison of the two files; the number of an exit code."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        rows = compare(_read(sys.argv[1]), _read(sys.argv[2]))
    except NotComparableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{'field':<44} {'last':>14} {'new':>14} {'change':>9} {'accepted':>8}")
    for row in rows:
        print(row.line)
    changed = [row.name for row in rows if row.verdict == "CHANGED"]
    print(
        f"{len(changed)} of {len(rows)} fields changed: {', '.join(changed)}" if changed else f"{len(rows)} fields: ok"
    )
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
