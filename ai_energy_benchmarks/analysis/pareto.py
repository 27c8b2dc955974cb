"""The Pareto front: the points that no other point beats in both of two figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import frozen


@frozen
class Point:
    """One operating point.

    Attributes:
        energy: what it costs; lower is better.
        other: a latency or a throughput.
    """

    name: str
    energy: float
    other: float


def pareto_front(points: Sequence[Point], *, higher_is_better: bool = False) -> tuple[Point, ...]:
    """Points that none beats: none is at least as good in both figures and better in one.

    Args:
        higher_is_better: of ``other``, as for a throughput; else lower is, as for a latency. A NaN is never on it.

    Returns:
        The front from the least energy on, where ``other`` then gets better from point to point.
    """

    def figures(point: Point) -> tuple[float, float]:
        return point.energy, -point.other if higher_is_better else point.other

    known = [point for point in points if not any(map(math.isnan, figures(point)))]
    front: list[Point] = []
    for point in sorted(known, key=figures):
        if not front or figures(point)[1] < figures(front[-1])[1] or figures(point) == figures(front[-1]):
            front.append(point)
    return tuple(front)
