"""Numbers as people read them: as many digits as the uncertainty leaves."""

from __future__ import annotations

import math

from ai_energy_benchmarks.domain.bounds import Bounds

_MOST_DECIMALS = 9


def figure(value: float, digits: int = 4) -> str:
    """The value with so many significant digits, never in exponents."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def amount(value: float) -> str:
    """A mean of whole numbers: exact where it is one itself, otherwise to one decimal, below 1 to two digits."""
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1 else figure(value, 2)


def with_half_width(mean: float, half_width: float | None) -> str:
    """``mean ± half width``, both to two digits of the half width; the mean alone if there is none."""
    if not half_width:
        return figure(mean)
    decimals = decimals_for(half_width)
    return f"{fixed(mean, decimals)} ± {fixed(half_width, decimals)}"


def as_known(
    value: float, *, half_width: float | None = None, scatter: float | None = None, guessed: bool = False
) -> str:
    """A figure with as many digits as what is known of it leaves, four at most.

    Args:
        half_width: of its interval, which is then shown.
        scatter: standard deviation over the trials, or how far its bounds are apart.
        guessed: whether it is an order of magnitude, which has two digits.
    """
    if half_width:
        return with_half_width(value, half_width)
    if guessed or not scatter or not value or not math.isfinite(value):
        return figure(value, 2 if guessed else 4)
    return fixed(value, min(decimals_for(scatter), 3 - math.floor(math.log10(abs(value)))))


def bounds(low: float, high: float) -> str:
    """``[low, high]``, to two digits of their distance; empty if they are one: that meter has none."""
    if not low < high:
        return ""
    decimals = decimals_for(high - low)
    return f"[{fixed(low, decimals)}, {fixed(high, decimals)}]"


def decimals_for(of: float) -> int:
    """How many decimals show two digits of a positive number."""
    return 1 - math.floor(math.log10(of))


def fixed(value: float, decimals: int) -> str:
    """The value with so many decimals, at most nine; if that is negative, rounded to tens, hundreds and so on."""
    return f"{round(value, min(decimals, 0)):,.0f}" if decimals < 0 else f"{value:,.{min(decimals, _MOST_DECIMALS)}f}"


def component_name(component: str) -> str:
    """A component as people write it."""
    return "total" if component == "total" else component.upper()


def cell(
    bounded: Bounds | None,
    factor: float = 1.0,
    half_width: float | None = None,
    absent: str = "no tokens",
    *,
    resolved: bool,
    relative_scatter: float | None = None,
    guessed: bool = False,
) -> str:
    """The figure over its bounds; the bounds alone where the window is not resolved.

    Args:
        half_width: of its interval, in the unit of the cell.
        relative_scatter: standard deviation over the trials as a share of the figure, where there is no interval.
        guessed: whether it is an order of magnitude.
    """
    if bounded is None:
        return absent
    limits = bounds(bounded.low * factor, bounded.high * factor)
    if not resolved:
        return f"unresolved\n{limits}"
    value = bounded.best * factor
    scatter = max((relative_scatter or 0.0) * abs(value), (bounded.high - bounded.low) * factor)
    known = as_known(value, half_width=half_width, scatter=scatter or None, guessed=guessed)
    return known if guessed else "\n".join(line for line in (known, limits) if line)
