"""The energy of components over several windows by hand: every figure of it, and what withholds one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.component_energy import component_energy, seen_in_part, shown_components, why_absent
from ai_energy_benchmarks.analysis.steady_mix import Shift
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Reading, Recipe, WindowEdges, WorkloadShare
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.statistics import Estimate, estimate_of
from ai_energy_benchmarks.domain.summary import ComponentEnergy, PerUnit
from tests.factories import CPU, DRAM, GPU, OTHER_GPU, reading, step, trial

# The gain of NVML's sensor is within 5 %, in a rectangular distribution.
GAIN = 0.05 / math.sqrt(3)


def of(device: Device, low_j: float, best_j: float, high_j: float, **changed: Any) -> Reading:
    return evolve(reading(device), bounds_j=Bounds(low_j, best_j, high_j), **changed)


# Together 145, 150 and 160 J, 147, 151 and 158 J, 149, 155 and 163 J.
TRIALS = [
    trial(1, of(GPU, 97, 100, 106, peak_power_w=30.0), of(OTHER_GPU, 48, 50, 54, peak_power_w=12.0)),
    trial(2, of(GPU, 79, 81, 85, peak_power_w=33.0), of(OTHER_GPU, 68, 70, 73, peak_power_w=8.0)),
    trial(3, of(GPU, 89, 92, 97, peak_power_w=20.0), of(OTHER_GPU, 60, 63, 66, peak_power_w=21.0)),
]
WINDOWS = [Bounds(145.0, 150.0, 160.0), Bounds(147.0, 151.0, 158.0), Bounds(149.0, 155.0, 163.0)]
TOKENS = [Bounds(49.0, 50.0, 52.0), Bounds(50.0, 50.0, 50.0), Bounds(48.0, 51.0, 53.0)]
PER_TOKEN = [Bounds(145 / 52, 3.0, 160 / 49), Bounds(147 / 50, 3.02, 158 / 50), Bounds(149 / 53, 155 / 51, 163 / 48)]
PER_IMAGE = [Bounds(29.0, 30.0, 32.0), Bounds(29.4, 30.2, 31.6), Bounds(29.8, 31.0, 32.6)]


def energy(trials: Sequence[Trial] = TRIALS, **changed: Any) -> ComponentEnergy:
    arguments = {"tokens": None, "steps": (), **changed}
    return component_energy("gpu", ("gpu",), trials, **arguments)


def test_every_figure_of_two_gpus_in_three_trials() -> None:
    """Sums of the two, over tokens with bounds and over 5 images each, with NVML's gain.

    Idle, both took 2 and 4 W together, so 30 J of 10 s are idle. The highest sum of peaks is 42 W of the first trial.
    """
    steps = [
        step("resident idle", reading(GPU, 15), reading(OTHER_GPU, 5)),
        step("hot idle", reading(GPU, 30), reading(OTHER_GPU, 10)),
    ]
    assert energy(
        tokens=TOKENS, steps=steps, amounts={"images": [5.0] * 3, "none": [5.0, 0.0, 5.0]}
    ) == ComponentEnergy(
        component="gpu",
        provenance="measured",
        meter="nvml",
        bounds_j=Bounds(147.0, 152.0, 481 / 3),
        resolved=True,
        per_output_token_j=estimate_of(PER_TOKEN, GAIN),
        idle_power_w=3.0,
        idle_half_difference_w=1.0,
        net_energy_j=122.0,
        peak_power_w=42.0,
        per_output_token_bounds_j=Bounds.mean(PER_TOKEN),
        per_output_token_window_j=None,
        gain_limit=0.05,
        gain_source="Yang, Adamek and Armour, SC24, arXiv:2312.02741 (over 70 GPUs)",
        gain_unknown=(),
        per_pass_j=estimate_of(WINDOWS, GAIN),
        per_amount_j={"images": PerUnit(estimate_of(PER_IMAGE, GAIN), Bounds.mean(PER_IMAGE))},
        workload_share=None,
        guessed=False,
    )


def test_without_tokens_baselines_or_a_peak_these_figures_are_none() -> None:
    """Each by itself; a lone unknown peak of one GPU in one trial hides the highest."""
    bare = energy()
    assert (bare.per_output_token_j, bare.per_output_token_bounds_j, bare.per_output_token_window_j) == (None,) * 3
    assert (bare.idle_power_w, bare.idle_half_difference_w, bare.net_energy_j) == (None,) * 3
    assert bare.per_amount_j == {}
    unknown = trial(2, of(GPU, 79, 81, 85, peak_power_w=33.0), of(OTHER_GPU, 68, 70, 73))
    assert energy([TRIALS[0], unknown, TRIALS[2]]).peak_power_w is None
    other = energy([trial(1, reading(GPU, meter="zeus"))])
    assert (other.gain_limit, other.gain_source, other.gain_unknown) == (None, "", ("zeus",))
    assert energy(steps=[step("bare idle", reading(GPU, 15), reading(OTHER_GPU, 5))]).idle_power_w == 2.0


@pytest.mark.parametrize(("low", "there"), [(0.0, False), (0.5, True)])
def test_a_trial_that_may_have_no_token_leaves_none_to_divide_by(low: float, there: bool) -> None:
    """Half a token is something; none at all in one of three trials withholds the figure of all."""
    found = energy(tokens=[TOKENS[0], Bounds(low, 50.0, 50.0), TOKENS[2]])
    assert (found.per_output_token_j is not None) is there
    assert (found.per_output_token_bounds_j is not None) is there


def test_a_shift_moves_the_figure_and_widens_its_bounds() -> None:
    """What was measured in the windows stays next to it; a bound below nothing is nothing."""
    shifts = [Shift(0.25, 0.05, 3.0), Shift(-0.125, 0.02, 3.02), Shift(-0.5, 3.0, 3.04)]
    shifted = [
        Bounds(145 / 52 + 0.25 - 0.05, 3.25, 160 / 49 + 0.25 + 0.05),
        Bounds(147 / 50 - 0.125 - 0.02, 3.02 - 0.125, 158 / 50 - 0.125 + 0.02),
        Bounds(0.0, 155 / 51 - 0.5, 163 / 48 - 0.5 + 3.0),
    ]
    found = energy(tokens=TOKENS, shifts=shifts)
    assert found.per_output_token_bounds_j == Bounds.mean(shifted)
    assert found.per_output_token_j == estimate_of(shifted, GAIN)
    assert found.per_output_token_window_j == pytest.approx((3.0 + 3.02 + 155 / 51) / 3)
    assert found.per_pass_j == energy().per_pass_j
    assert energy(tokens=[TOKENS[0], Bounds.exact(0.0), TOKENS[2]], shifts=shifts).per_output_token_window_j is None


@pytest.mark.parametrize(
    ("half_width_j", "reaches"), [(99.0, False), (99.7, False), (99.9, True), (100.0, True), (120.0, True)]
)
def test_an_interval_that_reaches_nothing_is_none(half_width_j: float, reaches: bool) -> None:
    """Of one trial it is the meter's bounds with the gain: √(h² + (1.96 · 2.887 %)² · 100²) against 100 J.

    That is 100 J at h = 99.84 J. Of the pass, of a token and of an image alike.
    """
    found = energy(
        [trial(1, reading(GPU, 100, half_width_j))], tokens=[Bounds.exact(20.0)], amounts={"images": [5.0], "x": [0.0]}
    )
    for mean, of_what in (
        (found.per_pass_j, 100.0),
        (found.per_output_token_j, 5.0),
        (found.per_amount_j["images"].mean_j, 20.0),
    ):
        assert mean is not None
        assert mean.mean == of_what
        assert (mean.half_width is None) is reaches
        assert (mean.half_width_with_gain is None) is reaches
    assert list(found.per_amount_j) == ["images"]


def test_an_energy_known_exactly_by_one_trial_has_no_interval_to_take_away() -> None:
    """Without a second trial or bounds there is neither scatter nor edge."""
    assert energy([trial(1, reading(GPU, 100, 0.0))]).per_pass_j == Estimate(100.0, 1)


def test_a_modelled_energy_has_no_interval_anywhere() -> None:
    """Of the pass, of a token and of an image: its error repeats in every trial. Bounds and scatter stay."""
    readings = [
        evolve(each, provenance="modelled")
        for each in (of(CPU, 97, 100, 106), of(CPU, 98, 102, 104), of(CPU, 95, 98, 101))
    ]
    trials = [trial(number, each) for number, each in enumerate(readings, 1)]
    arguments: Any = {"tokens": [Bounds.exact(20.0)] * 3, "steps": (), "amounts": {"images": [5.0] * 3}}
    found = component_energy("total", ("cpu", "dram"), trials, **arguments)
    assert (found.component, found.provenance, found.guessed) == ("total", "modelled", False)
    assert found.per_pass_j == Estimate(100.0, 3, 2.0)
    assert found.per_output_token_j == Estimate(5.0, 3, pytest.approx(0.1))
    assert found.per_output_token_bounds_j == Bounds((97 + 98 + 95) / 60, 5.0, (106 + 104 + 101) / 60)
    assert found.per_amount_j["images"].mean_j == Estimate(20.0, 3, pytest.approx(0.4))
    recipe = Recipe("integral", "power_w", "x", 0.0, 1.0, guessed=True)
    assert component_energy("cpu", ("cpu",), [trial(1, evolve(readings[0], recipe=recipe))], None, ()).guessed


@pytest.mark.parametrize(
    ("half_width_j", "state", "resolved"), [(20, "flat", True), (21, "flat", False), (1, "unsettled", False)]
)
def test_a_rest_that_was_none_or_wide_bounds_leave_it_unresolved(
    half_width_j: float, state: Any, resolved: bool
) -> None:
    """In one of several trials is enough for the first, since its mean would hold it; bounds are of the mean."""
    edges = WindowEdges(state, 0.1, 100.0, 0.0)
    trials = [trial(1, reading(GPU, 100, half_width_j)), trial(2, evolve(reading(GPU, 100, half_width_j), edges=edges))]
    assert energy(trials).resolved is resolved


def with_shares(number: int, *shares: WorkloadShare) -> Trial:
    found = trial(number, reading(CPU))
    assert found.measurement is not None
    return evolve(found, measurement=evolve(found.measurement, shares=shares))


def test_the_workloads_share_is_the_mean_over_trials() -> None:
    """Of this component alone; a trial without one leaves none."""
    first = with_shares(1, WorkloadShare("dram", Bounds.exact(0.9)), WorkloadShare("cpu", Bounds(0.1, 0.2, 0.4)))
    second = with_shares(2, WorkloadShare("cpu", Bounds(0.3, 0.5, 0.6)))
    assert second.measurement is not None
    found = component_energy("cpu", ("cpu",), [first, second], None, ()).workload_share
    assert found == WorkloadShare("cpu", Bounds(0.2, 0.35, 0.5))
    assert component_energy("cpu", ("cpu",), [first, with_shares(2)], None, ()).workload_share is None
    assert component_energy("cpu", ("cpu",), [with_shares(1)], None, ()).workload_share is None
    assert component_energy("cpu", ("cpu",), [second], None, ()).workload_share == second.measurement.shares[0]
    assert component_energy("total", ("cpu",), [first, second], None, ()).workload_share is None


def test_components_that_were_seen_and_that_are_spoken_of() -> None:
    """A reading that does not count is no sight of the workload; a system is spoken of where a meter reports it."""
    system = Device("system", "plug-1")
    trials = [trial(1, reading(GPU), reading(CPU, counted=False)), trial(2, measured=False), trial(3, reading(DRAM))]
    assert seen_in_part(trials, ("gpu", "cpu", "dram", "system")) == ("gpu", "dram")
    assert seen_in_part(trials, ("dram",)) == ("dram",)
    assert shown_components(trials) == ("gpu", "cpu", "dram")
    assert shown_components([*trials, trial(4, reading(system))]) == ("gpu", "cpu", "dram", "system")
    assert shown_components([trial(4, absent={"system": "unplugged"})]) == ("gpu", "cpu", "dram", "system")


OWN, UNUSED = reading(GPU), reading(OTHER_GPU, counted=False)
UNNAMED = Device("gpu", "GPU-7")


@pytest.mark.parametrize(
    ("trials", "why"),
    [
        ([], "nothing was measured"),
        ([trial(1, measured=False)], "nothing was measured"),
        ([trial(1, OWN), trial(2, measured=False)], "trial 2 was not measured"),
        ([trial(1, OWN), trial(2, reading(CPU))], "no meter saw it in trial 2"),
        ([trial(1, OWN), trial(2, reading(CPU), absent={"gpu": "it fell off"})], "it fell off"),
        ([trial(1, UNUSED)], "the workload uses none of the devices that were seen"),
        ([trial(1, UNUSED, absent={"gpu": "hidden"})], "hidden"),
        ([trial(1, OWN, UNUSED), trial(2, OWN)], None),
        ([trial(1, OWN), trial(2, OWN), trial(3, OWN)], None),
        (
            [trial(1, OWN), trial(2, OWN, reading(OTHER_GPU), reading(UNNAMED)), trial(3, reading(OTHER_GPU))],
            "not every trial saw the same devices; GPU-7, Test board 1 came or went in trial 2",
        ),
        (
            [trial(1, OWN), trial(2, OWN), trial(3, reading(OTHER_GPU))],
            "not every trial saw the same devices; Test board 0, Test board 1 came or went in trial 3",
        ),
    ],
)
def test_why_a_component_has_no_figure(trials: list[Trial], why: str | None) -> None:
    """The meter's own reason where it has one; else the first trial in which something is unlike before."""
    assert why_absent(trials, "gpu") == why
