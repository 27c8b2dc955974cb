"""The ratio of two arms against SciPy, hand calculation and what it must do at its ends."""

from __future__ import annotations

import math
import random

import pytest

from ai_energy_benchmarks.analysis.ratio import Arm, decide, ratio
from ai_energy_benchmarks.domain.statistics import t95

LOW, HIGH = (10.0, 10.2, 9.9, 10.1, 9.8), (11.0, 11.3, 10.9, 11.2, 10.8)


def test_welchs_interval_is_scipys() -> None:
    """The same difference of logarithms; between whole degrees of freedom the interval is hardly wider."""
    stats = pytest.importorskip("scipy.stats")
    found = ratio(Arm(LOW), Arm(HIGH))
    theirs = stats.ttest_ind(list(map(math.log, HIGH)), list(map(math.log, LOW)), equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert found.method == "Welch"
    assert found.degrees == pytest.approx(theirs.df)
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(math.exp(interval.low), rel=1e-4)
    assert found.high == pytest.approx(math.exp(interval.high), rel=1e-4)


def test_a_paired_interval_is_scipys() -> None:
    """What the cycles share cancels."""
    stats = pytest.importorskip("scipy.stats")
    found = ratio(Arm(LOW), Arm(HIGH), paired=True)
    interval = stats.ttest_rel(list(map(math.log, HIGH)), list(map(math.log, LOW))).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)), rel=1e-5)
    assert found.degrees == 4


def test_the_other_way_round_is_the_inverse() -> None:
    """Logarithms treat the two arms alike."""
    forwards, backwards = ratio(Arm(LOW), Arm(HIGH)), ratio(Arm(HIGH), Arm(LOW))
    assert backwards.inverted().best == pytest.approx(forwards.best)
    assert backwards.inverted().low == pytest.approx(forwards.low)
    assert backwards.inverted().high == pytest.approx(forwards.high)


def test_a_bound_far_below_is_within_the_interval() -> None:
    """A first arm whose truth is a fifth lower makes the ratio a quarter higher."""
    found = ratio(Arm((1.0, 1.0), edge=0.2), Arm((1.0, 1.0)))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 1 / 1.2
    assert found.high >= 1 / 0.8 - 1e-12


def test_bounds_of_the_meter_widen_without_end() -> None:
    """The edge error of both arms is added, however many processes there are."""
    many = tuple(100 + random.Random(1).gauss(0, 0.01) for _ in range(2000))
    found = ratio(Arm(many, edge=0.01), Arm(many, edge=0.02))
    assert found.high == pytest.approx(1 / 0.99 / 0.98, rel=1e-4)


def test_the_gain_of_two_sensors_joins_in_quadrature() -> None:
    """Two sensors with a standard uncertainty of their quotient of 4 % leave 1.96 × 4 %."""
    found = ratio(Arm((1.0, 1.0)), Arm((1.0, 1.0)), gain_uncertainty=0.04)
    assert found.high == pytest.approx(math.exp(0.0784), rel=1e-4)


def test_one_process_against_several_borrows_their_scatter() -> None:
    """The interval is that of a single new value: t·s·√(1 + 1/n), with the scatter of the arm that has one."""
    found = ratio(Arm((10.0,)), Arm(HIGH))
    spread = Arm(HIGH).cv
    assert spread is not None
    assert found.method == "pooled"
    assert found.high is not None
    assert math.log(found.high / found.best) == pytest.approx(2.7764 * spread * math.sqrt(1.2), rel=2e-3)


def test_single_processes_have_the_scatter_of_their_trials_at_most() -> None:
    """It is called what it is; without trials there is no interval, and nothing can be decided."""
    trials = ratio(Arm((10.0,), trial_deviation=0.01, trials=5), Arm((12.0,), trial_deviation=0.01, trials=5))
    assert trials.method == "trials of one process"
    assert trials.high is not None
    assert math.log(trials.high / trials.best) == pytest.approx(2.3060 * 0.01 * math.sqrt(0.4))
    bare = ratio(Arm((10.0,)), Arm((12.0,)))
    assert (bare.best, bare.low, bare.high, bare.method) == (pytest.approx(1.2), None, None, "no interval")
    assert decide(bare, 0.05) == "inconclusive"


def test_the_interval_decides() -> None:
    """Above the limit as a whole is a regression, below it a pass, across it neither."""
    found = ratio(Arm(LOW), Arm(HIGH))  # about 1.08 to 1.13
    assert decide(found, 0.05) == "regression"
    assert decide(found, 0.20) == "pass"
    assert decide(found, 0.10) == "inconclusive"


def test_figures_that_have_no_logarithm_are_refused() -> None:
    """A ratio of 0 J or of nothing says nothing."""
    for values in ((), (0.0,), (math.nan,), (1.0, -1.0)):
        with pytest.raises(ValueError, match="positive"):
            Arm(values)


def test_students_t_between_whole_degrees() -> None:
    """Interpolation never makes an interval narrower than SciPy has it, and hardly wider."""
    stats = pytest.importorskip("scipy.stats")
    for tenths in range(20, 320):
        exact = stats.t.ppf(0.975, tenths / 10)
        assert exact * (1 - 6e-5) <= t95(tenths / 10) <= exact * 1.02
