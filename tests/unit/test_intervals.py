"""What the stated 95 % intervals are worth, and which trial stands apart."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from statistics import fmean, stdev

import pytest
from attrs import evolve
from scipy import stats

from ai_energy_benchmarks.analysis.outliers import farthest
from ai_energy_benchmarks.analysis.sensor_gain import GAINS, gain_of, gain_uncertainty, known_gain_uncertainty
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.statistics import Estimate, estimate, t95
from tests.factories import CPU, GPU, reading, result, step, trial, verdict
from tests.unit.test_modelled_energy import shown

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


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 50])
@pytest.mark.parametrize("scatter", [0.0, 0.005, 0.02])
@pytest.mark.parametrize("common", [0.0, 0.5, 1.0])
def test_the_interval_covers_errors_of_the_edges(n: int, scatter: float, common: float) -> None:
    """At least 95 % hold the truth, be the edge error the same in every trial, independent, or half and half."""
    dice = random.Random(5)
    found = []
    for _ in range(1000):
        shared = dice.choice((-1.0, dice.uniform(-1, 1), 1.0))  # also at the bounds themselves
        errors = [0.02 * (common * shared + (1 - common) * dice.uniform(-1, 1)) for _ in range(n)]
        values = [
            value + error for value, error in zip(scattered(dice, n, scatter if n > 1 else 0), errors, strict=True)
        ]
        found.append(estimate(values, [(value - 0.02, value + 0.02) for value in values]))
    assert coverage([(each.mean - 1.0, each.half_width or 0.0) for each in found]) >= 0.95


@pytest.mark.parametrize("n", [5, 10, 20, 50])
def test_a_bias_of_the_edges_is_covered_at_every_n(n: int) -> None:
    """A bias of +0.36 % within bounds of ± 0.6 % stays inside however many trials there are."""
    dice = random.Random(n)
    values = [1.0036 + dice.gauss(0, 0.0005) for _ in range(n)]
    half_width = estimate(values, [(value - 0.006, value + 0.006) for value in values]).half_width
    assert half_width is not None
    assert half_width >= 0.006


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_worse_meter_never_narrows_the_interval(n: int) -> None:
    """Past the point where the edge error equals the scatter the interval goes on growing, without a jump."""
    values = [1.0 + 0.05 * (-1) ** i for i in range(n)]
    edges = [0.05 * step / 100 for step in range(1, 300)]
    widths = [estimate(values, [(v - edge, v + edge) for v in values]).half_width or 0.0 for edge in edges]
    assert all(0 < later - earlier < 0.001 for earlier, later in pairwise(widths))
    assert widths[0] > t95(n - 1) * stdev(values) / math.sqrt(n)


def test_the_half_width_is_that_of_the_page_on_measurement() -> None:
    """t·s/√n plus the larger distance to the mean bounds; the gain joins in quadrature as 1.96 u_B."""
    found = estimate([1.0, 3.0], [(0.9, 1.0), (2.7, 3.1)], gain_uncertainty=0.1)
    half_width = 12.7062 * math.sqrt(2) / math.sqrt(2) + 0.2
    assert found.half_width == pytest.approx(half_width)
    assert found.half_width_with_gain == pytest.approx(math.hypot(half_width, 1.959964 * 0.1 * 2))


def test_a_single_trial_has_the_bounds_and_the_gain() -> None:
    """At n = 1 the half-width is the distance to the farther bound; without bounds there is no interval at all."""
    one = estimate([2.0], [(1.9, 2.05)], gain_uncertainty=0.03)
    assert (one.standard_deviation, one.half_width) == (None, pytest.approx(0.1))
    assert one.half_width_with_gain == pytest.approx(math.hypot(0.1, 1.959964 * 0.06))
    assert one.leading_half_width == one.half_width_with_gain
    assert estimate([2.0], [(1.9, 2.05)]).leading_half_width == pytest.approx(0.1)
    assert estimate([2.0], gain_uncertainty=0.03).leading_half_width is None


def test_bounds_come_in_pairs_with_values() -> None:
    """Bounds of another number of trials are a mistake of the caller."""
    with pytest.raises(ValueError, match="2 values with 1 pairs of bounds"):
        estimate([1.0, 2.0], [(0.9, 1.1)])


@pytest.mark.parametrize("scatter", [0.001, 0.03, 0.1])
def test_the_wider_interval_covers_the_gain(scatter: float) -> None:
    """With a gain that is off by 2.9 % (one standard deviation) at least 93 % hold the truth; without it few do."""
    dice, sigma = random.Random(11), 0.05 / math.sqrt(3)
    found = [
        estimate(scattered(dice, 5, scatter, gain=dice.gauss(1.0, sigma)), gain_uncertainty=sigma)
        for _ in range(REPETITIONS)
    ]
    assert 0.93 <= coverage([(each.mean - 1.0, each.half_width_with_gain or 0.0) for each in found]) <= 0.98
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
    """A thousand trials leave the gain's part of the interval as wide as it was, and that of the edges too."""
    found = estimate([1.0, 1.0001] * 500, gain_uncertainty=0.03)
    assert found.half_width is not None
    assert found.half_width < 1e-4
    assert found.half_width_with_gain == pytest.approx(1.96 * 0.03, rel=1e-3)
    edges = estimate([1.0, 1.0001] * 500, [(0.99, 1.01)] * 1000).half_width
    assert edges is not None
    assert edges >= 0.0099


