"""What boards tell of themselves: a brake or a change spoils a run, a power limit is a fact of it."""

from __future__ import annotations

import random
from array import array
from itertools import accumulate

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.board_checks import board_findings
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Measurement, Quantity, Reading, Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from tests.unit.simulated_counter import Counter, read

BOARD = Device("gpu", "GPU-1", "Board")


def trial(number: int, start_s: float, stop_s: float, counted: bool = True) -> Trial:
    reading = Reading(BOARD, Bounds.exact(1.0), "measured", "test", "exact", counted)
    return Trial(number, start_s, stop_s, Measurement(start_s, stop_s, (reading,)), ())


TRIALS = [trial(1, 10.0, 20.0), trial(2, 30.0, 40.0)]


def samples(*readings: tuple[float, float], quantity: Quantity = "throttle_reasons") -> Samples:
    if readings[-1][0] < 50.0:  # a gauge goes on being read
        readings = (*readings, (50.0, readings[-1][1]))
    times_s = array("d", (at_s for at_s, _ in readings))
    values = array("d", (float(value) for _, value in readings))
    return Samples((Series(BOARD, quantity, "test", times_s, times_s, values),))


@pytest.mark.parametrize(
    ("bits", "levels"),
    [(0, ["PASS"]), (1, ["PASS"]), (4, ["INFO", "PASS"]), (8, ["FAIL"]), (0x40 | 4, ["FAIL", "INFO"])],
)
def test_each_reason_has_its_level(bits: int, levels: list[str]) -> None:
    """Heat and brakes fail; a power limit is told; idling is nothing."""
    assert [finding.level for finding in board_findings(samples((0.0, bits), (50.0, bits)), TRIALS)] == levels


def test_the_share_is_that_of_the_trials() -> None:
    """Held from 15 to 35 s: half of the 20 s in trials, whatever happened between them."""
    (finding, _) = board_findings(samples((0.0, 0), (15.0, 4), (34.9, 4), (35.0, 0)), TRIALS)
    assert "50.0%" in finding.message


def test_what_happened_outside_the_trials_is_not_told() -> None:
    """A brake between two trials changes neither."""
    (finding,) = board_findings(samples((0.0, 0), (21.0, 8), (29.0, 0)), TRIALS)
    assert finding.level == "PASS"


def test_boards_that_tell_nothing_have_no_line() -> None:
    """No readings, no claim."""
    assert list(board_findings(Samples(), TRIALS)) == []


def test_boards_of_others_have_no_line() -> None:
    """What throttles beside the workload does not slow it down."""
    assert list(board_findings(samples((0.0, 8), (50.0, 8)), [trial(1, 10.0, 20.0, counted=False)])) == []


@pytest.mark.parametrize(("last", "level"), [(72.9, "PASS"), (73.1, "WARN"), (66.0, "WARN")])
def test_a_board_that_grows_warmer_is_told(last: float, level: str) -> None:
    """From the first trial's mean to the last one's."""
    readings = samples((0.0, 70.0), (25.0, last), quantity="temperature_celsius")
    (finding,) = board_findings(readings, TRIALS)
    assert (finding.level, finding.check) == (level, "temperature")
    assert f"{last - 70.0:+.1f} °C" in finding.message


@pytest.mark.parametrize(("last", "level"), [(1.39e9, "PASS"), (1.2e9, "WARN")])
def test_a_mean_clock_that_changes_is_told(last: float, level: str) -> None:
    """By more than 2 percent from the first trial to the last."""
    (finding,) = board_findings(samples((0.0, 1.4e9), (25.0, last), quantity="clock_hz"), TRIALS)
    assert (finding.level, finding.check) == (level, "clocks")


@pytest.mark.parametrize("quantity", ["power_limit_w", "performance_state"])
def test_a_setting_that_changes_in_a_trial_is_told(quantity: Quantity) -> None:
    """Between the trials it may do as it likes."""
    for at_s, level in ((35.0, "WARN"), (22.0, "WARN"), (45.0, "PASS")):
        (finding,) = board_findings(samples((0.0, 2.0), (at_s, 5.0), quantity=quantity), TRIALS)
        assert finding.level == level
    (finding,) = board_findings(samples((0.0, 2.0), (22.0, 5.0), (28.0, 2.0), quantity=quantity), TRIALS)
    assert finding.level == "PASS"


