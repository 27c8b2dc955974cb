"""The Pareto front: the points that no other point beats in both of two figures."""

from __future__ import annotations

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
    sign = -1.0 if higher_is_better else 1.0
    known = [point for point in points if point.energy == point.energy and point.other == point.other]
    front: list[Point] = []
    for point in sorted(known, key=lambda each: (each.energy, sign * each.other)):
        last = front[-1] if front else None
        if (
            last is None
            or sign * point.other < sign * last.other
            or (point.energy, point.other)
            == (
                last.energy,
                last.other,
            )
        ):
            front.append(point)
    return tuple(front)
