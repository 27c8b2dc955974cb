"""Numbers as people read them: as many digits as the uncertainty leaves.

Every table, page and sentence takes its digits from here: two of the half-width or of the distance of the bounds,
two of a guess, and four where nothing is known of the scatter.
"""

from __future__ import annotations

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.digits import bounds, decimals_for, figure, fixed, known, seems_inside


def amount(value: float) -> str:
    """A mean of whole numbers: exact where it is one itself, otherwise to one decimal, below 1 to two digits."""
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1 else figure(value, 2)


def with_half_width(mean: float, half_width: float | None) -> str:
    """``mean ± half width``, both to two digits of the half width; the mean alone if there is none."""
    if not half_width:
        return figure(mean)
    return f"{fixed(mean, decimals_for(half_width))} {plus_minus(mean, half_width)}"


def plus_minus(mean: float, half_width: float) -> str:
    """``± half width``; in words where it reaches below 0, which no energy, time or speed is."""
    if half_width >= mean > 0:
        return "± over 100 %"
    return f"± {fixed(half_width, decimals_for(half_width))}"


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
    return figure(value, 2) if guessed else known(value, scatter or 0.0)


def with_bounds(best: float, low: float | None, high: float | None, *, guessed: bool = False) -> str:
    """``best [low, high]``, all to two digits of the distance of the bounds; the best alone if they are one.

    Args:
        guessed: whether it is an order of magnitude, which has two digits.
    """
    if guessed or low is None or high is None or not low < high:
        return as_known(best, guessed=guessed)
    return f"{fixed(best, decimals_for(high - low))} {bounds(low, high)}"


def change(ratio: float, low: float | None = None, high: float | None = None) -> str:
    """How much more or less than 1 a ratio is, in percent: whole ones where its bounds are 10 % or more apart."""
    apart = low is not None and high is not None and high > low
    decimals = min(1, max(0, decimals_for(high - low) - 2)) if apart and low is not None and high is not None else 1
    return f"{abs(ratio - 1):.{decimals}%} {'more' if ratio >= 1 else 'less'}"


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
    low, high = bounded.low * factor, bounded.high * factor
    scatter = max((relative_scatter or 0.0) * abs(value), high - low)
    shown = as_known(value, half_width=half_width, scatter=scatter or None, guessed=guessed)
    if not guessed and low <= value <= high and not seems_inside(shown, low, high):
        # Trials may scatter by more than the bounds are wide: a figure is not shown outside the bounds under it.
        shown = (
            f"{fixed(value, decimals_for(high - low))} {plus_minus(value, half_width) if half_width else ''}".strip()
        )
    return shown if guessed else "\n".join(line for line in (shown, limits) if line)
