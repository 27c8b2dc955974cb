"""The counter against power: when two views of one board disagree, the verdict says so."""

from __future__ import annotations

import random
from array import array
from statistics import fmean

import pytest

from ai_energy_benchmarks.analysis.integration import compare, counter_findings
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Measurement, Quantity, Reading, Samples, Series
from ai_energy_benchmarks.domain.result import Trial

BOARD = Device("gpu", "GPU-1", "Board")
LENGTH_S = 60.0


def series(quantity: Quantity, step_s: float, values: list[float], device: Device = BOARD) -> Series:
    times_s = array("d", (number * step_s for number in range(len(values))))
    return Series(device, quantity, "test", times_s, times_s, array("d", values))


def counter(power_w: float) -> Series:
    return series("energy_j", 0.1, [power_w * 0.1 * number for number in range(int(LENGTH_S / 0.1))])


def power(power_w: float, spread_w: float = 0.0, count: int = 600) -> Series:
    dice = random.Random(1)
    return series("power_w", LENGTH_S / count, [power_w + spread_w * dice.choice((-1, 1)) for _ in range(count)])


def trial(start_s: float, stop_s: float, number: int = 1) -> Trial:
    reading = Reading(BOARD, Bounds.exact(1.0), "measured", "test", "exact")
    return Trial(number, start_s, stop_s, Measurement(start_s, stop_s, (reading,)), ())


@pytest.mark.parametrize(("power_w", "level"), [(303.0, "PASS"), (306.0, "PASS"), (315.0, "WARN"), (255.0, "FAIL")])
def test_a_disagreement_is_judged_by_its_size(power_w: float, level: str) -> None:
    """Within 3 percent is a pass, over 10 percent a failure."""
    (finding,) = counter_findings(Samples((counter(300.0), power(power_w))), [trial(10.0, 30.0)])
    assert (finding.level, finding.check) == (level, "counter against power")
    assert f"{power_w / 300 - 1:+.1%}" in finding.message


def test_the_worst_trial_is_named() -> None:
    """One line a board, not one a trial."""
    halves = series("power_w", 0.1, [300.0] * 300 + [360.0] * 300)
    (finding,) = counter_findings(Samples((counter(300.0), halves)), [trial(5.0, 25.0, 1), trial(35.0, 55.0, 2)])
    assert (finding.level, "trial 2" in finding.message) == ("FAIL", True)


def test_power_that_is_shown_late_agrees() -> None:
    """The mean of the last second describes what happened half a second ago."""
    truth_w = [100.0] * 200 + [500.0] * 110 + [100.0] * 290
    energy = series("energy_j", 0.1, [0.1 * sum(truth_w[:number]) for number in range(600)])
    late = series("power_w", 0.1, [fmean(truth_w[max(0, n - 10) : n + 1]) for n in range(600)])
    agreement = compare(energy, late, 20.0, 31.0)
    assert agreement is not None
    assert abs(agreement.difference) < 0.02


def test_few_readings_of_jumping_power_prove_nothing() -> None:
    """What scatter explains is not held against the counter."""
    agreement = compare(counter(300.0), power(330.0, spread_w=150.0, count=60), 10.0, 30.0)
    assert agreement is not None
    assert abs(agreement.difference) > 0.03
    assert agreement.excess < 0.03


@pytest.mark.parametrize(
    ("power_w", "length_s", "level"),
    [(330.0, 5.0, "WARN"), (310.0, 5.0, None), (200.0, 4.0, "FAIL"), (100.0, 9.0, "FAIL"), (100.0, 0.9, None)],
)
def test_a_short_window_shows_a_counter_that_is_far_off(power_w: float, length_s: float, level: str | None) -> None:
    """In 5 s the limits are 6 and 20 %, since edges may do so much there; a view that agrees gets no line."""
    found = list(counter_findings(Samples((counter(300.0), power(power_w))), [trial(10.0, 10.0 + length_s)]))
    assert [finding.level for finding in found] == ([] if level is None else [level])
    assert all(f"in trial 1, of {length_s:.2g} s" in finding.message for finding in found)


def test_a_long_window_that_agrees_does_not_hide_a_short_one() -> None:
    """A counter that stood still for a second in a trial of 3 s is named; without it the long trial passes."""
    steps_j = [0.0 if 400 <= number < 410 else 30.0 for number in range(600)]
    energy = series("energy_j", 0.1, [sum(steps_j[:number]) for number in range(600)])
    trials = [trial(10.0, 30.0, 1), trial(39.0, 42.0, 2)]
    (finding,) = counter_findings(Samples((energy, power(300.0))), trials)
    assert (finding.level, "in trial 2, of 3 s" in finding.message) == ("FAIL", True)
    (finding,) = counter_findings(Samples((counter(300.0), power(300.0))), trials)
    assert (finding.level, "in trial 1" in finding.message) == ("PASS", True)


