"""What a summary says of trials whose every figure is known."""

from __future__ import annotations

import itertools
import math
import random
import time
from array import array
from statistics import quantiles

import pytest
from scipy import stats

from ai_energy_benchmarks.analysis.derived import derive
from ai_energy_benchmarks.analysis.latency import Pool, pooled
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.trend import t_two_sided_p, trend
from ai_energy_benchmarks.analysis.windows import IdlePower, idle_power, is_resolved
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary
from tests.factories import CPU, DRAM, GPU, OTHER_GPU, completion, failure, reading, step, trial


def component(summary: Summary, name: str) -> ComponentEnergy:
    return next(each for each in summary.components if each.component == name)


def test_means_are_over_complete_trials():
    """A trial that was cut short enters no mean as long as another is complete."""
    summary = summarise(
        [
            trial(1, reading(energy_j=100)),
            trial(2, reading(energy_j=110)),
            trial(3, reading(energy_j=5), complete=False),
        ],
        [],
    )
    assert summary.trials == 2
    assert component(summary, "gpu").energy_j == 105


def test_an_interrupted_only_trial_keeps_what_it_has():
    """If no trial is complete, the partial ones are what the means are over."""
    partial = trial(1, reading(energy_j=30), outcomes=[completion(0), completion(1)], complete=False, duration_s=4)
    summary = summarise([partial], [])
    assert (summary.trials, summary.requests, summary.output_tokens) == (1, 2, 8)
    assert component(summary, "gpu").per_output_token_j.mean == 30 / 8


def test_no_trials_is_a_summary_without_energy():
    """A run that stopped before its first trial has no component and no latency."""
    summary = summarise([], [])
    assert summary.components == ()
    assert summary.total is None
    assert summary.ttft_s is None
    assert set(summary.absent) == {"gpu", "cpu", "dram"}
    counts = (summary.requests, summary.succeeded, summary.failed, summary.prompt_tokens, summary.output_tokens)
    assert counts == (0, 0, 0, 0, 0)
    assert (summary.duration_s, summary.output_tokens_per_s) == (0, 0)


def test_boards_add_linearly():
    """Energy and bounds of the counted boards are summed; a board beside them is not."""
    boards = [reading(GPU, 100, 2), reading(OTHER_GPU, 50, 3)]
    energy = component(summarise([trial(1, *boards)], []), "gpu")
    assert (energy.energy_j, energy.bounds_j.low, energy.bounds_j.high) == (150, 145, 155)
    apart = component(summarise([trial(1, boards[0], reading(OTHER_GPU, 50, 3, counted=False))], []), "gpu")
    assert apart.energy_j == 100


def test_the_weakest_method_stands_for_a_sum():
    """Measured with integrated is integrated, and both meters are named; what is modelled enters neither."""
    mixed = summarise(
        [
            trial(
                1,
                reading(GPU),
                reading(OTHER_GPU, provenance="integrated", meter="zeus"),
                reading(CPU, provenance="modelled", meter="modelled"),
            )
        ],
        [],
    )
    assert component(mixed, "gpu").provenance == "integrated"
    assert component(mixed, "gpu").meter == "nvml + zeus"
    assert mixed.total.provenance == "integrated"
    assert mixed.total.meter == "nvml + zeus"


def test_total_is_the_sum_of_the_components_seen():
    """The total adds GPU, CPU and memory trial by trial."""
    trials = [trial(i, reading(GPU, 100 + i), reading(CPU, 10 - i), reading(DRAM, 5)) for i in (1, 2)]
    total = summarise(trials, []).total
    assert total.energy_j == 115
    # 116 - 1 and 117 - 2: the components' scatter cancels in the sum.
    assert total.per_output_token_j.standard_deviation == 0


def test_energy_per_token_is_the_mean_of_each_trials_own_ratio():
    """100 J over 20 tokens and 90 J over 10 tokens are 7 J per token, not 190/30."""
    short = trial(2, reading(energy_j=90), outcomes=[completion(0, output_tokens=10)])
    energy = component(summarise([trial(1, reading(energy_j=100)), short], []), "gpu")
    assert energy.per_output_token_j.mean == 7
    assert energy.per_output_token_bounds_j.low == (99 / 20 + 89 / 10) / 2
    assert energy.per_output_token_bounds_j.high == (101 / 20 + 91 / 10) / 2


