"""Values that are passed on to an engine as they are, however deep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from attrs import frozen

from ai_energy_benchmarks.domain.engine import FactValue


@frozen
class Nested:
    """Marks a type as any value of JSON: text, a number, true, false, null, or a list or a mapping of these."""


JsonValue = Annotated[object, Nested()]


def as_fact(value: object) -> FactValue:
    """The value as a result holds it: lists and mappings as JSON text."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple, Mapping)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
