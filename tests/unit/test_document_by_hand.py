"""Components, figures and latencies of the report document: each is another number, so that none can be mixed up."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.statistics import Distribution, Estimate
from ai_energy_benchmarks.domain.summary import (
    SteadyMix,
    SteadyState,
    SteadyTrial,
)
from ai_energy_benchmarks.results.document import sections, work_figures
from tests.unit.summary_by_hand import GPU_ENERGY, SUMMARY


def bounded(value: float | None, low: float, high: float, **more: object) -> dict[str, object]:
    return {"value": value, "low": pytest.approx(low), "high": pytest.approx(high), **more}


def test_components_have_their_meter_their_bounds_and_their_idle_power() -> None:
    """A resolved energy with its net energy; of one that is not, only the bounds. A share of 1,000 J is 250 J."""
    found = sections.components(SUMMARY)
    assert list(found) == ["gpu", "cpu", "total"]
    basis = "processor time of the workload over that of the whole machine"
    assert found["gpu"] == {
        "source": "measured",
        "meter": "nvml",
        "order_of_magnitude": False,
        "resolved": True,
        "sensor_gain_limit": 0.05,
        "sensor_gain_source": "a paper",
        "energy_j": 1000.0,
        "energy_low_j": 900.0,
        "energy_high_j": 1200.0,
        "bounds_absent": None,
        "idle_power_w": 50.0,
        "idle_half_difference_w": 1.5,
        "net_energy_j": 500.0,
        "workload_share": {"basis": basis, "share": 0.25, "share_low": 0.2, "share_high": 0.3, "energy_j": 250.0},
    }
    assert found["cpu"] == {
        "source": "modelled",
        "meter": "cpu_power",
        "order_of_magnitude": True,
        "resolved": False,
        "sensor_gain_limit": None,
        "sensor_gain_source": None,
        "energy_j": None,
        "energy_low_j": 80.0,
        "energy_high_j": 500.0,
        "bounds_absent": "no meter: low and high hold how processor time was counted, and nothing of the model's error",
        "idle_power_w": None,
        "idle_half_difference_w": None,
        "net_energy_j": None,
        "workload_share": {"basis": basis, "share": 0.75, "share_low": 0.6, "share_high": 0.9, "energy_j": None},
    }
    assert "workload_share" not in found["total"]


@pytest.mark.parametrize(
    ("resolved", "provenance", "energy_j"),
    [(True, "measured", 250.0), (True, "integrated", 250.0), (True, "modelled", None), (False, "measured", None)],
)
def test_a_share_is_of_energy_that_is_resolved_and_no_model_s(
    resolved: bool, provenance: str, energy_j: float | None
) -> None:
    """A model of the workload's own time is divided already; what is not resolved has no part either."""
    energy = evolve(GPU_ENERGY, resolved=resolved, provenance=provenance)
    found = sections.components(evolve(SUMMARY, components=(energy,)))["gpu"]
    assert found["workload_share"]["energy_j"] == energy_j
    assert found["net_energy_j"] == (500.0 if resolved else None)


def test_figures_of_a_pass_by_hand() -> None:
    """1,000 J [900, 1,200] of 250 output and 500 computed of 750 prompt tokens, 40 requests, 8 images and 10 s.

    Per request 25 J are 25/3600 Wh; of the CPU, which is not resolved, only bounds are left.
    """
    found = work_figures.derived(SUMMARY)
    assert found["gpu"] == {
        "j_per_output_token": bounded(
            5.0,
            4.5,
            6.0,
            n=3,
            standard_deviation=0.25,
            half_width_95=0.75,
            half_width_95_with_sensor_gain=0.75,
            repeatability_95=0.5,
        ),
        "j_per_prompt_token": bounded(2.0, 1.8, 2.4),
        "j_per_total_token": bounded(1.0, 0.9, 1.2),
        "output_tokens_per_j": bounded(0.25, 250 / 1200, 250 / 900),
        "wh_per_request": bounded(pytest.approx(25 / 3600), 22.5 / 3600, 30 / 3600),
        "wh_per_1000_queries": bounded(pytest.approx(25 / 3.6), 22.5 / 3.6, 30 / 3.6),
        "average_power_w": bounded(100.0, 90.0, 120.0),
        "peak_power_w": 300.0,
        "j_per_unit": {"image": bounded(125.0, 112.5, 150.0, n=3, standard_deviation=2.0, half_width_95=4.0)},
    }
    assert found["cpu"] == {
        "j_per_output_token": bounded(
            None,
            0.4,
            2.5,
            n=2,
            standard_deviation=0.125,
            half_width_95=None,
            half_width_95_with_sensor_gain=None,
            repeatability_95=None,
        ),
        "j_per_prompt_token": bounded(None, 0.16, 1.0),
        "j_per_total_token": bounded(None, 0.08, 0.5),
        "output_tokens_per_j": bounded(None, 0.5, 3.125),
        "wh_per_request": bounded(None, 2 / 3600, 12.5 / 3600),
        "wh_per_1000_queries": bounded(None, 2 / 3.6, 12.5 / 3.6),
        "average_power_w": bounded(None, 8.0, 50.0),
        "peak_power_w": None,
        "j_per_unit": {"image": bounded(None, 10.0, 62.5, n=2, standard_deviation=0.5, half_width_95=None)},
    }
    assert "j_per_unit" not in found["total"]
    assert work_figures.work(SUMMARY) == {
        "unit": "output_tokens",
        "amounts": {"output_tokens": {"per_pass": 250.0, "per_s": 25.0}, "image": {"per_pass": 8.0, "per_s": 0.8}},
    }
    assert work_figures.steady_state(SUMMARY) is None


