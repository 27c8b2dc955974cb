"""JSON of files that anyone may have written: nested without end, larger than the memory, or a pipe."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ai_energy_benchmarks.safety.files import refuse_special
from ai_energy_benchmarks.safety.printable import in_json

# A report document has some 10 kB and 1 kB a trial, and a report of optimum-benchmark some MB; parsed, JSON takes up to
# ten times its size in memory.
LARGEST_JSON_BYTES = 256 * 10**6


def parsed(text: str | bytes) -> Any:  # as JSON has it; the reader of each kind of file looks what it is
    """The value of a JSON text.

    Raises:
        ValueError: it is none, or it is nested deeper than Python follows.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(file: Path) -> Any:  # as above
    """The value of a JSON file.

    Raises:
        OSError: it cannot be read, or is a pipe or a device.
        ValueError: it is not JSON in UTF-8, is nested deeper than Python follows, or is larger than any such file.
    """
    refuse_special(file)
    with file.open("rb") as opened:
        content = opened.read(LARGEST_JSON_BYTES + 1)
    if len(content) > LARGEST_JSON_BYTES:
        raise ValueError(f"it has more than {LARGEST_JSON_BYTES / 1e6:g} MB")
    return parsed(content.decode("utf-8"))


def shown_json(value: object, *, indent: int | None = 2) -> str:
    """Plain values as JSON that a terminal can show; a number that is not finite, which JSON lacks, as null."""
    return in_json(json.dumps(_finite(value), ensure_ascii=False, indent=indent, allow_nan=False))


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
