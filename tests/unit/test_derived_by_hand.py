"""What one component's energy means per unit of work: each figure by hand, and what withholds it."""

from __future__ import annotations

import math

import pytest
from attrs import asdict, evolve

from ai_energy_benchmarks.analysis.derived import (
    Derived,
    cost,
    derive,
    derive_steady,
    emissions_g,
    energies,
    leading,
    steady_energies,
)
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.result import Carbon, Tariff
from ai_energy_benchmarks.domain.statistics import Estimate
from ai_energy_benchmarks.domain.summary import SteadyMix, SteadyState, SteadyTrial
from tests.unit.summary_by_hand import CPU_ENERGY, GPU_ENERGY, SUMMARY

# 300 to 500 J of 60 tokens: 5 to 8 J each.
STEADY_GPU = evolve(
    GPU_ENERGY,
    bounds_j=Bounds(300.0, 400.0, 500.0),
    resolved=False,
    per_output_token_j=Estimate(6.5, 2),
    per_output_token_bounds_j=Bounds(5.0, 6.5, 8.0),
    peak_power_w=290.0,
)
TRIALS = tuple(SteadyTrial(n, 5.0, Bounds.exact(60.0), (30.0, 30.0), prompts) for n, prompts in ((1, 30.0), (2, 33.0)))
STEADY = SteadyState(
    trials=TRIALS,
    concurrency=4,
    duration_s=5.0,
    output_tokens=60.0,
    output_tokens_per_s=12.0,
    components=(STEADY_GPU,),
    absent={},
    total=evolve(STEADY_GPU, component="total", bounds_j=Bounds(330.0, 440.0, 550.0), resolved=True),
    tokens_absent="",
    request_output_tokens=3.0,
    latency_requests=10.0,
    left_out_requests=4.0,
    filler_requests=2.0,
)
# A steady state has 0.4 computed prompt tokens for each output token.
MIX = SteadyMix(100.0, 90.0, 0.3, 0.4, ("gpu",), corrected=True, window_tokens_per_s=11.0)
UNDER_LOAD = evolve(SUMMARY, steady=STEADY)

OF_PASS = Derived(
    resolved=True,
    request_resolved=True,
    per_output_token_j=Bounds(4.5, 5.0, 6.0),
    per_prompt_token_j=Bounds(1.8, 2.0, 2.4),  # 500 computed prompt tokens
    per_total_token_j=Bounds(0.9, 1.0, 1.2),  # 750 prompt tokens and 250 of output
    per_request_j=Bounds(22.5, 25.0, 30.0),  # 40 that succeeded of 50
    output_tokens_per_j=Bounds(250 / 1200, 0.25, 250 / 900),
    average_power_w=Bounds(90.0, 100.0, 120.0),  # 10 s
    peak_power_w=300.0,
)


def missing(figures: Derived) -> set[str]:
    """Which figures there are none of."""
    return {name for name, value in asdict(figures, recurse=False).items() if value is None}


def test_every_figure_of_a_pass() -> None:
    """900, 1000 and 1200 J, each over its own work; tokens per joule turn the bounds round."""
    assert derive(SUMMARY, GPU_ENERGY) == OF_PASS
    cpu = derive(SUMMARY, CPU_ENERGY)
    assert (cpu.resolved, cpu.request_resolved, cpu.per_request_j) == (False, False, Bounds(2.0, 2.5, 12.5))
    assert (cpu.average_power_w, cpu.peak_power_w) == (Bounds(8.0, 10.0, 50.0), None)


@pytest.mark.parametrize(
    ("changed", "withheld"),
    [
        ({"tokens_in_doubt": "a doubt"}, {"per_prompt_token_j", "per_total_token_j"}),
        ({"prompt_tokens_in_doubt": "a doubt"}, {"per_prompt_token_j", "per_total_token_j"}),
        ({"whole_computed_prompt_tokens": 0.0}, {"per_prompt_token_j"}),
        ({"whole_prompt_tokens": 0.0, "whole_output_tokens": 0.0}, {"per_total_token_j", "output_tokens_per_j"}),
        ({"succeeded": 0.0}, {"per_request_j"}),
        ({"whole_requests": False}, {"per_request_j"}),
        ({"steady_absent": "too short"}, {"per_request_j"}),  # 250 tokens with those of fillers, 200 of the pass
        ({"steady_absent": "too short", "output_tokens": 250.0}, set()),
        ({"output_tokens": 250.0}, set()),
        ({"duration_s": 0.0}, {"average_power_w"}),
    ],
)
def test_what_withholds_a_figure_of_a_pass(changed: dict[str, object], withheld: set[str]) -> None:
    """A doubt, no work, requests that are cut, and fillers in a pass without a steady state; all else stays."""
    found = derive(evolve(SUMMARY, **changed), GPU_ENERGY)
    assert missing(found) == withheld
    kept = {name: getattr(OF_PASS, name) for name in asdict(OF_PASS) if name not in withheld}
    assert {name: getattr(found, name) for name in kept} == kept


