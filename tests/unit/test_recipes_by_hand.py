"""Energy by a stored recipe, figure by figure: marks that held some themselves, slack, look-back, parts of windows."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Recipe, Series
from ai_energy_benchmarks.domain.recipes import cut, delay_high_s, follow
from tests.unit.test_edges_by_definition import STEPS, counter
from tests.unit.test_recorded_windows import even

CPU = Device("cpu", "tree")


def steps(*rows: tuple[float, float], quantity: str = "cpu_time_s") -> Series:
    """Instant readings of a growing series."""
    times_s, values = (array("d", column) for column in zip(*rows, strict=True))
    return Series(CPU, quantity, "meter", times_s, times_s, values)  # type: ignore[arg-type] # a literal


GROWING = steps((0.0, 0.0), (1.0, 2.0), (2.0, 4.0), (3.0, 6.0), (4.0, 8.0))
FRESH = Recipe("fresh", "cpu_time_s", "tree", 1.0, 3.0)


def test_a_fresh_series_is_what_it_grew_by_in_joules() -> None:
    """Read at both edges: 4 s of processor time, of 2.5 J each; with slack on both sides, and never below nothing."""
    assert follow(FRESH, GROWING).bounds_j == Bounds(4.0, 4.0, 4.0)
    found = follow(evolve(FRESH, per_unit_j=2.5, slack_s=0.5), GROWING)
    assert (found.bounds_j, found.estimator, found.edges) == (Bounds(8.75, 10.0, 11.25), "continuous", None)
    assert follow(evolve(FRESH, slack_s=5.0), GROWING).bounds_j == Bounds(0.0, 4.0, 9.0)


def test_what_the_marks_held_is_added_with_its_own_bounds() -> None:
    """Seconds between the marks of this process: 1 ± 0.25."""
    found = follow(evolve(FRESH, added_s=1.0, added_half_width_s=0.25, added_from="own", slack_s=0.5), GROWING)
    assert (found.bounds_j, found.estimator) == (Bounds(4.25, 5.0, 5.75), "continuous")


@pytest.mark.parametrize(
    ("added_from", "half_width_s", "grows", "estimator"),
    [
        ("own", 0.0, False, "exact"),
        ("own", 0.25, False, "continuous"),
        (None, 0.0, False, "continuous"),
        ("own", 0.0, True, "continuous"),
    ],
)
def test_a_window_is_exact_where_the_marks_alone_held_it(
    added_from: str | None, half_width_s: float, grows: bool, estimator: str
) -> None:
    """No other process worked, and the marks leave no doubt; slack is only of what grew."""
    still = steps((0.0, 7.0), (1.0, 7.0), (3.0, 7.0), (4.0, 7.0))
    recipe = evolve(FRESH, added_s=1.0, added_half_width_s=half_width_s, added_from=added_from, slack_s=0.5)
    found = follow(recipe, GROWING if grows else still)
    assert found.estimator == estimator
    if not grows:
        assert found.bounds_j == Bounds(1.0 - half_width_s, 1.0, 1.0 + half_width_s)


def test_readings_before_the_look_back_have_no_part() -> None:
    """Half a second before 3 s the counter showed 20 already, so that its change to 20 shapes no curve any more."""
    recipe = Recipe("latched", "energy_j", "GPU-0", 3.0, 5.0, ceiling_per_s=100.0)
    series = counter(*STEPS)
    everything = follow(recipe, series)
    assert follow(evolve(recipe, look_back_s=2.0), series) == everything
    shorter = follow(evolve(recipe, look_back_s=0.5), series)
    assert shorter == follow(recipe, counter(*STEPS[2:]))
    assert shorter.bounds_j.best != everything.bounds_j.best


def test_a_ceiling_bounds_what_was_not_read() -> None:
    """From 1.5 s on at most 3/s: 2 + 1.5 and 4 - 1.5 are the levels at the start; without a ceiling 2 and 4."""
    assert follow(evolve(FRESH, start_s=1.5), GROWING).bounds_j == Bounds(2.0, 3.0, 4.0)
    assert follow(evolve(FRESH, start_s=1.5, ceiling_per_s=3.0), GROWING).bounds_j == Bounds(2.5, 3.0, 3.5)


def test_a_value_may_be_as_old_as_the_recipe_says() -> None:
    """A quarter of a second: the level at an edge lies between the readings around its age."""
    assert follow(evolve(FRESH, stale_s=0.25), GROWING).bounds_j == Bounds(2.0, 4.0, 6.0)


def test_integrated_power_follows_delay_and_hold() -> None:
    """Power of 10 and from 2 s on 20 W: shifted by the middle of the delay, and by half of a hold."""
    power = steps((0.0, 10.0), (2.0, 10.0), (2.0, 20.0), (4.0, 20.0), (9.0, 20.0), quantity="power_w")
    recipe = Recipe("integral", "power_w", "tree", 1.0, 3.0)
    assert follow(recipe, power).bounds_j.best == 30.0
    assert follow(evolve(recipe, delay_low_s=0.25, delay_high_s=0.75), power).bounds_j.best == 35.0
    assert follow(evolve(recipe, hold_s=1.0), power).bounds_j.best == 35.0
    assert follow(evolve(recipe, delay_high_s=1.0), power).bounds_j == Bounds(
        pytest.approx(20.0), 35.0, pytest.approx(50.0)
    )


def test_a_part_of_a_window_keeps_all_but_its_rests() -> None:
    """Start and end are those of the part; without a series of its own it keeps the delay."""
    recipe = Recipe("latched", "energy_j", "GPU-0", 2.0, 4.0, 1.0, 1.0, 0.0, 0.055, flat_within=0.05)
    assert cut(recipe, 2.5, 3.0, {}) == evolve(recipe, start_s=2.5, stop_s=3.0, rest_before_s=0.0, rest_after_s=0.0)
    series = even(64.0, 320.0)
    assert delay_high_s(recipe, series) == 0.055
    assert delay_high_s(evolve(recipe, rest_before_s=0.0), series) == 0.055
    empty = steps((0.0, 0.0))
    empty = evolve(empty, before_s=array("d"), after_s=array("d"), values=array("d"))
    for others in ({"GPU-0": series}, {"GPU-0": empty}):
        part = cut(recipe, 2.5, 3.0, others)
        assert part is not None
        assert part.delay_high_s == 0.055


def test_a_part_has_its_part_of_what_the_marks_held_by_hand() -> None:
    """Own time read every second, at a rate of 1/4: from 1.5 to 3 s it is 0.375 s, known to a quarter at one edge.

    A ceiling of 0.25/s leaves no doubt. Without the series of it, or with an empty one, the part has no figure.
    """
    own = steps((0.0, 0.0), (1.0, 0.25), (2.0, 0.5), (3.0, 0.75), (4.0, 1.0))
    recipe = evolve(FRESH, added_s=0.5, added_from="own", start_s=1.0, stop_s=3.0)
    part = cut(recipe, 1.5, 3.0, {"own": own})
    assert part is not None
    assert (part.added_s, part.added_half_width_s) == (0.375, 0.125)
    sure = cut(evolve(recipe, ceiling_per_s=0.25), 1.5, 3.0, {"own": own})
    assert sure is not None
    assert (sure.added_s, sure.added_half_width_s) == (0.375, 0.0)
    late = cut(evolve(recipe, ceiling_per_s=1.0), 1.25, 3.0, {"own": steps((1.0, 0.0), (2.0, 1.0), (3.0, 1.0))})
    assert late is not None
    assert (late.added_s, late.added_half_width_s) == (0.75, 0.0)
    assert cut(recipe, 1.5, 3.0, {}) is None
    nothing = evolve(own, before_s=array("d"), after_s=array("d"), values=array("d"))
    assert cut(recipe, 1.5, 3.0, {"own": nothing}) is None
