"""Readings that come in groups: several GPUs under one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

_FEWEST_ROWS, _FEWEST_GROUPS = 6, 3
# Two GPUs have every second gap inside a group, and at most one gap in 33 is a pause between groups of 32.
_FEWEST_INSIDE, _FEWEST_PAUSES = 1 / 3, 1 / 33
# A pause is this many times as long as any gap inside a group: of four GPUs read 10 ms apart every 100 ms, 7.
_PAUSE_TO_GAP = 5.0
# Of the groups that have the same number of rows; lines that were cut leave some with fewer.
_SAME_SIZE = 0.75


def rows_together(times: Sequence[float]) -> int | None:
    """How many rows come together before each pause, or None if the rows do not come in groups.

    Args:
        times: of the rows, in seconds, rising.
    """
    if len(times) < _FEWEST_ROWS:
        return None
    gaps = [later - earlier for earlier, later in pairwise(times)]
    ordered = sorted(gaps)
    fewest = max(1, round(len(gaps) * _FEWEST_INSIDE))
    most = len(gaps) - max(1, int(len(gaps) * _FEWEST_PAUSES))
    inside = max(range(fewest, most + 1), key=lambda count: ordered[count] / ordered[count - 1])
    if ordered[inside - 1] * _PAUSE_TO_GAP > median(ordered[inside:]):
        return None
    sizes, rows = [], 1
    for gap in gaps:
        if gap > ordered[inside - 1]:
            sizes.append(rows)
            rows = 0
        rows += 1
    sizes.append(rows)
    [(size, count)] = Counter(sizes).most_common(1)
    return size if size > 1 and len(sizes) >= _FEWEST_GROUPS and count >= _SAME_SIZE * len(sizes) else None
