"""The growing series: small, in order, and enough for every bound."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY
from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.metrics import recording
from ai_energy_benchmarks.metrics.base import keep_readings
from ai_energy_benchmarks.metrics.combined import CombinedCollector
from ai_energy_benchmarks.metrics.recording import Recorder, keep_at
from ai_energy_benchmarks.testing import FakeClock, FakeCollector, Journal


def recorder(most_rows: int = recording.MOST_ROWS) -> Recorder:
    return Recorder(Device("gpu", "board"), "energy_j", "test", most_rows)


def test_a_run_keeps_its_ends() -> None:
    """First and last reading of equal values; the rest says nothing new."""
    made = recorder()
    changes = [made.add(float(i), i + 0.5, value) for i, value in enumerate([5.0, 5.0, 5.0, 7.0, 9.0, 9.0])]
    series = made.series()
    assert changes == [False, False, False, True, True, False]
    assert list(series.values) == [5.0, 5.0, 7.0, 9.0, 9.0]
    assert list(series.before_s) == [0.0, 2.0, 3.0, 4.0, 5.0]
    assert list(series.after_s) == [0.5, 2.5, 3.5, 4.5, 5.5]


def test_a_part_begins_with_the_reading_before_it() -> None:
    """So that bounds at its begin have something to stand on."""
    made = recorder()
    for i in range(10):
        made.add(float(i), i + 0.1, float(i))
    assert list(made.series(6.5).values) == [6.0, 7.0, 8.0, 9.0]
    assert list(made.series(-1.0).values) == list(made.series().values)


def test_overlapping_readings_are_dropped() -> None:
    """While one reader takes over from another, both may deliver for a moment."""
    made = recorder()
    made.add(1.0, 2.0, 1.0)
    assert not made.add(1.5, 2.5, 2.0)
    assert list(made.series().values) == [1.0]


def test_a_long_series_is_thinned_and_its_bounds_stay_true() -> None:
    """Memory is bounded; an old window is wider than it was and still holds the truth."""
    made, power_w, tick_s = recorder(), 300.0, 0.1
    count = int(0.6 * recording.MOST_ROWS)
    for tick in range(count):
        for at_s in (0.2, 0.8):
            made.add((tick + at_s) * tick_s, (tick + at_s) * tick_s + 1e-4, power_w * tick * tick_s)
    assert made.thinned
    assert len(made) <= recording.MOST_ROWS
    series, dice = made.series(), random.Random(3)
    assert list(series.before_s) == sorted(series.before_s)
    for _ in range(50):
        start_s = dice.uniform(10.0, count * tick_s - 30.0)
        stop_s = start_s + dice.uniform(1.0, 20.0)
        first, last = (edges.latched(series, at_s, UNKNOWN_DELAY, 1000.0) for at_s in (start_s, stop_s))
        low_j, best_j, high_j = edges.rise(first, last)
        assert low_j <= power_w * (stop_s - start_s) <= high_j
        assert low_j <= best_j <= high_j


def counting(made: Recorder, ticks: int, first: int = 0) -> None:
    """Feed a counter of 300 W that moves every 100 ms and is read twice a tick."""
    for tick in range(first, ticks):
        for at_s in (0.02, 0.08):
            made.add(tick * 0.1 + at_s, tick * 0.1 + at_s + 1e-4, 30.0 * tick)


def test_thinning_leaves_what_a_windows_figure_was_made_of() -> None:
    """The level at its edges is bit for bit the same before and after."""
    made, edges_s = recorder(4000), (21.234, 47.5)
    counting(made, 700)
    before = [edges.latched(made.series(), at_s, UNKNOWN_DELAY, 1000.0) for at_s in edges_s]
    for at_s in edges_s:
        made.keep_around(at_s)
    counting(made, 8000, 700)
    assert made.thinned
    assert [edges.latched(made.series(), at_s, UNKNOWN_DELAY, 1000.0) for at_s in edges_s] == before
    assert edges.latched(made.series(), 35.0, UNKNOWN_DELAY, 1000.0).best > 0


def test_windows_without_number_do_not_stop_the_thinning() -> None:
    """Memory stays bounded though every moment is near an edge."""
    made = recorder(1000)
    for edge in range(500):
        made.keep_around(edge * 2.0)
    counting(made, 5000)
    assert len(made) <= 1000


def test_readings_around_named_moments_stay_when_others_are_thinned() -> None:
    """As those around the edges of a window do; a collector of several hands the request on."""

    class Kept(FakeCollector):
        """Notes what it was to keep."""

        def keep_readings(self, times_s: Sequence[float]) -> None:
            self.journal.note(f"keep {list(times_s)}")

    journal = Journal()
    clock = FakeClock(journal)
    both = CombinedCollector((FakeCollector(journal, clock, component="cpu"), Kept(journal, clock)))
    keep_readings(both, (1.0, 2.0))
    assert journal.lines == ["keep [1.0, 2.0]"]
    made = recorder(100)
    for row in range(60):
        made.add(float(row), row + 0.1, float(row))
    keep_at([made], (20.0,))
    for row in range(60, 102):
        made.add(float(row), row + 0.1, float(row))
    assert made.thinned
    series = made.series()
    assert {18.0, 19.0, 20.0, 21.0, 22.0} <= set(series.values)