def test_the_counter_of_a_strangers_gpu_is_not_judged() -> None:
    """It may be as wrong as it likes: its energy is not in the figure."""
    stranger = Device("gpu", "GPU-2", "Stranger")
    theirs = series("energy_j", 0.1, [30.0 * n for n in range(600)], stranger)
    seen = Samples((counter(300.0), power(300.0), theirs, series("power_w", 0.1, [100.0] * 600, stranger)))
    (finding,) = counter_findings(seen, [trial(10.0, 30.0)])
    assert (finding.level, finding.component) == ("PASS", "gpu")
    assert finding.message.startswith("Board")


def test_what_cannot_be_compared_is_not_judged() -> None:
    """No power, power of another board, power that ends too early, a counter that fell."""
    fallen = counter(300.0)
    fallen.values[200] = 0.0
    other = series("power_w", 0.1, [100.0] * 600, Device("gpu", "GPU-2"))
    short = series("power_w", 0.1, [100.0] * 250)
    for samples in ((counter(300.0),), (counter(300.0), other), (counter(300.0), short), (fallen, power(100.0))):
        assert list(counter_findings(Samples(samples), [trial(10.0, 30.0)])) == []


def averaged(truth_w: list[float], gain: float = 1.0) -> Series:
    """The mean of the last second of a power with a value every 0.1 s, read twice a second."""
    means_w = [gain * fmean(truth_w[max(0, number - 10) : max(1, number)]) for number in range(0, len(truth_w), 5)]
    return series("average_power_w", 0.5, means_w)


def energy_of(truth_w: list[float]) -> Series:
    return series("energy_j", 0.1, [0.1 * sum(truth_w[:number]) for number in range(len(truth_w))])


@pytest.mark.parametrize(("gain", "level"), [(1.0, "PASS"), (1.05, "WARN"), (0.85, "FAIL")])
def test_the_averaged_power_is_the_witness_where_the_driver_has_it(gain: float, level: str) -> None:
    """Work of 11 s between rests: its edges change the mean of a second and the counter's own mean alike."""
    truth_w = [100.0] * 200 + [500.0] * 110 + [100.0] * 290
    samples = Samples((energy_of(truth_w), averaged(truth_w, gain), power(55.0)))
    (finding,) = counter_findings(samples, [trial(20.0, 31.0)])
    assert (finding.level, "1 s average power" in finding.message) == (level, True)


def test_a_counter_with_blind_spots_is_found_by_the_average_alone() -> None:
    """Power of the moment shares the counter's duty and agrees with it; the mean of the last second does not."""
    truth_w = [400.0] * 600
    blind = [700.0] * 600
    samples = Samples((energy_of(blind), averaged(truth_w), power(700.0)))
    (finding,) = counter_findings(samples, [trial(20.0, 40.0)])
    assert finding.level == "FAIL"
    (without,) = counter_findings(Samples((energy_of(blind), power(700.0))), [trial(20.0, 40.0)])
    assert without.level == "PASS"


def test_an_average_that_does_not_cover_the_trial_is_no_witness() -> None:
    """Then power of the moment is compared, as where the driver has no average."""
    samples = Samples((energy_of([300.0] * 600), averaged([300.0] * 300), power(300.0)))
    (finding,) = counter_findings(samples, [trial(20.0, 40.0)])
    assert (finding.level, "average" in finding.message) == ("PASS", False)


@pytest.mark.parametrize(("begins_s", "witness"), [(18.9, True), (19.1, False)])
def test_the_average_needs_the_counter_of_the_second_before_the_trial(begins_s: float, witness: bool) -> None:
    """The mean of the last second at the trial's begin is of the second before it."""
    whole = energy_of([300.0] * 600)
    rows = slice(round(begins_s / 0.1), None)
    late = Series(BOARD, "energy_j", "test", whole.before_s[rows], whole.after_s[rows], whole.values[rows])
    (finding,) = counter_findings(Samples((late, averaged([300.0] * 600), power(300.0))), [trial(20.0, 40.0)])
    assert (finding.level, "average" in finding.message) == ("PASS", witness)


@pytest.mark.parametrize(("begins_s", "ends_s"), [(0.0, 39.0), (20.5, 60.0)])
def test_power_must_cover_both_ends_of_the_trial(begins_s: float, ends_s: float) -> None:
    """Of a part of a trial it says nothing about the whole."""
    whole = power(300.0)
    rows = slice(round(begins_s / 0.1), round(ends_s / 0.1))
    part = Series(BOARD, "power_w", "test", whole.before_s[rows], whole.after_s[rows], whole.values[rows])
    assert list(counter_findings(Samples((counter(300.0), part)), [trial(20.0, 40.0)])) == []
    unread = Series(BOARD, "average_power_w", "test", array("d"), array("d"), array("d"))
    (finding,) = counter_findings(Samples((counter(300.0), unread, power(300.0))), [trial(20.0, 40.0)])
    assert (finding.level, "average" in finding.message) == ("PASS", False)
    empty = Series(BOARD, "power_w", "test", array("d"), array("d"), array("d"))
    assert list(counter_findings(Samples((counter(300.0), empty)), [trial(20.0, 40.0)])) == []