@pytest.mark.parametrize(("hole_s", "level"), [(0.0, "PASS"), (0.3, "WARN"), (1.0, "WARN")])
def test_a_hole_in_the_readings_at_an_edge_is_told(hole_s: float, level: str) -> None:
    """A counter that moves every 100 ms, read every 10 ms, but for a hole where the first trial begins."""
    times_s = [at for at in (0.01 * step for step in range(5000)) if not 9.95 < at < 9.95 + hole_s]
    (finding,) = board_findings(samples(*((at, at // 0.1) for at in times_s), quantity="energy_j"), TRIALS)
    assert (finding.level, finding.check) == (level, "edge readings")
    assert "100 ms" in finding.message


def test_a_tick_is_that_of_many_moves() -> None:
    """Calls of an H100 take 3 or 15 ms in turn: four intervals of 98 ms and one of 108 ms make a tick of 100 ms."""
    seen_s = list(accumulate([0.098, 0.098, 0.098, 0.098, 0.108] * 100))
    rows = [(at_s - before_s, float(number)) for number, at_s in enumerate(seen_s) for before_s in (0.01, 0.0)]
    (finding,) = board_findings(samples(*((at, value - (number % 2 == 0)) for number, (at, value) in enumerate(rows)),
                                        quantity="energy_j"), TRIALS)  # fmt: skip
    assert "moves every 100 ms" in finding.message


@pytest.mark.parametrize(("before_s", "level"), [(0.25, "WARN"), (0.35, "PASS")])
def test_a_hole_matters_within_three_ticks_of_an_edge(before_s: float, level: str) -> None:
    """Of a counter that moves every 100 ms; what is farther from the first trial's begin at 10 s is in no bound."""
    hole = 10.0 - before_s - 0.15, 10.0 - before_s
    times_s = [at for at in (0.01 * step for step in range(5000)) if not hole[0] < at < hole[1] - 0.001]
    (finding,) = board_findings(samples(*((at, at // 0.1) for at in times_s), quantity="energy_j"), TRIALS)
    assert (finding.level, finding.check) == (level, "edge readings")


@pytest.mark.parametrize("tick_s", [0.005, 0.01, 0.012, 0.0149, 0.02, 0.05, 0.1])
def test_the_pace_of_our_own_readings_is_no_fault(tick_s: float) -> None:
    """However fast a counter moves, readings that follow the collector's cadence pass."""
    for seed in range(3):
        counter = Counter(random.Random(seed), [(60.0, 200.0)], tick_s, 0.005, 60.0)
        counted = evolve(read(counter, 45.0).series, device=BOARD)
        (finding,) = board_findings(Samples((counted,)), TRIALS)
        assert (finding.check, finding.level) == ("edge readings", "PASS"), finding.message


@pytest.mark.parametrize(("gap_s", "level"), [(0.019, "PASS"), (0.021, "WARN")])
def test_the_limit_of_fast_counters_is_20_ms(gap_s: float, level: str) -> None:
    """A tick of 5 ms that is read every 5 ms, but for one gap where the first trial begins."""
    times_s = [0.005 * step for step in range(8500)]
    seen_s = [at for at in times_s if not 10.0 < at < 9.999 + gap_s] + [10.0 + gap_s]
    readings = samples(*((at, at // 0.005) for at in sorted(seen_s)), quantity="energy_j")
    (finding,) = board_findings(readings, TRIALS)
    assert (finding.check, finding.level) == ("edge readings", level)


def test_every_line_is_about_the_gpu() -> None:
    """So that it counts in the level of that component alone."""
    assert {each.component for each in board_findings(samples((0.0, 8), (50.0, 8)), TRIALS)} == {"gpu"}
