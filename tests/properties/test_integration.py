"""Laws of window edges: what holds for every trace of power, every tick, every delay and every window."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate, pairwise
from random import Random

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from ai_energy_benchmarks.domain import edges, integral
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import NO_DELAY, Delay
from ai_energy_benchmarks.domain.power import Device, Quantity, Series

DEVICE = Device("gpu", "board")
CEILING_W = 2000.0
# Sums of floats in another order.
ROUNDING_J = 1e-6


@frozen
class World:
    """A board and the readings of its counter; everything happens between 0 and ``end_s``.

    Attributes:
        steps: (seconds, watts); the last power lasts for ever.
        delay: what the meter believes; ``delay_s`` is the truth and lies within.
    """

    steps: tuple[tuple[float, float], ...]
    tick_s: float
    phase_s: float
    delay_s: float
    delay: Delay
    poll_gaps_s: tuple[float, ...]
    call_s: float

    def energy_j(self, time_s: float) -> float:
        energy_j = 0.0
        for seconds, watts in self.steps:
            energy_j += max(0.0, min(seconds, time_s)) * watts
            time_s -= seconds
        return energy_j + max(0.0, time_s) * self.steps[-1][1]

    def shown_j(self, time_s: float) -> float:
        """What the counter shows: the energy at the last tick that has been published."""
        ticks = (time_s - self.delay_s - self.phase_s) // self.tick_s
        return self.energy_j(max(0.0, self.phase_s + ticks * self.tick_s))

    @property
    def begins_s(self) -> list[float]:
        return list(accumulate((gap + self.call_s for gap in self.poll_gaps_s), initial=1.0))

    def series(self) -> Series:
        """Each call reads at some moment inside it."""
        begins_s = self.begins_s
        values = [self.shown_j(begin + self.call_s * 0.7) for begin in begins_s]
        return make_series("energy_j", begins_s, [begin + self.call_s for begin in begins_s], values)


def make_series(quantity: Quantity, before_s: list[float], after_s: list[float], values: list[float]) -> Series:
    return Series(DEVICE, quantity, "test", array("d", before_s), array("d", after_s), array("d", values))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    low_s = draw(st.floats(0.0, 0.03))
    delay = Delay(low_s, low_s + draw(st.floats(0.0, 0.03)))
    return World(
        steps=tuple(draw(st.lists(st.tuples(st.floats(0.01, 0.5), st.floats(0.0, 800.0)), min_size=1, max_size=8))),
        tick_s=draw(st.sampled_from([0.01, 0.02, 0.1])),
        phase_s=draw(st.floats(0.0, 0.1)),
        delay_s=draw(st.floats(delay.low_s, delay.high_s)),
        delay=delay,
        poll_gaps_s=tuple(draw(st.lists(st.floats(0.001, 0.05), min_size=40, max_size=120))),
        call_s=draw(st.floats(0.0, 0.005)),
    )


@st.composite
def worlds_and_windows(draw: st.DrawFn) -> tuple[World, float, float]:
    """A window anywhere between the first and the last reading."""
    world = draw(worlds())
    first_s, last_s = world.begins_s[0], world.begins_s[-1]
    start_s = draw(st.floats(first_s, last_s))
    return world, start_s, draw(st.floats(start_s, last_s))


def window(series: Series, delay: Delay, start_s: float, stop_s: float) -> Bounds:
    return edges.rise(edges.latched(series, start_s, delay, CEILING_W), edges.latched(series, stop_s, delay, CEILING_W))


@given(worlds_and_windows())
def test_bounds_hold_the_truth(drawn: tuple[World, float, float]) -> None:
    """Whatever the power did, the counter's ideal integral lies between the bounds, and so does the estimate."""
    world, start_s, stop_s = drawn
    low_j, best_j, high_j = window(world.series(), world.delay, start_s, stop_s)
    truth_j = world.energy_j(stop_s) - world.energy_j(start_s)
    assert low_j - ROUNDING_J <= truth_j <= high_j + ROUNDING_J
    assert low_j <= best_j <= high_j