def test_edges_give_an_interval_where_there_is_no_scatter():
    """Equal trials still carry the error of the meter's edges, undivided: 10 J over 20 tokens however many trials."""
    for n in (1, 4, 50):
        trials = [trial(i, reading(energy_j=100, half_width_j=10)) for i in range(1, n + 1)]
        energy = component(summarise(trials, []), "gpu")
        assert energy.per_output_token_j.half_width == pytest.approx(0.5)
        assert energy.per_pass_j.half_width == pytest.approx(10)


def test_no_tokens_no_energy_per_token():
    """A trial without output tokens leaves J per token out rather than dividing by nothing."""
    energy = component(summarise([trial(1, reading(), outcomes=[failure()])], []), "gpu")
    assert energy.per_output_token_j is None
    assert energy.per_output_token_bounds_j is None


def test_a_window_is_resolved_up_to_a_fifth():
    """20 % of relative half-width is resolved, more is not, and nothing around zero is."""
    assert component(summarise([trial(1, reading(energy_j=100, half_width_j=20))], []), "gpu").resolved
    assert not component(summarise([trial(1, reading(energy_j=100, half_width_j=20.1))], []), "gpu").resolved
    assert not component(summarise([trial(1, reading(energy_j=0, half_width_j=0))], []), "gpu").resolved


@pytest.mark.parametrize(
    ("bounds", "resolved"),
    [((0.45, 0.5, 0.55), True), ((0.3, 0.5, 0.7), False), ((0.0, 0.0, 0.0), False), ((-1.1, -1.0, -0.9), False)],
)
def test_a_small_energy_is_resolved_as_a_large_one_is(bounds: tuple[float, float, float], resolved: bool):
    """Half a joule to within 10 % is a figure; no energy and less than none are not."""
    assert is_resolved(Bounds(*bounds)) is resolved


def test_energy_that_may_be_nothing_gives_tokens_per_joule_without_a_limit():
    """20 tokens for 10 J, or for anything from none to 20 J: 2 a joule, one at least, and no most."""
    summary = summarise([trial(1, reading(energy_j=10, half_width_j=10))], [])
    assert derive(summary, component(summary, "gpu")).output_tokens_per_j == Bounds(1.0, 2.0, math.inf)


def test_energy_that_cannot_be_gives_no_tokens_per_joule():
    """A meter that ran backwards gave less than nothing."""
    summary = summarise([trial(1, reading(energy_j=-10, half_width_j=1))], [])
    assert derive(summary, component(summary, "gpu")).output_tokens_per_j is None


def test_net_energy_is_signed():
    """Idle of 12 and 14 W against 100 J in 10 s leaves −30 J, which is not clamped."""
    steps = [step("resident idle", reading(energy_j=120)), step("hot idle", reading(energy_j=140))]
    energy = component(summarise([trial(1, reading(energy_j=100))], steps), "gpu")
    assert (energy.idle_power_w, energy.idle_half_difference_w, energy.net_energy_j) == (13, 1, -30)


def test_one_baseline_has_no_difference():
    """With the resident baseline alone there is an idle power, and nothing to compare it with."""
    energy = component(summarise([trial(1, reading())], [step("resident idle", reading(energy_j=20))]), "gpu")
    assert energy.idle_power_w == 2
    assert energy.idle_half_difference_w is None


def test_bare_idle_and_baselines_of_other_devices_are_no_baseline():
    """Idle without the model, or of two boards where one is used, is not subtracted."""
    steps = [step("bare idle", reading()), step("resident idle", reading(), reading(OTHER_GPU))]
    assert component(summarise([trial(1, reading())], steps), "gpu").net_energy_j is None


def test_bare_idle_that_saw_more_gpus_has_the_power_of_those_that_count():
    """Before the model is loaded it is not known which GPUs count: 300 J of 10 s are the counted one's."""
    steps = [step("bare idle", reading(GPU, 300), reading(OTHER_GPU, 500)), step("bare idle", reading(OTHER_GPU, 500))]
    idle = idle_power(steps, ("gpu",), frozenset({GPU}), ("bare idle",))
    assert idle == IdlePower(30.0, None)


