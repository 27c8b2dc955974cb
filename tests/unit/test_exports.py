"""Results in the forms of other tools: their shapes, and no number where a figure is withheld."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.result import BenchmarkResult, Carbon
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.exports.codecarbon import COLUMNS, emissions_csv
from ai_energy_benchmarks.results.exports.optimum import optimum_report
from ai_energy_benchmarks.results.exports.prometheus import textfile
from ai_energy_benchmarks.results.exports.trackers import to_mlflow, to_wandb
from ai_energy_benchmarks.results.foreign.optimum import is_report, read_report
from tests.factories import CPU, reading, result, trial
from tests.functional.commands import command_here

WIDE_J = 90.0


def document_of(run: BenchmarkResult) -> dict[str, Any]:
    """The report document as a file holds it."""
    return dict(json.loads(json.dumps(report_document(run))))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """100 J of a GPU and 50 J of a CPU a pass, with emissions."""
    readings = reading(), reading(CPU, 50.0, meter="rapl")
    run = result([trial(1, *readings), trial(2, *readings)])
    return document_of(evolve(run, carbon=Carbon(400.0, 1.0, "a test")))


@pytest.fixture(scope="module")
def unresolved() -> dict[str, Any]:
    """The GPU's bounds are too far apart for a number."""
    readings = reading(half_width_j=WIDE_J), reading(CPU, 50.0, meter="rapl")
    return document_of(result([trial(1, *readings), trial(2, *readings)]))


def row_of(document: dict[str, Any]) -> dict[str, str]:
    [row] = csv.DictReader(io.StringIO(emissions_csv(document)))
    return row


def samples_of(document: dict[str, Any]) -> dict[tuple[str, str], float]:
    """Name and component of each sample → its value, as Prometheus' own parser reads them."""
    parser = pytest.importorskip("prometheus_client.parser")
    return {
        (sample.name, sample.labels.get("component") or sample.labels.get("level", "")): sample.value
        for family in parser.text_string_to_metric_families(textfile(document))
        for sample in family.samples
    }


def test_optimum_benchmarks_report_has_its_shape(document: dict[str, Any]) -> None:
    """Energy in kWh and tokens per kWh by phase; our own reader of such reports takes it."""
    report = json.loads(optimum_report(document))
    energy = report["decode"]["energy"]
    assert set(energy) == {"unit", "cpu", "ram", "gpu", "total"}
    decode_j = document["phases_by_time"]["energy"]["gpu"]["decode_j"]
    assert energy["gpu"] == pytest.approx(decode_j / 3.6e6)
    assert energy["ram"] is None
    assert report["decode"]["absent"]["ram"]
    # Five requests of four tokens: the first of each belongs to prefill.
    assert report["decode"]["efficiency"] == {"unit": "tokens/kWh", "value": pytest.approx(15 / energy["total"])}
    assert report["report"]["verdict"]["level"] == document["verdict"]["level"]
    assert is_report(report)
    figures = {figure.name: figure for figure in read_report(report).figures}
    bounds_j = figures["decode gpu"].energy_j
    assert bounds_j is not None
    assert bounds_j.best == pytest.approx(decode_j)


def test_a_phase_that_cannot_be_told_is_null_with_its_reason(
    document: dict[str, Any], unresolved: dict[str, Any]
) -> None:
    """Neither 0 nor the energy of the whole pass."""
    undivided = document | {"phases_by_time": None, "phases_by_time_absent": "several requests were in flight"}
    report = json.loads(optimum_report(undivided))
    for phase in ("prefill", "decode"):
        assert report[phase]["energy"] is None
        assert report[phase]["reason"] == "several requests were in flight"
    energy = json.loads(optimum_report(unresolved))["decode"]["energy"]
    assert (energy["gpu"], energy["total"]) == (None, None)
    assert energy["cpu"] > 0
    assert json.loads(optimum_report(document | {"ending": "stopped"}))["prefill"]["energy"] is None


def test_prompts_in_doubt_give_no_tokens_per_kwh_of_prefill(document: dict[str, Any]) -> None:
    """The energy of the phase stands, and decode keeps its figure: its tokens are not in doubt."""
    doubtful = document | {"tokens": {**document["tokens"], "prompt_in_doubt": "the server counts none"}}
    report = json.loads(optimum_report(doubtful))
    assert report["prefill"]["energy"]["gpu"] > 0
    assert report["prefill"]["efficiency"] is None
    assert report["decode"]["efficiency"] is not None