@pytest.mark.parametrize(("resolved", "expected"), [(True, (0.75, 0.75, 0.5)), (False, (None, None, None))])
def test_intervals_are_withheld_with_their_value(resolved: bool, expected: tuple[float | None, ...]) -> None:
    """With the sensor's gain, with it again by its name, and without it."""
    energy = evolve(GPU_ENERGY, resolved=resolved)
    found = work_figures.derived(evolve(SUMMARY, components=(energy,)))["gpu"]["j_per_output_token"]
    keys = ("half_width_95", "half_width_95_with_sensor_gain", "repeatability_95")
    assert tuple(found[key] for key in keys) == expected
    per_image = work_figures.derived(evolve(SUMMARY, components=(energy,)))["gpu"]["j_per_unit"]["image"]
    assert per_image["half_width_95"] == (4.0 if resolved else None)


STEADY_ENERGY = evolve(
    GPU_ENERGY,
    bounds_j=Bounds(360.0, 400.0, 480.0),
    per_output_token_j=Estimate(4.0, 2, 0.125, 0.25, 0.5),
    per_output_token_bounds_j=Bounds(3.6, 4.0, 4.8),
    per_output_token_window_j=4.25,
    peak_power_w=290.0,
)
STEADY = SteadyState(
    trials=(SteadyTrial(1, 4.0, Bounds.exact(100.0), (50.0, 50.0), 30.0),),
    concurrency=8,
    duration_s=4.0,
    output_tokens=100.0,
    output_tokens_per_s=26.0,
    components=(STEADY_ENERGY,),
    absent={"cpu": "it is shared"},
    total=None,
    tokens_absent="",
    request_output_tokens=5.0,
    latency_requests=11.0,
    left_out_requests=9.0,
    filler_requests=7.0,
    mix=SteadyMix(10.0, 20.0, 0.5, 2.0, ("gpu",), True, 27.0, 0.01),
)


def test_figures_of_a_steady_state_lead_and_those_of_the_pass_stand_next_to_them() -> None:
    """4 J per output token; two computed prompt tokens for each give 2 J per prompt token; 400 J in 4 s are 100 W.

    A request of 5 tokens costs 20 J, in the figures of the pass too. The whole pass had 250 tokens in 10 s.
    """
    summary = evolve(SUMMARY, steady=STEADY)
    gpu, cpu = (work_figures.derived(summary)[name] for name in ("gpu", "cpu"))
    assert gpu["steady"] == {
        "j_per_output_token": bounded(
            4.0,
            3.6,
            4.8,
            n=2,
            standard_deviation=0.125,
            half_width_95=0.5,
            half_width_95_with_sensor_gain=0.5,
            repeatability_95=0.25,
        ),
        "j_per_prompt_token": bounded(2.0, 1.8, 2.4),
        "output_tokens_per_j": bounded(0.25, 1 / 4.8, 1 / 3.6),
        "wh_per_request": bounded(pytest.approx(20 / 3600), 18 / 3600, 24 / 3600),
        "wh_per_1000_queries": bounded(pytest.approx(20 / 3.6), 18 / 3.6, 24 / 3.6),
        "average_power_w": bounded(100.0, 90.0, 120.0),
        "peak_power_w": 290.0,
        "j_per_unit": {"image": bounded(125.0, 112.5, 150.0, n=3, standard_deviation=2.0, half_width_95=4.0)},
        "energy_j": 400.0,
        "output_tokens_per_s": 26.0,
        "j_per_output_token_in_window": 4.25,
    }
    assert gpu["whole_pass"] == {
        "j_per_output_token": gpu["j_per_output_token"],
        "output_tokens_per_j": bounded(0.25, 250 / 1200, 250 / 900),
        "average_power_w": bounded(100.0, 90.0, 120.0),
        "output_tokens_per_s": 25.0,
    }
    assert gpu["j_per_output_token"]["value"] == 5.0
    assert gpu["wh_per_request"] == gpu["steady"]["wh_per_request"]
    assert (cpu["steady"], cpu["wh_per_request"]) == (None, None)
    assert work_figures.steady_state(summary) == {
        "absent": None,
        "concurrency": 8,
        "duration_s": 4.0,
        "output_tokens": 100.0,
        "output_tokens_per_s": 26.0,
        "output_tokens_per_request": 5.0,
        "tokens_absent": None,
        "components_absent": {"cpu": "it is shared"},
        "latency_requests": 11.0,
        "left_out_requests": 9.0,
        "filler_requests": 7.0,
        "mix": {
            "window_context_tokens": 10.0,
            "steady_context_tokens": 20.0,
            "window_prompt_tokens": 0.5,
            "steady_prompt_tokens": 2.0,
            "known": ("gpu",),
            "corrected": True,
            "window_tokens_per_s": 27.0,
            "sampling": 0.01,
        },
    }


