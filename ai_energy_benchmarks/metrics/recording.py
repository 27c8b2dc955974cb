"""A series that grows while a meter is read, kept small without losing anything that bounds need."""

from __future__ import annotations

from array import array
from bisect import bisect_right, insort
from collections.abc import Iterable
from threading import Lock

from ai_energy_benchmarks.domain.power import Device, Mark, Quantity, Series

# 3 MB a series: more than an hour of ticks, and the counters of eight GPUs for a day within 50 MB.
MOST_ROWS = 120_000
# So much around an edge of a window is kept: what its figure was made of.
_KEPT_S = 3.5


class Recorder:
    """Keeps, of each run of equal values, the first and the last reading; 24 bytes a row.

    One thread may add while others copy. When there are more than ``most_rows``, every second pair of rows of the
    older half goes, but for those around the edges of windows: bounds of other moments widen there, and stay true.

    Attributes:
        thinned: whether that has happened.
    """

    def __init__(self, device: Device, quantity: Quantity, meter: str, most_rows: int = MOST_ROWS) -> None:
        self._device = device
        self._most_rows = most_rows
        self._edges_s: list[float] = []
        self._quantity: Quantity = quantity
        self._meter = meter
        self._before_s = array("d")
        self._after_s = array("d")
        self._values = array("d")
        self.thinned = False
        self._lock = Lock()
        self._repeats = False  # whether the last row is the latest reading of a run of two or more

    def __len__(self) -> int:
        return len(self._values)

    @property
    def latest_s(self) -> float:
        """When the latest reading was complete; minus infinity before the first."""
        with self._lock:
            return self._after_s[-1] if self._after_s else float("-inf")

    def add(self, before_s: float, after_s: float, value: float) -> bool:
        """Store one reading; ``before_s`` and ``after_s`` are the clock on both sides of the call.

        One that overlaps the last is dropped, as happens while one reader takes over from another.

        Returns:
            Whether the value differs from the one before.
        """
        values = self._values
        with self._lock:
            if values and before_s < self._after_s[-1]:
                return False
            same = bool(values) and values[-1] == value
            if same and self._repeats:
                self._before_s[-1], self._after_s[-1] = before_s, after_s
                return False
            first = not values
            self._repeats = same
            self._before_s.append(before_s)
            self._after_s.append(after_s)
            values.append(value)
            if len(values) > self._most_rows:
                self._thin()
        return not same and not first

    def keep_around(self, edge_s: float) -> None:
        """Leave the rows around the edge of a window when others go."""
        with self._lock:
            insort(self._edges_s, edge_s)

    def _thin(self) -> None:
        self.thinned = True
        half = len(self._values) // 2
        kept = [row for row in range(half) if row % 4 < 2 or self._at_an_edge(row)]
        if len(kept) > 0.9 * half:  # so many windows that nothing would go
            kept = [row for row in range(half) if row % 4 < 2]
        for rows in (self._before_s, self._after_s, self._values):
            rows[:half] = array("d", (rows[row] for row in kept))

    def _at_an_edge(self, row: int) -> bool:
        at_s = self._after_s[row]
        following = bisect_right(self._edges_s, at_s - _KEPT_S)
        return following < len(self._edges_s) and self._edges_s[following] <= at_s + _KEPT_S

    def series(self, start_s: float | None = None) -> Series:
        """A copy of the readings since ``start_s``, with the one reading before it; of all, if None."""
        with self._lock:
            first = 0 if start_s is None else max(0, bisect_right(self._after_s, start_s) - 1)  # as edges.since
            rows = self._before_s[first:], self._after_s[first:], self._values[first:]
        return Series(self._device, self._quantity, self._meter, *rows)


def keep_around(recorders: Iterable[Recorder], start: Mark, stop: Mark) -> None:
    """Leave the readings around a window's edges when older ones are thinned, so that its figure can be made again."""
    keep_at(recorders, (start.time_s, stop.time_s))


def keep_at(recorders: Iterable[Recorder], times_s: Iterable[float]) -> None:
    """The same around any moments."""
    moments_s = tuple(times_s)
    for recorder in recorders:
        for at_s in moments_s:
            recorder.keep_around(at_s)


def thinning(recorders: Iterable[Recorder], of: str) -> tuple[str, ...]:
    """What the reader must know if readings were thinned."""
    return (f"old readings of {of} were thinned to save memory",) * any(each.thinned for each in recorders)
