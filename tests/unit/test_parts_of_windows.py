"""Recipes for a part of a window: what the marks held is told from a series, or the part has no figure."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Recipe, Series
from ai_energy_benchmarks.domain.recipes import cut, follow
from tests.factories import series

OWN, OTHERS = Device("cpu", "own"), Device("cpu", "others")
# This process worked a half of the time, and the processes of the engine all of it.
WINDOW = Recipe("fresh", "cpu_time_s", "others", 10.0, 20.0, added_s=5.0, added_from="own", per_unit_j=4.0)


def growing(device: Device, per_s: float, every_s: float = 1.0) -> Series:
    """A sum that grows evenly, read at the same moment as it shows."""
    times_s = [every_s * number for number in range(int(40 / every_s))]
    told = series(device, "cpu_time_s", times_s, [per_s * time_s for time_s in times_s])
    return evolve(told, after_s=told.before_s)


def test_a_part_has_its_part_of_what_the_marks_held() -> None:
    """A half of 4 s at 4 J a second of work, next to the engine's 4 s."""
    part = cut(WINDOW, 12.0, 16.0, {"own": growing(OWN, 0.5), "others": growing(OTHERS, 1.0)})
    assert part is not None
    assert (part.start_s, part.stop_s, part.added_s) == (12.0, 16.0, pytest.approx(2.0))
    assert part.added_half_width_s == pytest.approx(0.0, abs=1e-9)
    assert follow(part, growing(OTHERS, 1.0)).bounds_j.best == pytest.approx(4 * (2.0 + 4.0))


def test_a_part_between_readings_has_a_half_width() -> None:
    """Work may lie anywhere between two readings, at most as much as the ceiling allows."""
    held = growing(OWN, 0.5, every_s=2.0)
    part = cut(evolve(WINDOW, ceiling_per_s=1.0), 13.0, 17.0, {"own": held})
    assert part is not None
    assert part.added_s == pytest.approx(2.0)
    # At each end 0.5 s more or less, between readings of which one second more of work lies in two.
    assert part.added_half_width_s == pytest.approx(1.0)
    both = Bounds(*follow(part, growing(OTHERS, 1.0)).bounds_j)
    assert both.low <= 4 * (1.0 + 4.0) <= both.best <= 4 * (3.0 + 4.0) <= both.high


@pytest.mark.parametrize("others", [{}, {"own": evolve(growing(OWN, 0.5), before_s=[], after_s=[], values=[])}])
def test_a_part_of_what_only_the_marks_held_has_no_figure(others: dict[str, Series]) -> None:
    """Nor is it taken for nothing."""
    assert cut(WINDOW, 12.0, 16.0, others) is None
    assert cut(evolve(WINDOW, added_from=None), 12.0, 16.0, others) is not None


def test_a_part_knows_no_rest() -> None:
    """Next to its edges the work goes on."""
    rested = evolve(WINDOW, added_from=None, rest_before_s=0.4, rest_after_s=0.4)
    part = cut(rested, 12.0, 16.0, {})
    assert part == evolve(rested, start_s=12.0, stop_s=16.0, rest_before_s=0.0, rest_after_s=0.0)