@given(worlds_and_windows(), st.floats(0.0, 1.0))
def test_splitting_a_window_keeps_its_energy(drawn: tuple[World, float, float], share: float) -> None:
    """Estimates of two halves add up to the whole's, and so do levels at the common edge."""
    world, start_s, stop_s = drawn
    middle_s = start_s + share * (stop_s - start_s)
    series = world.series()
    levels = [edges.latched(series, at_s, world.delay, CEILING_W) for at_s in (start_s, middle_s, stop_s)]
    first, second, whole = (edges.rise(levels[i], levels[j]) for i, j in ((0, 1), (1, 2), (0, 2)))
    assert first.best + second.best == pytest.approx(whole.best, abs=ROUNDING_J)
    assert first.low + second.low <= whole.low + ROUNDING_J
    assert first.high + second.high >= whole.high - ROUNDING_J


@given(worlds(), st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20))
def test_the_estimate_never_falls(world: World, shares: list[float]) -> None:
    """The energy until a later moment is no smaller: no window between two moments has a negative estimate."""
    series = world.series()
    first_s, last_s = world.begins_s[0], world.begins_s[-1]
    times_s = sorted(first_s + share * (last_s - first_s) for share in shares)
    best_j = [edges.latched(series, at_s, world.delay, CEILING_W).best for at_s in times_s]
    assert all(later >= earlier - ROUNDING_J for earlier, later in pairwise(best_j))


@given(worlds_and_windows(), st.floats(10.0, 800.0))
def test_constant_power_is_power_times_time(drawn: tuple[World, float, float], power_w: float) -> None:
    """With regular ticks seen at once, the estimate of a settled window is P times t up to the brackets' width."""
    world, start_s, stop_s = drawn
    steady = World(((1.0, power_w),), world.tick_s, 0.0, 0.0, NO_DELAY, (0.001,) * 600, 0.0)
    start_s, stop_s = 1.15 + (start_s - 1.0) / 20, 1.15 + (stop_s - 1.0) / 20
    series = steady.series()
    if edges.settled(series, stop_s, NO_DELAY):
        _, best_j, _ = window(series, NO_DELAY, start_s, stop_s)
        assert best_j == pytest.approx(power_w * (stop_s - start_s), abs=power_w * 0.0011)


@given(worlds_and_windows())
def test_dropping_the_middle_of_equal_readings_changes_nothing(drawn: tuple[World, float, float]) -> None:
    """Of a run of equal values the first and the last reading are enough."""
    world, start_s, stop_s = drawn
    series = world.series()
    values = series.values
    ends = [
        i for i in range(len(values)) if not (0 < i < len(values) - 1 and values[i - 1] == values[i] == values[i + 1])
    ]
    thin = make_series(
        "energy_j",
        [series.before_s[i] for i in ends],
        [series.after_s[i] for i in ends],
        [values[i] for i in ends],
    )
    assert window(thin, world.delay, start_s, stop_s) == window(series, world.delay, start_s, stop_s)


@given(worlds_and_windows())
def test_bounds_are_no_wider_than_ticks_delay_and_polls_allow(drawn: tuple[World, float, float]) -> None:
    """Each edge spans at most two ticks, the delay's range and the gaps between polls."""
    world, start_s, stop_s = drawn
    series = world.series()
    if not edges.settled(series, stop_s, world.delay) or start_s < world.begins_s[0] + 0.3:
        return
    span_s = 2 * world.tick_s + world.delay.high_s - world.delay.low_s + 4 * (max(world.poll_gaps_s) + world.call_s)
    highest_w = max(watts for _, watts in world.steps)
    low_j, _, high_j = window(series, world.delay, start_s, stop_s)
    assert high_j - low_j <= 2 * span_s * highest_w + ROUNDING_J


@given(worlds_and_windows())
def test_a_fresh_counter_holds_the_truth_between_its_readings(drawn: tuple[World, float, float]) -> None:
    """A counter that is always up to date is off by no more than its two readings around the edge."""
    world, start_s, stop_s = drawn
    begins_s = world.begins_s
    values = [world.energy_j(begin + world.call_s / 2) for begin in begins_s]
    series = make_series("energy_j", begins_s, [begin + world.call_s for begin in begins_s], values)
    low_j, best_j, high_j = edges.rise(edges.fresh(series, start_s, CEILING_W), edges.fresh(series, stop_s, CEILING_W))
    truth_j = world.energy_j(stop_s) - world.energy_j(start_s)
    assert low_j - ROUNDING_J <= truth_j <= high_j + ROUNDING_J
    assert low_j <= best_j <= high_j