def test_without_energy_per_token_there_is_none_that_output_tokens_are_in() -> None:
    """Withheld J per output token, whatever its bounds, withholds tokens per joule and J per token of either kind."""
    found = derive(SUMMARY, evolve(GPU_ENERGY, per_output_token_j=None))
    assert missing(found) == {"per_output_token_j", "per_total_token_j", "output_tokens_per_j"}


def test_less_than_one_of_something_is_work() -> None:
    """Means over trials may be fractions: half a token, half a request, half a second."""
    little = evolve(
        SUMMARY,
        succeeded=0.5,
        duration_s=0.5,
        output_tokens=0.5,
        whole_output_tokens=0.5,
        whole_prompt_tokens=0.0,
        whole_computed_prompt_tokens=0.25,
    )
    found = derive(little, GPU_ENERGY)
    twice = Bounds(1800.0, 2000.0, 2400.0)
    assert (found.per_request_j, found.average_power_w, found.per_total_token_j) == (twice, twice, twice)
    assert found.per_prompt_token_j == Bounds(3600.0, 4000.0, 4800.0)
    assert found.output_tokens_per_j == Bounds(0.5 / 1200, 0.0005, 0.5 / 900)


@pytest.mark.parametrize(
    ("energy_j", "per_j"),
    [
        (Bounds(0.0, 0.5, 1.0), Bounds(250.0, 500.0, math.inf)),
        (Bounds(-0.5, 0.0, 0.5), Bounds(500.0, math.inf, math.inf)),
        (Bounds(0.5, 0.5, 0.5), Bounds(500.0, 500.0, 500.0)),
        (Bounds(-1.0, -0.5, 0.0), None),
        (Bounds(-2.0, -1.0, -0.5), None),
    ],
)
def test_energy_that_may_be_nothing_has_no_most_tokens_a_joule(energy_j: Bounds, per_j: Bounds | None) -> None:
    """What surely is not above zero has no inverse; a bound that is not has no end."""
    assert derive(SUMMARY, evolve(GPU_ENERGY, bounds_j=energy_j)).output_tokens_per_j == per_j


def test_every_figure_of_a_steady_state() -> None:
    """Prompt tokens are the mean of 30 and 33; a request has 3 tokens; no figure is per token of either kind."""
    assert derive_steady(UNDER_LOAD, STEADY_GPU) == Derived(
        resolved=False,
        request_resolved=False,
        per_output_token_j=Bounds(5.0, 6.5, 8.0),
        per_prompt_token_j=Bounds(300 / 31.5, 400 / 31.5, 500 / 31.5),
        per_total_token_j=None,
        per_request_j=Bounds(15.0, 19.5, 24.0),
        output_tokens_per_j=Bounds(0.12, 0.15, 0.2),
        average_power_w=Bounds(60.0, 80.0, 100.0),
        peak_power_w=290.0,
    )


def test_a_corrected_steady_state_is_of_its_own_context_and_prefill() -> None:
    """J per output token was shifted, so J per prompt token and tokens per joule follow from it, not from the window.

    0.4 prompt tokens for each output token: 2.5 times the energy. Where one of the three that say so is missing,
    they are the window's.
    """
    corrected, shifted = (
        evolve(UNDER_LOAD, steady=evolve(STEADY, mix=MIX)),
        evolve(STEADY_GPU, per_output_token_window_j=7),
    )
    found = derive_steady(corrected, shifted)
    assert found.per_prompt_token_j == Bounds(12.5, 16.25, 20.0)
    assert found.output_tokens_per_j == Bounds(1 / 8.0, 1 / 6.5, 1 / 5.0)
    assert found.per_request_j == Bounds(15.0, 19.5, 24.0)
    for summary, energy in ((corrected, STEADY_GPU), (UNDER_LOAD, shifted)):
        assert derive_steady(summary, energy) == derive_steady(UNDER_LOAD, STEADY_GPU)
    withheld = derive_steady(corrected, evolve(shifted, per_output_token_j=None))
    assert missing(withheld) == {
        "per_output_token_j", "per_total_token_j", "per_request_j", "output_tokens_per_j"
    }  # fmt: skip
    assert withheld.per_prompt_token_j == Bounds(300 / 31.5, 400 / 31.5, 500 / 31.5)
    no_prompts = evolve(corrected, steady=evolve(STEADY, mix=evolve(MIX, steady_prompt_tokens=0.0)))
    assert missing(derive_steady(no_prompts, shifted)) == {"per_prompt_token_j", "per_total_token_j"}
    nothing = evolve(shifted, per_output_token_bounds_j=Bounds(0.0, 0.5, 2.0))
    assert derive_steady(corrected, nothing).output_tokens_per_j == Bounds(0.5, 2.0, math.inf)