def test_rates_of_tokens_in_doubt_are_withheld_in_every_block() -> None:
    """Null under their keys; counts stay as reported, and so do rates of other units."""
    summary = evolve(SUMMARY, steady=STEADY, tokens_in_doubt="half of them are reported")
    gpu, state = work_figures.derived(summary)["gpu"], work_figures.steady_state(summary)
    assert state is not None
    rates = (gpu["steady"]["output_tokens_per_s"], gpu["whole_pass"]["output_tokens_per_s"])
    assert (*rates, state["output_tokens_per_s"]) == (None, None, None)
    assert gpu["steady"]["j_per_prompt_token"] is None
    assert (state["output_tokens"], gpu["steady"]["average_power_w"]["value"]) == (100.0, 100.0)
    assert work_figures.work(summary)["amounts"] == {
        "output_tokens": {"per_pass": 250.0, "per_s": None},
        "image": {"per_pass": 8.0, "per_s": 0.8},
    }


def test_a_steady_state_that_is_not_resolved_or_not_there_says_so() -> None:
    """No energy and no figure in the window; and the blocks of the pass alone where there is only a reason."""
    blurred = evolve(STEADY, components=(evolve(STEADY_ENERGY, resolved=False),), tokens_absent="no events", mix=None)
    summary = evolve(SUMMARY, steady=blurred)
    found = work_figures.derived(summary)["gpu"]["steady"]
    assert (found["energy_j"], found["j_per_output_token_in_window"]) == (None, None)
    state = work_figures.steady_state(summary)
    assert state is not None
    assert (state["tokens_absent"], state["mix"]) == ("no events", None)
    absent = evolve(SUMMARY, steady_absent="too short")
    assert work_figures.steady_state(absent) == {"absent": "too short"}
    gpu = work_figures.derived(absent)["gpu"]
    assert (gpu["steady"], gpu["whole_pass"]["output_tokens_per_s"]) == (None, 25.0)
    assert "steady" not in work_figures.derived(SUMMARY)["gpu"]
    nothing = work_figures.derived(evolve(absent, duration_s=0.0))["gpu"]
    assert (nothing["whole_pass"]["output_tokens_per_s"], nothing["average_power_w"]) == (None, None)


def test_latencies_are_in_milliseconds_but_for_their_number() -> None:
    """Each statistic of each latency; what was not seen is null."""
    none = {"itl": None, "tpot": None, "inter_chunk": None}
    assert sections.latency_ms(SUMMARY) == {
        **none,
        "ttft": {"n": 7, "mean": 1.0, "p50": 2.0, "p90": 3.0, "p95": 4.0, "p99": 5.0},
        "e2e": {"n": 9, "mean": 500.0, "p50": 250.0, "p90": 1000.0, "p95": 2000.0, "p99": 4000.0},
        "tokens_per_event": 1.25,
        "notes": {"itl": "events hold several tokens"},
    }
    other = evolve(SUMMARY, itl_s=SUMMARY.ttft_s, tpot_s=SUMMARY.e2e_s, inter_chunk_s=Distribution(1, 1, 1, 1, 1, 1))
    found = sections.latency_ms(other)
    assert (found["itl"], found["tpot"], found["inter_chunk"]["mean"]) == (found["ttft"], found["e2e"], 1000)
