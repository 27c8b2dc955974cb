"""Names for cells: the settings in which they differ, with keys as short as stays clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ai_energy_benchmarks.safety.keys import is_secret
from ai_energy_benchmarks.safety.marking import masked
from ai_energy_benchmarks.text.problems import shown

_NOTHING = object()
_BASE = "base"


def labels(cells: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """One label for each cell's settings, such as ``dtype=bfloat16, batch_size=4``; empty if all cells agree.

    A cell that sets none of the keys in which the others differ is ``base``.
    """
    keys = varying_keys(cells)
    names = short_keys(keys)
    return tuple(
        ", ".join(f"{names[key]}={_text(masked(cell[key], secret=is_secret(key)))}" for key in keys if key in cell)
        or (_BASE if keys else "")
        for cell in cells
    )


def varying_keys(cells: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """The keys that do not have the same value in all cells, in the order in which they first stand there."""
    first: dict[str, object] = {}
    varying: dict[str, None] = {}
    for number, cell in enumerate(cells):
        for key, value in cell.items():
            known = first.setdefault(key, value if number == 0 else _NOTHING)
            if known is _NOTHING or known != value:
                varying[key] = None
        for key in first:
            if key not in cell:
                varying[key] = None
    return tuple(key for key in first if key in varying)


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Each dotted key by its last parts, as many as it takes to tell it from all others."""
    found = {}
    for key in keys:
        parts = key.split(".")
        for length in range(1, len(parts) + 1):
            short = ".".join(parts[-length:])
            if not any(other != key and (other == short or other.endswith(f".{short}")) for other in keys):
                break
        found[key] = short
    return found


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return shown(value)
