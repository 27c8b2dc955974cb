"""Counters that a library keeps, with their values and the clock set by hand: waiting, jumps, ages and bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import Device, Measurement
from ai_energy_benchmarks.metrics import polled_series
from ai_energy_benchmarks.metrics.polled import Counter, PolledCounters

PACKAGE, MEMORY, GPU = Device("cpu", "package-0"), Device("dram", "memory-0"), Device("gpu", "gpu-0")


class Library:
    """Counters of a watt each, and time that passes only when somebody sleeps or a test lets it."""

    def __init__(self) -> None:
        self.now_s, self.slept_s, self.jump_j = 0.0, list[float](), 0.0
        self.jumps_at_s = self.stands_from_s = self.moves_from_s = float("inf")
        self.tick_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def value_j(self) -> float:
        """Grows by 1 W, in ticks if it has some; stands still for a while, and jumps."""
        still_s = max(0.0, min(self.now_s, self.moves_from_s) - self.stands_from_s)
        grown_s = self.now_s - still_s
        grown_s = grown_s // self.tick_s * self.tick_s if self.tick_s else grown_s
        return 100.0 + grown_s + (self.jump_j if self.now_s >= self.jumps_at_s else 0.0)


class Sampler:
    """Reads at once when it is told to, and never by itself."""

    def __init__(self, sample: Callable[[], None], poll_s: float, name: str) -> None:
        self.poke, self.again_s = sample, 0.0
        made.append((self, poll_s, name))

    def stop(self) -> None:
        """Nothing runs."""


made: list[tuple[Sampler, float, str]] = []


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    found = Library()
    made.clear()
    with monkeypatch.context() as patch:
        patch.setattr(polled_series, "time", found)
        patch.setattr(polled_series, "Sampler", Sampler)
        yield found


def counters(library: Library, *which: Counter, poll_s: float = 0.25) -> PolledCounters:
    """All with the same values."""

    def read_j() -> Mapping[str, float]:
        return {counter.device.id: library.value_j() for counter in which}

    return PolledCounters("library", which, "not seen", read_j, poll_s)


def window(library: Library, polled: PolledCounters, start_s: float, stop_s: float) -> Measurement:
    """Polled every quarter of a second on the way."""
    while library.now_s + 0.25 < start_s:
        library.now_s += 0.25
        polled.sample()
    library.now_s = start_s
    start = polled.mark()
    while library.now_s + 0.25 < stop_s:
        library.now_s += 0.25
        polled.sample()
    library.now_s = stop_s
    return polled.measure(start, polled.mark())


def test_a_value_of_some_age_bounds_the_level_until_a_younger_one_is_read(library: Library) -> None:
    """1 W from 1 to 3 s: read at both edges and every quarter of a second, with values of up to 1/8 s.

    At an edge the level is at least what was read then, and at most what was read at the first reading that began 1/8 s
    later: 1/4 s after the start, and 5/4 of 1/8 s after the end. Half of the age after each edge the line through both
    is the estimate.
    """
    polled = counters(library, Counter(PACKAGE, "measured", stale_s=0.125), Counter(MEMORY, "measured", stale_s=0.0625))
    library.slept_s.clear()
    found = window(library, polled, 1.0, 3.0)
    assert library.slept_s == [0.125 * 1.25]
    assert [(each[0].again_s, *each[1:]) for each in made] == [(0.125 * 1.25, 0.25, "library")]
    package, memory = found.readings
    assert tuple(package.bounds_j) == pytest.approx((2 - 0.25, 2.0, 2 + 0.125 * 1.25))
    assert tuple(memory.bounds_j) == pytest.approx((2 - 0.25, 2.0, 2 + 0.125 * 1.25))
    assert dict(found.absent) == {"gpu": "not seen"}
    assert {(each.provenance, each.meter, each.estimator, each.counted) for each in found.readings} == {
        ("measured", "library", "continuous", True)
    }
    assert (package.recipe is not None, package.recipe and package.recipe.look_back_s) == (True, 1.0)


@pytest.mark.parametrize(("moves_from_s", "found"), [(3.0, True), (4.5, True), (4.6, True), (5.3, False), (9.0, False)])
def test_late_counters_are_waited_for_two_seconds(library: Library, moves_from_s: float, found: bool) -> None:
    """Two ticks of 1/8 s after the end are needed, the second because it shapes the curve; else it stands still."""
    polled = counters(library, Counter(GPU, "measured", Delay(0.0, 0.0625)), poll_s=0.0625)
    library.tick_s, library.stands_from_s, library.moves_from_s = 0.125, 3.0, moves_from_s
    library.slept_s.clear()
    measured = window(library, polled, 1.0, 3.0)
    assert bool(measured.readings) is found
    reason = "its counter stands still as library reports it"
    assert {key: value for key, value in measured.absent.items() if key == "gpu"} == ({} if found else {"gpu": reason})
    waited_s = max(0.0, moves_from_s - 3.0) + 0.25 if found else 2.0
    assert sum(library.slept_s) == pytest.approx(waited_s, abs=0.07)
    assert set(library.slept_s[1:]) == {0.02}


def test_a_short_poll_is_waited_by_as_well(library: Library) -> None:
    """Every 10 ms, where that is the poll; and counters that are up to date are not waited for at all."""
    polled = counters(library, Counter(GPU, "measured", Delay(0.0, 0.0625)), poll_s=0.01)
    library.tick_s = 0.125
    assert window(library, polled, 1.0, 3.0).readings
    assert set(library.slept_s[1:]) == {0.01}
    library.slept_s.clear()
    assert window(library, counters(library, Counter(PACKAGE, "measured")), 5.0, 6.0).readings
    assert library.slept_s == [0.0]


@pytest.mark.parametrize(
    ("counter", "jump_j", "kept"),
    [
        (Counter(PACKAGE, "measured"), 24_999.0, True),  # from the reading 1/4 s before that of 1/4 s before: 0.5 s
        (Counter(PACKAGE, "measured"), 25_001.0, False),
        (Counter(PACKAGE, "measured", stale_s=0.5), 49_999.0, True),
        (Counter(PACKAGE, "measured", stale_s=0.5), 50_001.0, False),
        (Counter(GPU, "measured", Delay(0.0, 0.0)), 24_999.0, True),
        (Counter(GPU, "measured", Delay(0.0, 0.0)), 25_001.0, False),
        (Counter(GPU, "measured", Delay(0.0, 0.5)), 49_999.0, True),
        (Counter(GPU, "measured", Delay(0.0, 0.5)), 50_001.0, False),
        (Counter(GPU, "measured", Delay(0.0, 0.5), stale_s=9.0), 50_001.0, False),
    ],
)
def test_a_jump_by_more_than_50_kw_is_a_reset(library: Library, counter: Counter, jump_j: float, kept: bool) -> None:
    """Over the time since the reading before the last one, and as long as a value may be old, or late."""
    library.jump_j, library.jumps_at_s = jump_j, 2.0
    measured = window(library, counters(library, counter), 1.0, 3.0)
    assert bool(measured.readings) is kept
    reason = f"the counter of {counter.device.id} was reset during the window"
    assert measured.absent.get(counter.device.component) == (None if kept else reason)
