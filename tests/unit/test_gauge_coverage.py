"""Whether readings of a gauge say anything about trials: from when until when they last, and what drivers report."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.coverage import covers, silence
from ai_energy_benchmarks.domain.power import Quantity, Series
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import trial
from tests.unit.gauges_by_hand import gauge

# A trial of 10 s may miss readings of a second at either edge, one of 20 s (from 40 s on) those of two seconds.
SHORT, LONG, BRIEF = trial(1), trial(2, duration_s=20.0), trial(3, duration_s=4.0)


def read(first_s: float, last_s: float, quantity: Quantity = "temperature_celsius") -> Series:
    """A gauge whose first call began at a time, and whose last one ended at another."""
    rows = gauge(quantity, (first_s + 0.5, 60.0), (last_s, 60.0), call_s=0.5)
    assert (rows.before_s[0], rows.after_s[-1]) == (first_s, last_s)
    return rows


@pytest.mark.parametrize(
    ("window", "first_s", "last_s", "covered"),
    [
        (SHORT, 5.0, 90.0, True),
        (SHORT, 21.0, 29.0, True),
        (SHORT, 21.0625, 29.0, False),
        (SHORT, 21.0, 28.9375, False),
        (LONG, 42.0, 58.0, True),
        (LONG, 42.0625, 58.0, False),
        (LONG, 42.0, 57.9375, False),
        (BRIEF, 61.0, 63.0, True),
        (BRIEF, 61.0625, 63.0, False),
        (BRIEF, 61.0, 62.9375, False),
    ],
)
def test_readings_may_begin_and_end_a_second_or_a_tenth_of_a_trial_within_it(
    window: Trial, first_s: float, last_s: float, covered: bool
) -> None:
    """Whichever is longer, on each side by itself."""
    assert covers(read(first_s, last_s), window) is covered


def test_no_readings_cover_nothing() -> None:
    """Neither a gauge that was not read, nor one without a series."""
    assert covers(None, SHORT) is False
    assert covers(gauge("power_w"), SHORT) is False


UNREPORTED = "neither the GPU's driver nor the meter reports it"
THROUGHOUT = (10.0, 40.0, 60.0, 90.0)


def holding(quantity: Quantity, *values: float) -> Series:
    """Values that were read from before the trials until after them."""
    return gauge(quantity, *zip(THROUGHOUT, values, strict=True))


@pytest.mark.parametrize(
    ("series", "why"),
    [
        (None, UNREPORTED),
        (gauge("temperature_celsius"), UNREPORTED),
        (holding("temperature_celsius", 0, 0, 0, 0), "its driver reports only 0"),
        (holding("clock_hz", 0, 0, 0, 0), "its driver reports only 0"),
        (holding("power_limit_w", 0, 0, 0, 0), "its driver reports only 0"),
        (holding("power_w", 0, 0, 0, 0), "its driver reports only 0"),
        (holding("average_power_w", 0, 0, 0, 0), "its driver reports only 0"),
        (holding("average_power_w", 0, 0, 5, 0), None),
        (holding("throttle_reasons", 0, 0, 0, 0), None),
        (holding("performance_state", 0, 0, 0, 0), None),
        (holding("performance_state", 32, 32, 32, 32), "its driver does not know it"),
        (holding("performance_state", 0, 0, 32, 0), "its driver does not know it"),
        (holding("performance_state", 31, 31, 33, 31), None),
        (holding("power_limit_w", 32, 32, 32, 32), None),
        (holding("clock_hz", 32, 32, 32, 32), None),
    ],
)
def test_what_drivers_report_where_they_know_nothing(series: Series | None, why: str | None) -> None:
    """Only zeros for what is never zero, or the unknown state; a gauge that is zero at times is read."""
    assert silence(series, [SHORT, LONG, BRIEF]) == why


@pytest.mark.parametrize(
    ("first_s", "last_s", "why"),
    [
        (10.0, 90.0, None),
        (21.5, 90.0, "no readings cover all of trial 1"),
        (10.0, 62.5, "no readings cover all of trial 3"),
        (21.5, 62.5, "no readings cover all of trial 1, 3"),
        (61.5, 62.0, "no readings cover all of trial 1, 2, 3"),
    ],
)
def test_trials_without_readings_are_named(first_s: float, last_s: float, why: str | None) -> None:
    """By their numbers; where all must be covered, one is enough to be silent."""
    assert silence(read(first_s, last_s), [SHORT, LONG, BRIEF]) == why
    assert silence(read(first_s, last_s), []) is None
    renamed = [evolve(SHORT, number=7), evolve(LONG, number=8), evolve(BRIEF, number=9)]
    renumbered = None if why is None else why.translate(str.maketrans("123", "789"))
    assert silence(read(first_s, last_s), renamed) == renumbered