def test_the_gain_is_that_of_the_only_meter() -> None:
    """GPUs read through NVML have a gain; a CPU that RAPL reads has none, so of a sum only a part has one."""
    both = [reading(GPU), reading(CPU, 50, 0, meter="rapl")]
    summary = summarise([trial(i, *both) for i in range(1, 4)], [])
    gpu, cpu = summary.components
    assert summary.total is not None
    assert gpu.gain_limit == 0.05
    assert "2312.02741" in gpu.gain_source
    assert (cpu.gain_limit, summary.total.gain_limit) == (None, None)
    assert wider(gpu.per_output_token_j) is not None
    assert wider(cpu.per_output_token_j) is None
    assert gain_of([]) is None
    assert (gpu.gain_unknown, cpu.gain_unknown, summary.total.gain_unknown) == ((), ("rapl",), ("rapl",))
    gpu_only, of_total = wider(gpu.per_output_token_j), wider(summary.total.per_output_token_j)
    assert gpu_only is not None
    assert of_total == pytest.approx(gpu_only)  # equal trials: the known gain is all that is uncertain
    assert known_gain_uncertainty([]) is None


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


def test_an_interval_with_negative_energy_is_none() -> None:
    """Two trials of 0.4 and 1.0 J a token are 0.7 ± 2.7: the mean and the scatter stand, and no interval."""
    trials = [trial(i, reading(GPU, energy_j, 0.0)) for i, energy_j in enumerate((8.0, 20.0), start=1)]
    (gpu,) = summarise(trials, ()).components
    for mean in (gpu.per_output_token_j, gpu.per_pass_j):
        assert mean is not None
        assert (mean.half_width, mean.half_width_with_gain) == (None, None)
        assert mean.standard_deviation is not None
    text = shown(result(trials))
    assert "±" not in text
    assert "no interval is given, since it would contain negative energy" in " ".join(text.split())


def test_a_net_energy_within_its_uncertainty_is_not_resolved() -> None:
    """Idle powers of 8 and 11 W leave nothing certain of 100 J in 10 s."""
    steps = [step("resident idle", reading(GPU, 80.0)), step("hot idle", reading(GPU, 110.0))]
    text = shown(evolve(result([trial(1, reading())]), summary=summarise([trial(1, reading())], steps)))
    assert "GPU not resolved from an idle power of 9.5 ± 1.5 W" in text