@pytest.mark.parametrize("doubt", ["tokens_in_doubt", "prompt_tokens_in_doubt"])
def test_a_doubt_about_prompts_withholds_their_figure_of_a_steady_state_too(doubt: str) -> None:
    """Of the window and of a steady state's own prefill alike; all else stays."""
    shifted = evolve(STEADY_GPU, per_output_token_window_j=7)
    for summary in (UNDER_LOAD, evolve(UNDER_LOAD, steady=evolve(STEADY, mix=MIX))):
        found = derive_steady(evolve(summary, **{doubt: "a doubt"}), shifted)
        assert found == evolve(derive_steady(summary, shifted), per_prompt_token_j=None)


def test_fewer_than_no_computed_prompt_tokens_give_no_figure() -> None:
    """A server may report more cached than prompt tokens: no energy is negative for it, and no bounds are inverted."""
    trials = tuple(evolve(each, computed_prompt_tokens=-30.0) for each in TRIALS)
    for mix in (None, evolve(MIX, steady_prompt_tokens=-0.4)):
        summary = evolve(UNDER_LOAD, steady=evolve(STEADY, trials=trials, mix=mix))
        figures = derive_steady(summary, evolve(STEADY_GPU, per_output_token_window_j=7))
        assert missing(figures) == {"per_prompt_token_j", "per_total_token_j"}
    assert missing(derive(evolve(SUMMARY, whole_computed_prompt_tokens=-500.0), GPU_ENERGY)) == {"per_prompt_token_j"}


def test_a_request_of_a_pass_under_load_has_the_steady_energy() -> None:
    """Under concurrency energy over completions would depend on the cut; all else is the whole pass's."""
    found = derive(UNDER_LOAD, GPU_ENERGY)
    assert found == evolve(OF_PASS, request_resolved=False, per_request_j=Bounds(15.0, 19.5, 24.0))
    assert (found.value(found.per_output_token_j), found.request_j) == (5.0, None)
    lost = derive(evolve(UNDER_LOAD, steady=evolve(STEADY, components=())), GPU_ENERGY)
    assert lost == evolve(OF_PASS, per_request_j=None)
    part = derive(evolve(UNDER_LOAD, whole_requests=False), GPU_ENERGY)
    assert part.per_request_j is None
    assert derive_steady(evolve(UNDER_LOAD, steady=evolve(STEADY, request_output_tokens=0.0)), STEADY_GPU) == evolve(
        derive_steady(UNDER_LOAD, STEADY_GPU), per_request_j=None
    )


def test_a_bare_value_needs_a_resolved_window() -> None:
    """Of the pass for its figures, of what a request's energy is taken from for that one."""
    assert (OF_PASS.value(OF_PASS.average_power_w), OF_PASS.value(None), OF_PASS.request_j) == (100.0, None, 25.0)
    assert evolve(OF_PASS, resolved=False).value(OF_PASS.average_power_w) is None
    assert evolve(OF_PASS, resolved=False).request_j == 25.0
    assert evolve(OF_PASS, request_resolved=False).request_j is None
    assert evolve(OF_PASS, per_request_j=None).request_j is None


def test_energies_are_by_name_with_the_total_last() -> None:
    """Of the pass and of its steady state; none of a steady state that there is not."""
    assert list(energies(SUMMARY).items()) == [("gpu", GPU_ENERGY), ("cpu", CPU_ENERGY), ("total", SUMMARY.total)]
    assert list(energies(evolve(SUMMARY, total=None))) == ["gpu", "cpu"]
    assert list(steady_energies(UNDER_LOAD).items()) == [("gpu", STEADY_GPU), ("total", STEADY.total)]
    assert list(steady_energies(evolve(SUMMARY, steady=evolve(STEADY, total=None)))) == ["gpu"]
    assert steady_energies(SUMMARY) == {}


def test_the_steady_state_leads_where_there_is_one() -> None:
    """A pass that fillers worked in leads nowhere; images have no steady state, so their pass does."""
    assert leading(SUMMARY, GPU_ENERGY) == (GPU_ENERGY, OF_PASS)
    assert leading(UNDER_LOAD, GPU_ENERGY) == (STEADY_GPU, derive_steady(UNDER_LOAD, STEADY_GPU))
    assert leading(UNDER_LOAD, CPU_ENERGY) is None
    fillers = evolve(SUMMARY, steady_absent="too short")
    assert leading(fillers, GPU_ENERGY) is None
    alone = evolve(fillers, output_tokens=250.0)
    assert leading(alone, GPU_ENERGY) == (GPU_ENERGY, OF_PASS)
    images = evolve(UNDER_LOAD, output_tokens=0.0)
    assert leading(images, GPU_ENERGY) == (GPU_ENERGY, derive(images, GPU_ENERGY))


def test_energy_in_money_and_in_emissions() -> None:
    """Two kWh at 0.30 and with 400 g each, a site that needs half as much again, and losses of a quarter."""
    tariff, carbon = Tariff(0.3, "EUR", 1.5), Carbon(400.0, 1.5, "grid")
    assert (cost(7.2e6, tariff), emissions_g(7.2e6, carbon)) == (pytest.approx(0.9), pytest.approx(1200.0))
    assert cost(7.2e6, tariff, 1.25) == pytest.approx(1.125)
    assert emissions_g(7.2e6, carbon, 1.25) == pytest.approx(1500.0)
