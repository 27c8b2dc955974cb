"""Throttled clocks: a brake spoils a run, a power limit is a fact of it."""

from __future__ import annotations

from array import array

import pytest

from ai_energy_benchmarks.analysis.throttling import throttle_findings
from ai_energy_benchmarks.domain.power import Device, Measurement, Reading, Samples, Series
from ai_energy_benchmarks.domain.result import Trial

BOARD = Device("gpu", "GPU-1", "Board")


def trial(number: int, start_s: float, stop_s: float, counted: bool = True) -> Trial:
    reading = Reading(BOARD, 1.0, 1.0, 1.0, "measured", "test", "exact", counted)
    return Trial(number, start_s, stop_s, Measurement(start_s, stop_s, (reading,)), ())


TRIALS = [trial(1, 10.0, 20.0), trial(2, 30.0, 40.0)]


def samples(*readings: tuple[float, int]) -> Samples:
    times_s = array("d", (at_s for at_s, _ in readings))
    values = array("d", (float(bits) for _, bits in readings))
    return Samples((Series(BOARD, "throttle_reasons", "test", times_s, times_s, values),))


@pytest.mark.parametrize(
    ("bits", "levels"),
    [(0, ["PASS"]), (1, ["PASS"]), (4, ["INFO", "PASS"]), (8, ["FAIL"]), (0x40 | 4, ["FAIL", "INFO"])],
)
def test_each_reason_has_its_level(bits: int, levels: list[str]) -> None:
    """Heat and brakes fail; a power limit is told; idling is nothing."""
    assert [finding.level for finding in throttle_findings(samples((0.0, bits), (50.0, bits)), TRIALS)] == levels


def test_the_share_is_that_of_the_trials() -> None:
    """Held from 15 to 35 s: half of the 20 s in trials, whatever happened between them."""
    (finding, _) = throttle_findings(samples((0.0, 0), (15.0, 4), (34.9, 4), (35.0, 0)), TRIALS)
    assert "50.0%" in finding.message


def test_what_happened_outside_the_trials_is_not_told() -> None:
    """A brake between two trials changes neither."""
    (finding,) = throttle_findings(samples((0.0, 0), (21.0, 8), (29.0, 0)), TRIALS)
    assert finding.level == "PASS"


def test_boards_that_tell_nothing_have_no_line() -> None:
    """No readings, no claim."""
    assert list(throttle_findings(Samples(), TRIALS)) == []


def test_boards_of_others_have_no_line() -> None:
    """What throttles beside the workload does not slow it down."""
    assert list(throttle_findings(samples((0.0, 8), (50.0, 8)), [trial(1, 10.0, 20.0, counted=False)])) == []
