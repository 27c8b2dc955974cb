"""Which settings of a study are axes of their own: what varies, and is not decided by another setting that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

AxisValue = str | int | float | bool | None
Settings = Mapping[str, AxisValue]


def independent_axes(cells: Sequence[Settings]) -> tuple[tuple[str, ...], ...]:
    """The axes of some cells, each as the keys that change together in it, in the order of appearance.

    A key that has one value in every cell is no axis. Nor is one whose value follows from that of another key, such as
    an option that only one engine has: it changes with the engine alone. It is named next to that key where it takes
    several values of its own, as in a group of settings that change together.
    """
    keys = dict.fromkeys(key for cell in cells for key in cell)
    columns = {key: _column([cell.get(key) for cell in cells]) for key in keys}
    varied = [key for key, column in columns.items() if any(column)]
    absorbed: dict[str, str] = {}
    for key in varied:
        finer = [
            other
            for other in varied
            if _decides(columns[other], columns[key])
            and (not _decides(columns[key], columns[other]) or varied.index(other) < varied.index(key))
        ]
        if finer:
            absorbed[key] = finer[0]
    axes = []
    for key in (key for key in varied if key not in absorbed):
        together = [key, *(other for other, by in absorbed.items() if _root(by, absorbed) == key)]
        named = [each for each in keys if each in together and len({cell.get(each) for cell in cells} - {None}) > 1]
        axes.append(tuple(named) or (key,))
    return tuple(axes)


def _root(key: str, absorbed: Mapping[str, str]) -> str:
    while key in absorbed:
        key = absorbed[key]
    return key


def _column(values: Sequence[AxisValue]) -> tuple[int, ...]:
    """The values as numbers of their order of appearance, from 0 on, so that ``1`` and ``True`` stay two."""
    seen: dict[tuple[type, AxisValue], int] = {}
    return tuple(seen.setdefault((type(value), value), len(seen)) for value in values)


def _decides(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether cells that are alike in the first are alike in the second."""
    return len(set(zip(first, second, strict=True))) == len(set(first))
