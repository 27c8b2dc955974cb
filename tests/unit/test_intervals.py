"""What the stated 95 % intervals are worth, and which trial stands apart."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from scipy import stats

from ai_energy_benchmarks.analysis.outliers import farthest
from ai_energy_benchmarks.analysis.sensor_gain import GAINS, gain_of, gain_uncertainty
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.statistics import Estimate, estimate, expanded, t95
from tests.factories import CPU, GPU, reading, trial, verdict

REPETITIONS = 6000


def coverage(estimates: list[tuple[float, float]]) -> float:
    """Share of (error, half width) whose error is within."""
    return fmean(abs(error) <= half_width for error, half_width in estimates)


def scattered(dice: random.Random, n: int, scatter: float, gain: float = 1.0) -> list[float]:
    return [gain * dice.gauss(1.0, scatter) for _ in range(n)]


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("scatter", [0.002, 0.05])
def test_the_interval_covers_under_scatter_of_trials(n: int, scatter: float) -> None:
    """With normal scatter within a process 93 to 97 % of the stated 95 % intervals hold the true mean."""
    dice = random.Random(n)
    found = [estimate(scattered(dice, n, scatter)) for _ in range(REPETITIONS)]
    assert 0.93 <= coverage([(each.mean - 1.0, each.half_width or 0.0) for each in found]) <= 0.97


@pytest.mark.parametrize(("within", "between"), [(0.02, 0.005), (0.005, 0.02), (0.01, 0.01)])
def test_the_interval_over_processes_covers_both_scatters(within: float, between: float) -> None:
    """Means of processes, five trials each: 93 to 97 % hold the truth. The trials of one process do not tell it."""
    dice = random.Random(7)
    found, one_process = [], []
    for _ in range(REPETITIONS):
        processes = [scattered(dice, 5, within, gain=dice.gauss(1.0, between)) for _ in range(5)]
        found.append(estimate([fmean(trials) for trials in processes]))
        one_process.append(estimate(processes[0]))
    assert 0.93 <= coverage([(each.mean - 1.0, each.half_width or 0.0) for each in found]) <= 0.97
    if between > within:
        assert coverage([(each.mean - 1.0, each.half_width or 0.0) for each in one_process]) < 0.5


@pytest.mark.parametrize("scatter", [0.0, 0.005, 0.02])
def test_the_interval_covers_errors_of_the_edges(scatter: float) -> None:
    """Edge errors anywhere within the bounds, alone or beside scatter: at least 93 % are covered."""
    dice = random.Random(5)
    found = []
    for _ in range(REPETITIONS):
        values = [value + dice.uniform(-0.02, 0.02) for value in scattered(dice, 5, scatter)]
        found.append(estimate(values, [0.02] * 5))
    assert coverage([(each.mean - 1.0, each.half_width or 0.0) for each in found]) >= 0.93


@pytest.mark.parametrize("scatter", [0.001, 0.03, 0.1])
def test_the_wider_interval_covers_the_gain(scatter: float) -> None:
    """With a gain that is off by 2.9 % (one standard deviation) 93 to 97 % hold the truth; without it most do not."""
    dice, sigma = random.Random(11), 0.05 / math.sqrt(3)
    found = [
        estimate(scattered(dice, 5, scatter, gain=dice.gauss(1.0, sigma)), gain_uncertainty=sigma)
        for _ in range(REPETITIONS)
    ]
    assert 0.93 <= coverage([(each.mean - 1.0, each.half_width_with_gain or 0.0) for each in found]) <= 0.97
    if scatter == 0.001:
        assert coverage([(each.mean - 1.0, each.half_width or 0.0) for each in found]) < 0.2


def test_a_gain_anywhere_within_its_limit_is_covered() -> None:
    """A rectangular gain of ±5 % is never covered less often than stated."""
    dice = random.Random(3)
    sigma = gain_uncertainty(GAINS["nvml"])
    assert sigma == pytest.approx(0.0289, abs=1e-4)
    found = [
        estimate(scattered(dice, 5, 0.005, gain=dice.uniform(0.95, 1.05)), gain_uncertainty=sigma)
        for _ in range(REPETITIONS)
    ]
    assert coverage([(each.mean - 1.0, each.half_width_with_gain or 0.0) for each in found]) >= 0.95


def test_more_trials_do_not_shrink_what_they_share() -> None:
    """A thousand trials leave the gain's part of the interval as wide as it was."""
    found = estimate([1.0, 1.0001] * 500, gain_uncertainty=0.03)
    assert found.half_width is not None
    assert found.half_width < 1e-4
    assert found.half_width_with_gain == pytest.approx(1.96 * 0.03, rel=1e-3)


