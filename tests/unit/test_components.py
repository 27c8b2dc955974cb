"""Components of a machine: a meter of the whole system is accepted, shown, and never added to what it contains."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest
from attrs import evolve
from rich.console import Console

from ai_energy_benchmarks.analysis.footprint import footprint
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.domain.components import COMPONENTS, EXPECTED, FACTS
from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.domain.result import Carbon
from ai_energy_benchmarks.metrics.combined import CombinedCollector
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reanalysis.recompute import Changes, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, Journal
from tests.factories import CPU, DRAM, GPU, reading, result, trial

SYSTEM = Device("system", "plug-1", "wall plug")
MODELLED = {"provenance": "modelled", "meter": "modelled"}


def test_every_component_stands_in_the_one_table() -> None:
    """What is listed elsewhere follows from it; the system contains all others."""
    assert set(FACTS) == set(COMPONENTS)
    assert EXPECTED == ("gpu", "cpu", "dram")
    assert FACTS["system"].contains == EXPECTED


def test_an_unknown_component_is_refused_at_the_door() -> None:
    """Its energy would be accepted and then appear nowhere."""
    with pytest.raises(ValueError, match="'component' must be in"):
        Device("disk", "nvme0")  # type: ignore[arg-type] # what is tested


def test_the_system_is_shown_next_to_its_parts_and_never_added() -> None:
    """100 J of a GPU and 40 J of a CPU are 140 J, though the plug saw 300 J."""
    summary = summarise([trial(1, reading(GPU, 100), reading(CPU, 40), reading(SYSTEM, 300))], [])
    assert summary.total is not None
    assert (summary.total.energy_j, summary.total_components) == (140, ("gpu", "cpu"))
    assert "contains the others" in summary.total_excludes["system"]
    assert [each.energy_j for each in summary.components if each.component == "system"] == [300]


def test_the_system_is_the_total_where_a_part_is_missing() -> None:
    """The plug sees the GPU that no meter reads, so nothing of the workload is left out."""
    seen = trial(1, reading(CPU, 40), reading(SYSTEM, 300), absent={"gpu": "nvml: no driver"})
    summary = summarise([seen], [], required=("gpu",))
    assert summary.total is not None
    assert (summary.total.energy_j, summary.total_components) == (300, ("system",))
    assert "contains it" in summary.total_excludes["cpu"]


def test_a_measured_system_goes_before_modelled_parts() -> None:
    """A model of the CPU alone is no better total than a meter of everything."""
    summary = summarise([trial(1, reading(CPU, 40, **MODELLED), reading(SYSTEM, 300))], [])
    assert summary.total is not None
    assert (summary.total.energy_j, summary.total.provenance) == (300, "measured")


def test_no_wall_factor_is_applied_to_what_a_plug_measured() -> None:
    """The losses of the power supply are in its figure already; emissions follow from it as it is."""
    summary = summarise([trial(1, reading(SYSTEM, 3.6e6))], [])
    made = evolve(result(()), summary=summary, carbon=Carbon(300.0, 1.0, "test"), wall_factor=1.2)
    assert footprint(made).emissions_g == pytest.approx(300.0)
    assert footprint(made).wall_j is None
    assert "no wall factor" in str(report_document(made)["wall"]["covers"])


def test_a_run_without_a_system_meter_does_not_mention_it() -> None:
    """Only the expected components are absent with a reason."""
    summary = summarise([trial(1, reading(GPU), reading(DRAM))], [])
    assert set(summary.absent) == {"cpu"}
    assert not [column for column in result_row(evolve(result(()), summary=summary)) if column.startswith("system")]


def test_a_toy_plug_through_a_whole_run(tmp_path: Path) -> None:
    """Document, console, CSV, total and emissions show it, and re-analysis gives the same."""
    file = tmp_path / "config.yaml"
    file.write_text(
        "backend: {type: pytorch, model: fake-model}\n"
        "scenario: {num_samples: 4, dataset_name: builtin}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}, trials: 2}\n"
        "metrics: {carbon: {intensity_g_per_kwh: 300, source: test}}\n"
        "reporters: [{type: json}, {type: csv}, {type: parquet}]\n"
        f"output_dir: '{tmp_path / 'out'}'\n"
    )
    journal = Journal()
    clock = FakeClock(journal)
    meters = (
        FakeCollector(journal, clock, component="cpu", power_w=50.0),
        FakeCollector(journal, clock, component="system", power_w=400.0),
    )
    runner = BenchmarkRunner(
        load_config(file), backend=FakeBackend(journal, clock), collector=CombinedCollector(meters), clock=clock
    )
    document = runner.run()
    seconds = document["components"]["cpu"]["energy_j"] / 50.0  # on the clock of the fakes
    assert document["components"]["system"]["energy_j"] == pytest.approx(400 * seconds)
    assert document["components"]["total"]["energy_j"] == pytest.approx(50 * seconds)
    assert document["energy"]["system_energy_wh"] == pytest.approx(400 * seconds / 3600)
    assert document["energy"]["emissions_g_co2eq"] == pytest.approx(50 * seconds / 3.6e6 * 300)
    assert [row["energy"]["system"]["energy_j"] for row in document["trials"]] == [pytest.approx(400 * seconds)] * 2
    with (tmp_path / "out" / "benchmark_results.csv").open(newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert float(row["system_energy_wh"]) == pytest.approx(400 * seconds / 3600)
    assert row["total_components"] == "cpu"
    assert runner.result is not None
    screen = StringIO()
    ConsoleReporter(Console(width=160, file=screen)).report(runner.result)
    assert "SYSTEM" in screen.getvalue()
    again = reanalyse(tmp_path / "out", Changes())
    assert report_document(again)["components"] == document["components"]
