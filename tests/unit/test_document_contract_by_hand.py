"""Phases, the blocks of the contract, the total at the wall and its cost in the report document, by hand."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Carbon, Tariff
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.results.document import phases, report, totals
from ai_energy_benchmarks.results.document.efficiency import efficiency
from ai_energy_benchmarks.results.document.report import report_document
from tests.factories import (
    ENGINE,
    completion,
    failure,
    reading,
    trial,
)
from tests.unit.summary_by_hand import CPU_ENERGY, GPU_ENERGY, RESULT, SUMMARY
from tests.unit.test_flops import LLAMA_3_8B


def test_phases_by_hand() -> None:
    """Of 8 s one is outside of requests, two are prefill, and four of five of decode are thinking; 1,000 J.

    50 of 200 output tokens are thinking: 500/50 J each; the rest of decode, 125 J, over 150 tokens; 1,000 J over 150.
    """
    request = completion(0, sent_s=20.5, first_s=2.0, output_tokens=11, step_s=0.5, reasoning_tokens=9)
    trials = (trial(1, reading(), outcomes=[request], duration_s=8.0),)

    def of_gpu(answer: Completion = request, **changed: object) -> phases.PhaseEnergy:
        summary = evolve(SUMMARY, **changed)
        passes = (evolve(trials[0], outcomes=[answer]),)
        found = phases.phases_by_time(evolve(RESULT, trials=passes, summary=summary))
        assert isinstance(found, phases.Phases)
        assert list(found.energy) == ["gpu", "total"]
        return found.energy["gpu"]

    parts_j, whole_j = (125.0, 250.0, 625.0), pytest.approx(1000 / 150)
    assert of_gpu() == phases.PhaseEnergy(*parts_j, 10.0, pytest.approx(125 / 150), whole_j)
    for unknown in ({"tokens_in_doubt": "why"}, {"reasoning_tokens": None}):
        assert of_gpu(**unknown) == phases.PhaseEnergy(*parts_j, None, None, None)
    assert of_gpu(reasoning_tokens=200.0) == phases.PhaseEnergy(*parts_j, 2.5, None, None)
    assert of_gpu(reasoning_tokens=0.0) == phases.PhaseEnergy(*parts_j, None, 0.625, 5.0)
    assert of_gpu(evolve(request, reasoning_tokens=None)) == phases.PhaseEnergy(*parts_j, None, None, whole_j)


def test_the_summary_and_the_energy_of_the_contract_by_hand() -> None:
    """Counts without a point where they are whole; 900 J are a quarter of a Wh. A PUE of 1.5 and 400 g per kWh."""
    summary = evolve(SUMMARY, succeeded=40.5, components=(evolve(GPU_ENERGY, component="dram"), CPU_ENERGY))
    carbon = Carbon(400.0, 1.5, "measured here")
    document = report_document(evolve(RESULT, summary=summary, carbon=carbon, run_id="r"))
    assert document["summary"] == {
        "total_prompts": 50,
        "successful_prompts": 40.5,
        "failed_prompts": 10,
        "total_duration_seconds": 10.0,
        "avg_latency_seconds": 2.5,
        "avg_time_to_first_token": 0.125,
        "total_tokens": 1000,
        "total_prompt_tokens": 800,
        "total_completion_tokens": 200,
        "throughput_tokens_per_second": 20.0,
        "trials": 3,
    }
    mass_g = 1000 / 3.6e6 * 400 * 1.5
    assert document["energy"] == {
        "energy_wh": 0.0,
        "energy_kwh": 0.0,
        "gpu_energy_wh": 0.0,
        "gpu_energy_kwh": 0.0,
        "gpu_energy_source": "absent",
        "cpu_energy_wh": pytest.approx(100 / 3600),
        "cpu_energy_kwh": pytest.approx(100 / 3.6e6),
        "cpu_energy_source": "modelled",
        "ram_energy_wh": pytest.approx(1000 / 3600),
        "ram_energy_kwh": pytest.approx(1000 / 3.6e6),
        "ram_energy_source": "measured",
        "total_energy_wh": pytest.approx(1000 / 3600),
        "total_energy_kwh": pytest.approx(1000 / 3.6e6),
        "total_energy_source": "measured",
        "emissions_kg_co2eq": pytest.approx(mass_g / 1000),
        "emissions_g_co2eq": pytest.approx(mass_g),
        "emissions_g_co2eq_per_1000_queries": pytest.approx(1000 * mass_g / 40.5),
        "emissions_source": "measured here",
        "duration_seconds": 10.0,
        "carbon_intensity_g_per_kwh": 400.0,
        "carbon_intensity_source": "measured here",
        "pue": 1.5,
        "project_name": "tests",
        "country": "",
        "region": "",
    }
    assert (document["run_id"], document["ending"], document["schema_version"]) == ("r", "completed", 1)
    assert document["tokens"] == {"reasoning": 50.0, "cached_prompt": None, "in_doubt": None, "prompt_in_doubt": None}
    blurred = evolve(summary, total=evolve(GPU_ENERGY, component="total", resolved=False), pass_e2e_s=None)
    energy = report_document(evolve(RESULT, summary=blurred, carbon=carbon))["energy"]
    assert (energy["emissions_g_co2eq"], energy["emissions_source"]) == (0.0, "absent")
    assert (energy["carbon_intensity_source"], energy["total_energy_wh"]) == ("measured here", pytest.approx(1 / 3.6))
    plain = report_document(evolve(RESULT, summary=blurred))
    assert (plain["energy"]["pue"], plain["energy"]["carbon_intensity_source"]) == (1.0, "absent")
    assert (plain["energy"]["carbon_intensity_g_per_kwh"], plain["run_id"]) == (0.0, None)
    assert plain["summary"]["avg_latency_seconds"] == 0.0


def test_the_total_at_the_wall_and_its_cost_by_hand() -> None:
    """1,000 J [900, 1,200] × 1.25; at 0.36 a kWh and a PUE of 2 a pass costs 1,000 · 1.25 / 3.6e6 · 0.36 · 2."""
    result = evolve(RESULT, wall_factor=1.25, tariff=Tariff(0.36, "EUR", 2.0))
    assert totals.total(result) == {
        "components": ["gpu"],
        "excludes": {"cpu": "it is modelled"},
        "source": "measured",
        "absent": None,
    }
    wall = totals.wall(result)
    assert wall["energy_j"] == {"value": 1250.0, "low": 1125.0, "high": 1500.0}
    assert (wall["factor"], wall["covers"]) == (1.25, "components of the total × the wall factor as stated")
    assert totals.cost_block(result) == {
        "per_pass": pytest.approx(0.00025),
        "per_1000_queries": pytest.approx(0.00625),
        "absent": None,
        "price_per_kwh": 0.36,
        "currency": "EUR",
        "pue": 2.0,
    }
    blurred = evolve(result, summary=evolve(SUMMARY, total=evolve(GPU_ENERGY, component="total", resolved=False)))
    assert totals.wall(blurred)["energy_j"] == {"value": None, "low": 1125.0, "high": 1500.0}
    none = evolve(result, summary=evolve(SUMMARY, total=None, total_absent="no meter"))
    assert totals.wall(none)["energy_j"] is None
    assert totals.total(none)["source"] == "absent"
    assert totals.total(none)["absent"] == "no meter"
    inlet = evolve(SUMMARY, components=(evolve(GPU_ENERGY, component="system"),))
    found = totals.wall(evolve(result, summary=inlet))
    assert (found["factor"], found["energy_j"]) == (1.25, None)
    assert "power inlet" in str(found["covers"])
    plain = totals.wall(RESULT)
    assert (plain["factor"], plain["energy_j"]) == (None, None)
    assert "measured components only" in str(plain["covers"])
    assert totals.cost_block(RESULT) is None


def test_values_that_json_does_not_know_are_null_and_zero_where_a_number_is_promised() -> None:
    """Not finite, of a foreign type, or a sequence; keys become text, and messages are cut at 600 characters."""
    summary = evolve(SUMMARY, duration_s=float("inf"), output_tokens_per_s=float("nan"), latency_notes={"x": "y"})
    judged = evolve(RESULT.verdict, findings=(Finding("WARN", "long", "m" * 601, "gpu"),))
    document = report_document(evolve(RESULT, summary=summary, verdict=judged))
    assert document["summary"]["total_duration_seconds"] == 0.0
    assert document["summary"]["throughput_tokens_per_second"] == 0.0
    assert document["energy"]["duration_seconds"] == 0.0
    assert document["derived"]["gpu"]["average_power_w"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert document["efficiency"]["energy_delay_product_j_s"]["gpu"]["value"] is None
    (finding,) = document["verdict"]["findings"]
    assert finding == {"level": "WARN", "check": "long", "message": "m" * 600, "component": "gpu"}
    assert document["config"]["device_ids"] == [0]


def test_the_config_without_where_its_results_go() -> None:
    """Four keys; an empty text has none, and neither has one that is no mapping."""
    text = "name: a\noutput_dir: b\nreporters: [json]\nrun_id: c\nprotocol: {trials: 3}\n"
    assert report.config_settings(text) == {"protocol": {"trials": 3}}
    assert report.config_settings(" \n") == {}
    assert report.config_settings("- a\n") == {}


def test_work_per_joule_is_of_energy_that_is_known_and_above_zero() -> None:
    """Where it is known it has no reason to be absent; where no request succeeded, none."""
    shaped = evolve(ENGINE, architecture=LLAMA_3_8B)
    document = efficiency(evolve(RESULT, engine=shaped))
    assert document["flop"] is not None
    assert document["flop_absent"] is None
    assert document["flop_per_j"] == {
        "gpu": pytest.approx(document["flop"]["per_pass"] / 1000),
        "total": pytest.approx(document["flop"]["per_pass"] / 1000),
    }
    gone = evolve(SUMMARY, components=(evolve(GPU_ENERGY, bounds_j=Bounds(-3.0, -1.0, 1.0)),), total=None)
    assert efficiency(evolve(RESULT, engine=shaped, summary=gone))["flop_per_j"] == {}
    failed = evolve(RESULT, engine=shaped, trials=(trial(1, reading(), outcomes=[failure(0)]),))
    document = efficiency(failed)
    assert (document["flop"], document["flop_absent"]) == (None, "no request succeeded")
    assert report_document(evolve(RESULT, engine=None))["backend_info"] == {}
    assert efficiency(evolve(RESULT, engine=None))["flop"] is None
