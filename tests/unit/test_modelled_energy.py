"""Modelled energy in the reports: no ± on its value, and no part in a total, emissions or cost with measured energy."""

from __future__ import annotations

import io
from typing import Any

import pytest
from attrs import evolve
from rich.console import Console

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Provenance, Recipe, WorkloadShare
from ai_energy_benchmarks.domain.result import BenchmarkResult, Carbon, Tariff
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.results.document.report import report_document
from tests.factories import CPU, GPU, measurement, reading, result, trial

MODELLED = {"provenance": "modelled", "meter": "modelled"}


def run(*, gpu: bool = True, **changes: Any) -> BenchmarkResult:
    """Three trials of 1 kWh on the GPU, if there is one, and about 0.5 kWh by the model of the CPU; all is priced."""
    trials = [
        trial(i, *((reading(GPU, 3.6e6),) if gpu else ()), reading(CPU, 1.8e6 + i, 1e3, **MODELLED))
        for i in range(1, 4)
    ]
    priced = evolve(result(trials, carbon=Carbon(300, 1, "grid")), tariff=Tariff(0.5, "EUR"), wall_factor=1.1)
    return evolve(priced, **changes)


def shown(found: BenchmarkResult) -> str:
    stream = io.StringIO()
    ConsoleReporter(Console(file=stream, width=200)).report(found)
    return stream.getvalue()


def test_the_document_adds_no_model_to_a_measurement():
    """Total, wall, emissions and cost are those of the GPU; the total names what it leaves out and why."""
    document = report_document(run())
    assert document["energy"]["total_energy_kwh"] == pytest.approx(1.0)
    assert document["energy"]["total_energy_source"] == "measured"
    assert document["energy"]["cpu_energy_wh"] == pytest.approx(500, rel=1e-3)
    assert document["energy"]["emissions_g_co2eq"] == pytest.approx(1.1 * 300)
    assert document["cost"]["per_pass"] == pytest.approx(1.1 * 0.5)
    assert document["wall"]["energy_j"]["value"] == pytest.approx(1.1 * 3.6e6)
    assert document["total"]["components"] == ["gpu"]
    assert "modelled" in document["total"]["excludes"]["cpu"]
    assert (document["total"]["source"], document["total"]["absent"]) == ("measured", None)


def test_the_table_adds_no_model_to_a_measurement():
    """The same in the columns of the CSV file."""
    row = result_row(run())
    assert float(row["total_energy_wh"]) == pytest.approx(1000)
    assert (row["total_components"], row["total_source"]) == ("gpu", "measured")
    assert float(row["emissions_g_co2eq"]) == pytest.approx(1.1 * 300)
    assert float(row["cost_per_pass"]) == pytest.approx(1.1 * 0.5)
    assert float(row["cpu_j_per_output_token"]) > 0
    assert row["cpu_j_per_output_token_half_width_95"] == ""


def test_the_document_gives_a_model_its_scatter_and_no_interval():
    """n and standard deviation stand there; both half-widths are null."""
    figure = report_document(run())["derived"]["cpu"]["j_per_output_token"]
    assert (figure["n"], figure["standard_deviation"]) == (3, pytest.approx(1 / 20))
    assert (figure["half_width_95"], figure["half_width_95_with_sensor_gain"]) == (None, None)


def test_the_console_puts_no_interval_on_a_model():
    """The CPU's row and lines have no ±; its scatter is named as such, and the total says what it covers."""
    lines = shown(run()).splitlines()
    assert [line for line in lines if " CPU " in f" {line}" and "±" in line] == []
    assert any(line.startswith("Scatter") and "CPU standard deviation 0.050 J/output token" in line for line in lines)
    assert any(line.startswith("Total") and "GPU; without CPU: it is modelled" in line for line in lines)
    assert not any(line.startswith("total ") for line in lines)
    assert any("method" in line for line in lines)


