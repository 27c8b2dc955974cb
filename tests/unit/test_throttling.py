"""Brakes: by the reasons that are read twice a second, and by the violation counters that miss nothing."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.board_checks import board_findings
from ai_energy_benchmarks.domain.power import Quantity, Samples, Series
from tests.factories import GPU, reading, series, trial

# From 20 to 30 s and from 40 to 50 s.
TRIALS = [trial(1, reading()), trial(2, reading())]
TIMES_S = [15.0 + 0.5 * number for number in range(80)]


def counter(quantity: Quantity, at_s: float, seconds: float) -> Series:
    """A violation counter that grows by so much between two readings."""
    return series(GPU, quantity, TIMES_S, [3.0 + (seconds if time_s > at_s else 0.0) for time_s in TIMES_S])


@pytest.mark.parametrize(
    ("quantity", "level", "reason"),
    [
        ("thermal_violation_s", "FAIL", "a thermal limit"),
        ("board_violation_s", "WARN", "a limit of the whole GPU card"),
        ("power_violation_s", "INFO", "the power limit"),
    ],
)
def test_a_brake_between_two_looks_is_seen(quantity: Quantity, level: str, reason: str) -> None:
    """20 ms of a limit within a trial show in its counter, though no reading of the reasons met them."""
    clear = series(GPU, "throttle_reasons", TIMES_S, [0.0] * len(TIMES_S))
    found = list(board_findings(Samples((clear, counter(quantity, 25.1, 0.02))), TRIALS))
    shown = next(each for each in found if reason in each.message)
    assert (shown.level, shown.check, shown.component) == (level, "throttling", "gpu")
    assert "0.10% of the trials" in shown.message
    assert any(each.level == "PASS" for each in found if each.check == "throttling") is (level == "INFO")


def test_a_brake_between_the_trials_is_none_of_them() -> None:
    """What a counter grew by outside the trials says nothing; the pass names the counters."""
    (found,) = board_findings(Samples((counter("thermal_violation_s", 35.1, 2.0),)), TRIALS)
    assert (found.level, found.message.endswith("was seen by its violation counters")) == ("PASS", True)


def test_a_brake_at_an_edge_may_have_been_within() -> None:
    """Growth between the readings on both sides of an edge is a warning."""
    trials = [trial(1, reading(), duration_s=10.2)]
    (found,) = board_findings(Samples((counter("thermal_violation_s", 30.1, 0.05),)), trials)
    assert (found.level, "50 ms at the edges" in found.message) == ("WARN", True)


def test_without_counters_the_pass_says_how_it_looked() -> None:
    """Reasons that are read twice a second may miss a brake."""
    clear = series(GPU, "throttle_reasons", TIMES_S, [0.0] * len(TIMES_S))
    (found,) = board_findings(Samples((clear,)), TRIALS)
    assert (found.level, "in readings twice a second" in found.message) == ("PASS", True)


def test_a_power_limit_that_its_counter_has_counted_has_one_line() -> None:
    """Readings of the same limit twice a second add nothing; a thermal limit among them does."""
    counted = counter("power_violation_s", 25.1, 10.0)
    for bits, messages in ((0x04, ["the power limit"]), (0x24, ["the power limit", "the driver's thermal limit"])):
        seen = series(GPU, "throttle_reasons", TIMES_S, [float(bits)] * len(TIMES_S))
        found = [each for each in board_findings(Samples((seen, counted)), TRIALS) if "held" in each.message]
        assert [next(text for text in messages if text in each.message) for each in found] == messages