def test_degrees_of_freedom_are_those_of_welch_and_satterthwaite() -> None:
    """Equal parts of both kinds have four times the degrees of freedom of the estimated one."""
    assert expanded(1.0, 4) == pytest.approx(stats.t.ppf(0.975, 4), rel=1e-4)
    assert expanded(1.0, 4, 1.0) == pytest.approx(t95(16) * math.sqrt(2))
    assert expanded(0.0, 4, 1.0) == pytest.approx(1.959964, rel=1e-6)


def test_the_gain_is_that_of_the_only_meter() -> None:
    """NVML boards have a second interval; a modelled CPU and a sum over both have none."""
    both = [reading(GPU), reading(CPU, 50, 0, meter="modelled", provenance="modelled")]
    summary = summarise([trial(i, *both) for i in range(1, 4)], [])
    gpu, cpu = summary.components
    assert summary.total is not None
    assert gpu.gain_limit == 0.05
    assert "2312.02741" in gpu.gain_source
    assert (cpu.gain_limit, summary.total.gain_limit) == (None, None)
    assert wider(gpu.per_output_token_j) is not None
    assert wider(cpu.per_output_token_j) is None
    assert gain_of([]) is None


def wider(found: Estimate | None) -> float | None:
    assert found is not None
    return found.half_width_with_gain


def test_grubbs_is_the_published_one() -> None:
    """The example of the NIST handbook: eight masses, of which 245.57 is an outlier at 5 %."""
    masses = [199.31, 199.53, 200.19, 200.82, 201.92, 201.95, 202.18, 245.57]
    found = farthest(masses)
    assert found is not None
    assert found.position == 7
    assert found.p_value < 0.05
    # There G = 2.4687 and its critical value at 5 % is 2.1266.
    t = math.sqrt(8 * 6 * 2.1266**2 / (49 - 8 * 2.1266**2))
    assert 8 * 2 * stats.t.sf(t, 6) == pytest.approx(0.05, abs=1e-3)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_grubbs_cries_wolf_as_often_as_it_says(n: int) -> None:
    """Of normal values about 5 % have one that it calls apart."""
    dice = random.Random(n)
    found = [farthest([dice.gauss(10.0, 1.0) for _ in range(n)]) for _ in range(REPETITIONS)]
    assert fmean(each.p_value <= 0.05 for each in found if each) == pytest.approx(0.05, abs=0.012)


def test_an_outlier_is_named_and_stays_in_the_mean() -> None:
    """The verdict warns of the trial by its number; nothing is dropped."""
    energies_j = [100.0, 100.2, 99.9, 110.0, 100.1]
    trials = [trial(i, reading(energy_j=each)) for i, each in enumerate(energies_j, start=1)]
    (found,) = (each for each in verdict(trials).findings if each.check == "outliers")
    assert found.level == "WARN"
    assert "trial 4" in found.message
    assert summarise(trials, []).components[0].energy_j == pytest.approx(fmean(energies_j))
    calm = [trial(i, reading(energy_j=each)) for i, each in enumerate([100.0, 101.0, 99.0, 100.5], start=1)]
    (found,) = (each for each in verdict(calm).findings if each.check == "outliers")
    assert found.level == "PASS"