def test_a_guess_of_the_watts_is_called_an_order_of_magnitude():
    """In document, verdict and console; a rated power is not."""
    recipe = Recipe("fresh", "cpu_time_s", "", 0, 1, guessed=True)
    guessed = result([trial(i, evolve(reading(CPU, 50 + i, **MODELLED), recipe=recipe)) for i in (1, 2)])
    assert report_document(guessed)["components"]["cpu"]["order_of_magnitude"] is True
    assert "from a guess of the watts, an order of magnitude" in " ".join(shown(guessed).split())
    assert report_document(run(gpu=False))["components"]["cpu"]["order_of_magnitude"] is False
    assert "order of magnitude" not in shown(run(gpu=False))


def test_a_total_of_modelled_parts_says_so_everywhere():
    """Where nothing is measured, emissions and cost are of the model, and every report calls them that."""
    found = run(gpu=False)
    document = report_document(found)
    assert document["total"] == {"components": ["cpu"], "excludes": {}, "source": "modelled", "absent": None}
    assert document["energy"]["total_energy_source"] == "modelled"
    assert document["energy"]["emissions_g_co2eq"] == pytest.approx(1.1 * 150, rel=1e-3)
    assert result_row(found)["total_source"] == "modelled"
    text = shown(found)
    assert "g per 1,000 queries (modelled energy; 300 g/kWh" in text
    assert "EUR per 1,000 queries (modelled energy; 0.5 EUR/kWh" in text


def test_an_absent_total_has_its_reason_in_every_report():
    """Energy block 0.0 and absent, no cost, no wall; the reason stands in document, table and console."""
    whole = run(gpu=False)
    reason = "GPU energy is missing: no driver"
    found = evolve(whole, summary=evolve(whole.summary, total=None, total_absent=reason))
    document = report_document(found)
    energy = document["energy"]
    assert (energy["total_energy_wh"], energy["total_energy_source"]) == (0.0, "absent")
    assert (energy["emissions_g_co2eq"], energy["emissions_source"]) == (0.0, "absent")
    assert energy["carbon_intensity_source"] == "grid"
    assert document["total"] == {"components": [], "excludes": {}, "source": "absent", "absent": reason}
    assert (document["cost"]["per_pass"], document["cost"]["per_1000_queries"]) == (None, None)
    assert document["cost"]["absent"] == reason
    assert document["wall"]["energy_j"] is None
    row = result_row(found)
    assert (row["total_energy_wh"], row["emissions_g_co2eq"], row["cost_per_pass"], row["wall_energy_wh"]) == ("",) * 4
    assert (row["total_source"], row["total_absent"]) == ("absent", reason)
    assert f"absent, and emissions and cost with it: {reason}" in shown(found)


def test_an_unresolved_total_has_no_emissions_and_no_cost():
    """The contract's block keeps the estimate; nothing that follows from it is published."""
    trials = [trial(1, reading(GPU, 3.6e6, 1.8e6))]
    document = report_document(evolve(result(trials, carbon=Carbon(300, 1, "grid")), tariff=Tariff(0.5, "EUR")))
    assert document["energy"]["total_energy_wh"] == pytest.approx(1000)
    assert (document["energy"]["emissions_g_co2eq"], document["energy"]["emissions_source"]) == (0.0, "absent")
    assert document["cost"]["per_pass"] is None
    assert "only known to lie in" in document["cost"]["absent"]


@pytest.mark.parametrize(("method", "share_j"), [("measured", 25), ("integrated", 25), ("modelled", None)])
def test_modelled_energy_is_not_shared_out_twice(method: Provenance, share_j: float | None):
    """Half of a measured 50 J is the workload's; a modelled 50 J is the workload's already."""
    seen = reading(CPU, 50, provenance=method)
    measured = evolve(measurement(seen), shares=(WorkloadShare("cpu", Bounds(0.4, 0.5, 0.6)),))
    document = report_document(result([evolve(trial(1), measurement=measured)]))
    assert document["components"]["cpu"]["workload_share"]["energy_j"] == share_j
