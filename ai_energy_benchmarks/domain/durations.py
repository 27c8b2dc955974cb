"""Durations as people read them."""

from __future__ import annotations

_MINUTE_S = 60
_HOUR_S = 3600


def spoken(seconds: float) -> str:
    """``12.3 s``, ``4 min 05 s`` or ``2 h 07 min``."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02d} min"


def left(done: int, total: int, elapsed_s: float) -> str:
    """``, about 4 min 05 s left``; empty while nothing is done, and where nothing is left."""
    if not 0 < done < total:
        return ""
    return f", about {spoken(elapsed_s / done * (total - done))} left"
