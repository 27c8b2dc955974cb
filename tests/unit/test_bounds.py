"""A value with its bounds: sums, scaling, quotients, and the files that hold it in three keys."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Reading, WorkloadShare
from ai_energy_benchmarks.results.details import details

ONE = Bounds(1.0, 2.0, 4.0)


def test_bounds_add_up_linearly() -> None:
    """Nothing says that two errors cancel, so lows meet lows and highs meet highs."""
    assert ONE + Bounds(10.0, 20.0, 40.0) == Bounds(11.0, 22.0, 44.0)
    assert Bounds.total([ONE, ONE, ONE]) == ONE * 3 == Bounds(3.0, 6.0, 12.0)
    assert Bounds.total([]) == Bounds.exact(0)


def test_a_mean_leaves_the_bounds_as_wide_as_they_are() -> None:
    """The error at the edges of windows is common to them."""
    assert Bounds.mean([ONE, Bounds(3.0, 4.0, 6.0)]) == Bounds(2.0, 3.0, 5.0)


def test_a_quotient_is_widest_where_the_divisor_is_uncertain_too() -> None:
    """The lowest energy meets the most tokens."""
    assert ONE.per(Bounds(1.0, 2.0, 4.0)) == Bounds(0.25, 1.0, 4.0)
    assert Bounds(0.5, 1.0, 2.0) == ONE / 2


@pytest.mark.parametrize(
    ("bounds", "relative"), [(ONE, 0.75), (Bounds.exact(5.0), 0.0), (Bounds(-1, 0, 1), float("inf"))]
)
def test_the_half_width_is_relative_to_the_estimate(bounds: Bounds, relative: float) -> None:
    """Around nothing everything is uncertain."""
    assert bounds.relative_half_width == relative


def test_files_hold_bounds_in_the_keys_that_they_always_had() -> None:
    """Result directories of older versions load, and those of this one have the same keys."""
    reading = Reading(Device("gpu", "GPU-0"), ONE, "measured", "nvml", "exact")
    stored = details().unstructure(reading)
    assert (stored["energy_low_j"], stored["energy_j"], stored["energy_high_j"]) == (1.0, 2.0, 4.0)
    assert "bounds_j" not in stored
    assert details().structure(stored, Reading) == reading
    share = details().unstructure(WorkloadShare("cpu", Bounds(0.1, 0.2, 0.3)))
    assert share == {"component": "cpu", "share_low": 0.1, "share": 0.2, "share_high": 0.3}
    assert details().structure(share, WorkloadShare) == WorkloadShare("cpu", Bounds(0.1, 0.2, 0.3))