def test_a_row_of_codecarbon_has_its_columns_and_units(document: dict[str, Any]) -> None:
    """kWh, kg and seconds; what is not known is empty."""
    row = row_of(document)
    assert tuple(row)[: len(COLUMNS)] == COLUMNS
    assert float(row["gpu_energy"]) == pytest.approx(100 / 3.6e6)
    assert float(row["energy_consumed"]) == pytest.approx(150 / 3.6e6)
    assert float(row["emissions"]) == pytest.approx(150 / 3.6e6 * 0.4)
    assert float(row["gpu_power"]) == pytest.approx(10.0)
    assert (row["ram_energy"], row["latitude"]) == ("", "")
    assert row["aeb_verdict"] == document["verdict"]["level"]
    assert row["aeb_methods"] == "gpu: measured; cpu: measured; total: measured"


def test_its_columns_are_those_of_codecarbon() -> None:
    """All of them and in the same order, so that a file can be appended to."""
    data = pytest.importorskip("codecarbon.output_methods.emissions_data")
    assert tuple(data.EmissionsData.__dataclass_fields__) == COLUMNS


def test_prometheus_reads_the_text_file(document: dict[str, Any]) -> None:
    """Base units in the names, labels escaped, exactly one verdict."""
    samples = samples_of(document)
    assert samples["ai_energy_benchmark_pass_energy_joules", "gpu"] == 100.0
    assert samples["ai_energy_benchmark_energy_per_output_token_joules", "gpu"] == 5.0
    low, high = (samples[f"ai_energy_benchmark_pass_energy_joules_{end}", "gpu"] for end in ("low", "high"))
    assert low < 100.0 < high
    levels = {level: value for (name, level), value in samples.items() if name == "ai_energy_benchmark_verdict"}
    assert [level for level, value in levels.items() if value] == [document["verdict"]["level"]]
    evil = 'a"b\\c\nd'
    parser = pytest.importorskip("prometheus_client.parser")
    [first, *_] = parser.text_string_to_metric_families(textfile(document | {"name": evil}))
    assert first.samples[0].labels["name"] == evil


def test_a_withheld_figure_is_a_number_in_no_form(unresolved: dict[str, Any]) -> None:
    """The GPU's and the total's cells and samples are missing, with the reason; the CPU's are there."""
    row, samples = row_of(unresolved), samples_of(unresolved)
    assert (row["gpu_energy"], row["energy_consumed"], row["gpu_power"]) == ("", "", "")
    assert float(row["cpu_energy"]) > 0
    assert "gpu.energy_j: the energy of a pass is not resolved" in row["aeb_withheld"]
    components = {component for name, component in samples if name.endswith("_joules")}
    assert components == {"cpu"}
    assert "# withheld gpu.energy_j: the energy of a pass is not resolved" in textfile(unresolved)


def test_the_command_writes_a_file_or_names_what_is_missing(document: dict[str, Any], tmp_path: Path) -> None:
    """Next to the result by default."""
    (tmp_path / "result.json").write_text(json.dumps(document))
    for form, name in (("optimum", "optimum_benchmark_report.json"), ("codecarbon", "emissions.csv")):
        done = command_here("export", tmp_path, "--to", form, cwd=tmp_path)
        assert (done.code, done.out) == (0, f"wrote {tmp_path / name}\n")
        assert (tmp_path / name).exists()
    done = command_here("export", tmp_path, "--to", "mlflow", "-o", "x", cwd=tmp_path)
    assert done.code == 2


def test_mlflow_has_the_figures_and_the_reasons(
    unresolved: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a store of files, without a server: metrics are quotable figures alone."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    (tmp_path / "result.json").write_text(json.dumps(unresolved))
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    try:
        run = mlflow.get_run(to_mlflow(unresolved, tmp_path))
    finally:
        mlflow.set_tracking_uri(before)
    assert run.data.metrics["cpu.energy_j"] == 50.0
    assert not [name for name in run.data.metrics if name.startswith(("gpu.", "total."))]
    assert run.data.tags["aeb.withheld.gpu.energy_j"] == "the energy of a pass is not resolved"
    assert run.data.tags["aeb.verdict"] == unresolved["verdict"]["level"]
    assert run.data.params["model"] == "test-model"


def test_wandb_works_offline(document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an account and without a network."""
    pytest.importorskip("wandb")
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "result.json").write_text(json.dumps(document))
    assert to_wandb(document, tmp_path)
    assert list(tmp_path.glob("wandb/offline-run-*"))
