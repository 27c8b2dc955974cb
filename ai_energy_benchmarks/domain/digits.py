"""How many digits of a number are known: two of the distance of its bounds, four where nothing is known of it."""

from __future__ import annotations

import math

_MOST_DECIMALS = 9


def figure(value: float, digits: int = 4) -> str:
    """The value with so many significant digits, never in exponents."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def bounds(low: float, high: float) -> str:
    """``[low, high]``, to two digits of their distance; empty if they are one: that meter has none."""
    if not low < high:
        return ""
    decimals = decimals_for(high - low)
    return f"[{fixed(low, decimals)}, {fixed(high, decimals)}]"


def between(low: float, high: float) -> str:
    """``[low, high]`` as ``bounds``, also where the two are one."""
    return bounds(low, high) or f"[{figure(low)}, {figure(high)}]"


def known(value: float, apart: float, at_most: int = 4) -> str:
    """The value with two digits of how far its bounds are apart, and ``at_most`` so many of its own."""
    if not apart > 0 or not value or not math.isfinite(value):
        return figure(value, at_most)
    return fixed(value, min(decimals_for(apart), at_most - 1 - math.floor(math.log10(abs(value)))))


def seems_inside(shown: str, low: float, high: float) -> bool:
    """Whether a figure as it is shown lies within bounds as ``bounds`` shows them; also where these are one."""
    if not low < high:
        return True
    decimals = decimals_for(high - low)
    return round(low, decimals) <= float(shown.split(maxsplit=1)[0].replace(",", "")) <= round(high, decimals)


def decimals_for(of: float) -> int:
    """How many decimals show two digits of a positive number."""
    return 1 - math.floor(math.log10(of))


def fixed(value: float, decimals: int) -> str:
    """The value with so many decimals, at most nine; if that is negative, rounded to tens, hundreds and so on."""
    return f"{round(value, min(decimals, 0)):,.0f}" if decimals < 0 else f"{value:,.{min(decimals, _MOST_DECIMALS)}f}"