def test_a_component_missing_once_is_absent_with_the_meters_reason():
    """A meter that was lost in the second trial leaves no figure over both."""
    lost = trial(2, reading(GPU), absent={"cpu": "rapl: permission denied"})
    summary = summarise([trial(1, reading(GPU), reading(CPU)), lost], [])
    assert [each.component for each in summary.components] == ["gpu"]
    assert summary.absent["cpu"] == "rapl: permission denied"
    assert "dram" in summary.absent


def test_a_board_that_comes_or_goes_makes_the_component_absent():
    """One board less in a trial would look like less energy; the reason names the board and the trial."""
    trials = [trial(1, reading(GPU), reading(OTHER_GPU)), trial(2, reading(GPU))]
    reason = summarise(trials, []).absent["gpu"]
    assert OTHER_GPU.label in reason
    assert "trial 2" in reason


def test_boards_that_the_workload_does_not_use_are_no_figure():
    """A model on the CPU of a machine with a board has no GPU energy."""
    summary = summarise([trial(1, reading(GPU, counted=False), reading(CPU))], [])
    assert [each.component for each in summary.components] == ["cpu"]
    assert "uses none" in summary.absent["gpu"]


def test_a_trial_that_was_not_measured_leaves_no_figure():
    """If the meter was lost for a whole trial, the reason names it."""
    summary = summarise([trial(1, reading()), trial(2, measured=False)], [])
    assert summary.absent["gpu"] == "trial 2 was not measured"


def test_peak_power_is_the_highest_sum_of_boards():
    """Peaks add over boards within a trial; the highest trial counts; one unknown peak hides the sum."""
    first = trial(1, reading(GPU, peak_power_w=300), reading(OTHER_GPU, peak_power_w=200))
    second = trial(2, reading(GPU, peak_power_w=350), reading(OTHER_GPU, peak_power_w=100))
    assert component(summarise([first, second], []), "gpu").peak_power_w == 500
    unknown = trial(2, reading(GPU, peak_power_w=350), reading(OTHER_GPU))
    assert component(summarise([first, unknown], []), "gpu").peak_power_w is None


def test_latencies_are_pooled_over_trials():
    """Every gap of every trial counts once; a request with one token has no gap and no TPOT."""
    trials = [
        trial(1, reading(), outcomes=[completion(0, output_tokens=4, step_s=0.05)]),
        trial(2, reading(), outcomes=[completion(0, output_tokens=1), completion(1, output_tokens=2, step_s=0.2)]),
    ]
    summary = summarise(trials, [])
    assert (summary.itl_s.n, summary.tpot_s.n, summary.ttft_s.n, summary.e2e_s.n) == (4, 2, 3, 3)
    assert summary.itl_s.mean == pytest.approx((3 * 0.05 + 0.2) / 4)
    assert summary.tpot_s.mean == pytest.approx((0.05 + 0.2) / 2)


def test_failed_requests_bring_no_tokens_but_stay_in_the_energy():
    """One failure of two: half the tokens, all the joules, one success to divide by."""
    summary = summarise([trial(1, reading(energy_j=80), outcomes=[completion(0), failure(1)])], [])
    assert (summary.requests, summary.succeeded, summary.failed) == (2, 1, 1)
    figures = derive(summary, component(summary, "gpu"))
    assert figures.per_output_token_j.best == 20
    assert figures.per_request_j.best == 80


def test_cached_prompt_tokens_are_not_computed():
    """J per prompt token divides by what was computed: 10 tokens of which 6 came from a cache are 4."""
    cached = [completion(0, cached_prompt_tokens=6)]
    summary = summarise([trial(1, reading(energy_j=80), outcomes=cached)], [])
    assert summary.cached_prompt_tokens == 6
    assert derive(summary, component(summary, "gpu")).per_prompt_token_j.best == 20


def test_what_not_all_completions_tell_is_unknown():
    """Reasoning tokens of some requests are no count of the pass."""
    told = trial(1, outcomes=[completion(0, reasoning_tokens=2), completion(1, reasoning_tokens=3)])
    assert summarise([told], []).reasoning_tokens == 5
    untold = trial(1, outcomes=[completion(0, reasoning_tokens=2), completion(1)])
    assert summarise([untold], []).reasoning_tokens is None