@given(worlds_and_windows(), st.floats(0.0, 0.1), st.randoms())
def test_a_counter_that_may_be_stale_holds_the_truth(
    drawn: tuple[World, float, float], stale_s: float, dice: Random
) -> None:
    """Whatever the age of its values, and however many readings lie close after the edge, the bounds hold."""
    world, start_s, stop_s = drawn
    begins_s = world.begins_s
    sampled_s = accumulate((begin - dice.uniform(0, stale_s) for begin in begins_s), max)
    values = [world.energy_j(at_s) for at_s in sampled_s]
    series = make_series("energy_j", begins_s, [begin + world.call_s for begin in begins_s], values)
    levels = [edges.fresh(series, at_s, CEILING_W, stale_s) for at_s in (start_s, stop_s)]
    for level, at_s in zip(levels, (start_s, stop_s), strict=True):
        assert level.low - ROUNDING_J <= world.energy_j(at_s) <= level.high + ROUNDING_J
        assert level.low <= level.best <= level.high
    assert not edges.impossible(series, start_s, stop_s, CEILING_W, stale_s)


@given(worlds_and_windows())
def test_integrated_power_lies_between_its_bounds(drawn: tuple[World, float, float]) -> None:
    """Power that changes at most once between two readings is integrated within the bounds."""
    world, start_s, stop_s = drawn
    begins_s = world.begins_s
    steps_s = list(accumulate(seconds for seconds, _ in world.steps))
    watts = [world.steps[min(bisect_right(steps_s, at_s), len(world.steps) - 1)][1] for at_s in begins_s]
    series = make_series("power_w", begins_s, begins_s, watts)
    low_j, best_j, high_j = integral.integral(series, start_s, stop_s, NO_DELAY)
    assert low_j <= best_j <= high_j
    truth_j = world.energy_j(stop_s) - world.energy_j(start_s)
    if all(sum(a < step_s <= b for step_s in steps_s) <= 1 for a, b in pairwise(begins_s)):
        assert low_j - ROUNDING_J <= truth_j <= high_j + ROUNDING_J


def test_a_step_that_nobody_read_is_found_by_the_ceiling() -> None:
    """After the last reading a counter may have grown at its ceiling, and has not shrunk."""
    series = make_series("energy_j", [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.0, 10.0, 20.0])
    low_j, _, high_j = edges.latched(series, 5.0, NO_DELAY, 100.0)
    assert (low_j, high_j) == (20.0, 20.0 + 100.0 * 3.0)


@pytest.mark.parametrize(
    ("values", "start_s", "falls"),
    [([1.0, 2.0, 3.0, 4.0], 1.5, False), ([1.0, 2.0, 0.5, 4.0], 1.5, True), ([5.0, 2.0, 3.0, 4.0], 2.5, False)],
)
def test_a_fall_matters_only_inside_the_window(values: list[float], start_s: float, falls: bool) -> None:
    """A counter that fell before the window is as good as any."""
    times_s = [1.0, 2.0, 3.0, 4.0]
    series = make_series("energy_j", times_s, times_s, values)
    assert edges.falls(series, start_s, 3.5, NO_DELAY) is falls


@pytest.mark.parametrize(
    ("values", "impossible"),
    [([1.0, 2.0, 3.0, 4.0], False), ([1.0, 2.0, 262_145.0, 262_146.0], True), ([9.0, 2.0, 1.5, 2.5], True)],
)
def test_a_growth_that_nothing_can_draw_is_seen(values: list[float], impossible: bool) -> None:
    """A counter that jumps by its range, as a reset one does that is taken for a wrapped one, or that falls."""
    times_s = [1.0, 2.0, 3.0, 4.0]
    series = make_series("energy_j", times_s, times_s, values)
    assert edges.impossible(series, 1.5, 3.5, CEILING_W) is impossible
    assert not edges.impossible(make_series("energy_j", times_s, times_s, [5.0, 2.0, 3.0, 4.0]), 2.0, 3.0, CEILING_W)


def test_the_peak_of_a_run_that_spans_the_window_is_seen() -> None:
    """Equal readings of which only the ends were kept count for the time between them."""
    series = make_series("power_w", [1.0, 9.0], [1.0, 9.0], [50.0, 50.0])
    assert integral.peak(series, 4.0, 5.0) == 50.0
    assert integral.peak(series, 10.0, 11.0) is None
