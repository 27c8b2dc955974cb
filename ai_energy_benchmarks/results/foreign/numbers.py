"""Numbers of foreign files: what no machine can have measured is none."""

from __future__ import annotations

import math

# No run takes as many joules, watts, seconds or tokens (10¹⁵ J are those of a power plant in two weeks), and sums and
# products of such numbers stay finite.
_LARGEST = 1e15


def number(value: object) -> float | None:
    """A finite number, written or as JSON has it; None for anything else, truth values included."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) <= _LARGEST else None