def test_an_unresolved_window_derives_bounds_only():
    """Nothing that divides an unresolved energy has a bare value."""
    summary = summarise([trial(1, reading(energy_j=100, half_width_j=60))], [])
    figures = derive(summary, component(summary, "gpu"))
    assert figures.value(figures.per_output_token_j) is None
    assert (figures.per_output_token_j.low, figures.per_output_token_j.high) == (2, 8)
    assert figures.value(figures.average_power_w) is None
    assert (figures.output_tokens_per_j.low, figures.output_tokens_per_j.high) == (20 / 160, 20 / 40)


def test_many_latencies_give_the_same_percentiles_as_few():
    """Past the size at which the frame library sorts, percentiles are still those of the standard library."""
    gaps_s = [((i * 7919) % 250_007) / 1e6 for i in range(250_007)]
    times_s = array("d", [0.0])
    for gap_s in gaps_s:
        times_s.append(times_s[-1] + gap_s)
    found = pooled([Completion(0, 1, len(times_s), "token_ids", 0.0, times_s, times_s[-1], "length")]).itl_s
    cuts = quantiles((b - a for a, b in itertools.pairwise(times_s)), n=100, method="inclusive")
    assert (found.p50, found.p90, found.p95, found.p99) == pytest.approx((cuts[49], cuts[89], cuts[94], cuts[98]))
    assert found.n == 250_007


def test_a_summary_takes_time_in_proportion_to_its_requests():
    """Ten times the requests take less than forty times as long; a quadratic walk would take a hundred times."""

    def seconds(requests: int) -> float:
        trials = [trial(1, reading(), outcomes=[completion(i) for i in range(requests)])]
        began = time.perf_counter()
        summarise(trials, [])
        return time.perf_counter() - began

    few, many = min(seconds(2_000) for _ in range(3)), min(seconds(20_000) for _ in range(3))
    assert many < 40 * few


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 8, 28])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, -2.5, 12.0])
def test_p_values_are_students(t: float, degrees: int):
    """The two-sided p-value agrees with SciPy's Student distribution."""
    assert t_two_sided_p(t, degrees) == pytest.approx(2 * stats.t.sf(abs(t), degrees), abs=1e-12)


def test_a_trend_is_the_least_squares_line():
    """Slope and p-value are those of SciPy's linear regression."""
    values = [5.0, 5.2, 5.1, 5.4, 5.3, 5.6]
    found, line = trend(values), stats.linregress(range(6), values)
    assert found.drift == pytest.approx(line.slope * 5 / (sum(values) / 6))
    assert found.p_value == pytest.approx(line.pvalue)


def test_a_trend_is_relative_to_the_size_of_the_mean():
    """Values below zero that rise, rise."""
    rising, falling = trend([-3.0, -2.1, -1.0]), trend([3.0, 2.1, 1.0])
    assert rising.drift == pytest.approx(2.0 / 2.0333, rel=1e-3)
    assert falling.drift == pytest.approx(-rising.drift)
    assert (trend([-3.0, -2.0, -1.0]).drift, trend([3.0, 2.0, 1.0]).drift) == (1.0, -1.0)


def test_equal_values_have_no_trend():
    """Equal values, whose residuals are rounding alone, drift by nothing with certainty nowhere near."""
    assert trend([0.1] * 5).p_value == 1
    assert trend([1.0, 2.0]) is None


def test_very_many_latencies_are_told_from_bins():
    """Beyond what is kept, percentiles are those of all values to within the width of a bin; the mean is exact."""
    rng = random.Random(4)
    seconds = [rng.lognormvariate(-4, 1.5) for _ in range(20_000)] + [0.0]
    kept, binned = Pool(), Pool(most=3000)
    for first in range(0, len(seconds), 700):
        kept.add(seconds[first : first + 700])
        binned.add(seconds[first : first + 700])
    exact, found = kept.distribution(), binned.distribution()
    assert exact is not None
    assert found is not None
    assert found.n == exact.n == 20_001
    assert found.mean == pytest.approx(exact.mean, rel=1e-12)
    for name in ("p50", "p90", "p95", "p99"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=2e-3)
