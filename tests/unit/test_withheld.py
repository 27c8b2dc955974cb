"""A withheld figure stays withheld in every file and command; only the contract's blocks keep their numbers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from rich.console import Console

from ai_energy_benchmarks.analysis import flops
from ai_energy_benchmarks.analysis.time_shares import Undivided
from ai_energy_benchmarks.config.loading import config_from_yaml
from ai_energy_benchmarks.domain.power import Reading
from ai_energy_benchmarks.domain.result import BenchmarkResult, Carbon, Tariff, Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters
from ai_energy_benchmarks.reporters.aienergyscore import AIEnergyScoreReporter
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.results.document.phases import phases_by_time
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.scores import read_scores
from ai_energy_benchmarks.study.batches.batch import Batch, run_batch
from ai_energy_benchmarks.study.batches.master_table import master_row
from ai_energy_benchmarks.study.batches.model_list import ListedModel
from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun
from tests.factories import ENGINE, GPU, completion, reading, result, trial
from tests.functional.commands import command
from tests.unit.study_fakes import FakeExecutor
from tests.unit.test_flops import LLAMA_3_8B

WH = 3600.0
BATCH_ROW = ListedModel(2, "some/model", "1", "A", "text_gen", "Off", None)


def run(*trials: Trial) -> BenchmarkResult:
    """A model of eight billion weights, all of whose figures could be derived, with a price and an intensity."""
    engine = evolve(ENGINE, architecture=LLAMA_3_8B, parameters=flops.parameters(LLAMA_3_8B))
    whole = result(trials, carbon=Carbon(300, 1, "grid"), engine=engine)
    return evolve(whole, tariff=Tariff(0.5, "EUR"))


def window(*readings: Reading) -> Trial:
    outcomes = [completion(i, sent_s=20.0 + i, reasoning_tokens=2) for i in range(5)]
    return trial(1, *readings, outcomes=outcomes)


def unresolved() -> BenchmarkResult:
    """A pass of 5 to 15 Wh."""
    return run(window(reading(GPU, 10 * WH, 5 * WH)))


def doubtful() -> BenchmarkResult:
    """10 Wh, exactly, and a server whose own counter grew by ten times the tokens of its answers."""
    counters = ServerCounters(output_tokens=200)
    served = evolve(window(reading(GPU, 10 * WH, 36)), client=ClientLoad(1, 1.0, 0.001), server=counters)
    return run(served)


def sound() -> BenchmarkResult:
    return run(window(reading(GPU, 10 * WH, 36)))


def plain(found: BenchmarkResult) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(report_document(found)))
    return document


def console(found: BenchmarkResult) -> str:
    stream = io.StringIO()
    ConsoleReporter(Console(file=stream, width=200)).report(found)
    return stream.getvalue()


def test_an_unresolved_window_is_withheld_in_the_document() -> None:
    """Only the contract's block has the estimate: no component, trial, sum, device or derived figure, no emissions."""
    document = plain(unresolved())
    assert document["verdict"]["level"] == "FAIL"
    energy = document["energy"]
    assert (energy["gpu_energy_wh"], energy["gpu_energy_source"]) == (pytest.approx(10), "measured")
    assert (energy["emissions_g_co2eq"], energy["emissions_kg_co2eq"], energy["emissions_source"]) == (0, 0, "absent")
    assert document["components"]["gpu"]["energy_j"] is None
    assert document["trials"][0]["energy"]["gpu"] == {
        "energy_j": None,
        "energy_low_j": 5 * WH,
        "energy_high_j": 15 * WH,
    }
    assert document["totals"]["energy_j"] == {"gpu": None}
    (device,) = document["metrics_metadata"]["devices"]
    assert (device["energy_j"], device["energy_low_j"], device["energy_high_j"]) == (None, 5 * WH, 15 * WH)
    figures = document["derived"]["gpu"].values()
    assert [each["value"] for each in figures if isinstance(each, dict)] == [None] * 7
    assert document["efficiency"]["flop_per_j"] == {}
    assert (document["cost"]["per_pass"], document["total"]["source"]) == (None, "measured")
    assert "only known to lie in" in document["total"]["absent"]


def test_an_unresolved_window_is_withheld_for_people_and_tables() -> None:
    """Neither the console nor the CSV row has an energy, emissions or cost."""
    row = result_row(unresolved())
    for column in ("gpu_energy_wh", "gpu_wh_per_1000_queries", "total_energy_wh", "emissions_g_co2eq", "cost_per_pass"):
        assert row[column] == "", column
    text = console(unresolved())
    assert "unresolved" in text
    assert "CO2e" not in text
    assert "Cost" not in text


def test_doubtful_tokens_are_in_no_figure() -> None:
    """No J per token, tokens per J, speed, time per output token or operations; energy and its footprint stay."""
    document = plain(doubtful())
    assert document["tokens"]["in_doubt"].startswith("trial 1: ")
    derived = document["derived"]["gpu"]
    per_token = ("j_per_output_token", "j_per_prompt_token", "j_per_total_token", "output_tokens_per_j")
    assert [derived[name] for name in per_token] == [None] * 4
    assert derived["wh_per_request"]["value"] == pytest.approx(2)
    assert (document["efficiency"]["flop"], document["efficiency"]["flop_per_j"]) == (None, {})
    assert "in doubt" in document["efficiency"]["flop_absent"]
    assert document["latency_ms"]["tpot"] is None
    assert document["energy"]["emissions_g_co2eq"] == pytest.approx(3)
    assert document["summary"]["throughput_tokens_per_second"] > 0  # the contract's block
    row = result_row(doubtful())
    for column in ("gpu_j_per_output_token", "output_tokens_per_s", "tpot_mean_ms"):
        assert row[column] == "", column
        assert result_row(sound())[column] != "", column
    assert "output tokens/s" not in console(doubtful())
    phases = phases_by_time(doubtful())
    assert isinstance(phases, Undivided) or phases.energy["gpu"].per_answer_token_j is None


@pytest.mark.parametrize(
    ("found", "reason"), [(unresolved(), "not resolved"), (doubtful(), "token counts are in doubt")], ids=["w", "t"]
)
def test_the_master_table_and_the_stars_withhold_it_too(found: BenchmarkResult, reason: str, tmp_path: Path) -> None:
    """The row has empty cells and the reason; rate gives no stars from the table, as it gives none from result.json."""
    row = master_row(BATCH_ROW, plain(found), tmp_path)
    for column in ("wh_per_1000_queries", "avg_energy_per_prompt_wh", "tokens_per_joule"):
        assert row[column] == "", column
    assert reason in row["error_message"]
    good = master_row(BATCH_ROW, plain(sound()), tmp_path)
    assert (float(good["wh_per_1000_queries"]), good["error_message"]) == (pytest.approx(2000), "")
    assert float(good["tokens_per_joule"]) == pytest.approx(20 / 10 / WH)
    assert float(good["co2_emissions_g"]) == pytest.approx(3)
    assert (float(good["gpu_energy_wh"]), float(good["total_energy_wh"])) == (pytest.approx(10), pytest.approx(10))

    table = tmp_path / "master.csv"
    with table.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, row.keys())
        writer.writeheader()
        writer.writerows([row, {**good, "model_name": "good"}, {**good, "wh_per_1000_queries": "1.0"}])
    (tmp_path / "result.json").write_text(json.dumps(plain(found)), encoding="utf-8")
    from_table, from_result = read_scores([table])[0], read_scores([tmp_path / "result.json"])[0]
    assert (from_table.energy_j, from_result.energy_j) == (None, None)
    assert reason in from_table.note
    assert reason in from_result.note
    printed = command("rate", str(table), "--json", cwd=tmp_path)
    (models,) = (group["models"] for group in json.loads(printed.out)["groups"].values())
    assert len(models) == 2
    assert reason in printed.out


def test_an_unresolved_row_has_no_energy_and_no_emissions(tmp_path: Path) -> None:
    """Where the bounds are 5 and 15 Wh, the table has neither 10 Wh nor what follows from it."""
    row = master_row(BATCH_ROW, plain(unresolved()), tmp_path)
    assert [row[name] for name in ("gpu_energy_wh", "total_energy_wh", "co2_emissions_g")] == ["", "", ""]
    assert row["verdict"] == "FAIL"


def test_a_row_with_doubtful_tokens_keeps_its_energy_and_no_speed(tmp_path: Path) -> None:
    """Energy was measured; tokens per second was not."""
    row = master_row(BATCH_ROW, plain(doubtful()), tmp_path)
    assert (float(row["gpu_energy_wh"]), row["throughput_tokens_per_second"]) == (pytest.approx(10), "")


def test_the_row_has_the_total_of_its_report(tmp_path: Path) -> None:
    """Not resolved or not there is empty; else it is the report's own."""
    document = plain(sound())
    assert float(master_row(BATCH_ROW, document, tmp_path)["total_energy_wh"]) == pytest.approx(10)
    del document["components"]["total"]
    row = master_row(BATCH_ROW, document, tmp_path)
    assert (row["total_energy_wh"], row["co2_emissions_g"]) == ("", "")


@pytest.mark.parametrize("found", [unresolved(), doubtful()], ids=["unresolved", "doubtful tokens"])
def test_a_batch_refuses_the_row(found: BenchmarkResult, tmp_path: Path) -> None:
    """It counts as failed, with the reason in its line, when it is measured and when it is kept."""
    batch = Batch(tmp_path)
    outcomes: list[tuple[str, str]] = []

    def measure(run: CellRun) -> CellEnd:
        config_from_yaml(Path(run.command[-1]).read_text())
        (run.directory / "result.json").write_text(json.dumps(plain(found)), encoding="utf-8")
        return CellEnd(run, "exited", 0, 1.0)

    for _ in range(2):
        done, failed = run_batch(batch, [BATCH_ROW], lambda row, *said: outcomes.append(said), FakeExecutor(measure))
        assert (done, failed) == (0, 1)
    assert [outcome for outcome, _ in outcomes] == ["failed", "failed"]
    with (tmp_path / "master_results.csv").open(encoding="utf-8", newline="") as lines:
        (line,) = csv.DictReader(lines)
    assert line["error_message"] == outcomes[0][1]
    assert (line["verdict"], line["wh_per_1000_queries"]) == ("FAIL", "")


@pytest.mark.parametrize("found", [unresolved(), doubtful()], ids=["unresolved", "doubtful tokens"])
def test_the_portal_gets_no_score(found: BenchmarkResult, tmp_path: Path) -> None:
    """No GPU_ENERGY_WH.txt, not even an older one; the summary has no total and no phases, and the reason."""
    (tmp_path / "GPU_ENERGY_WH.txt").write_text("12.3\n")
    AIEnergyScoreReporter(tmp_path).report(found)
    assert not (tmp_path / "GPU_ENERGY_WH.txt").exists()
    summary = json.loads((tmp_path / "GPU_ENERGY_SUMMARY.json").read_text())
    assert (summary["total"], summary["wh_per_1000_queries"]) == (None, None)
    assert summary["reason"]
    assert (summary["decode_wh"], summary["split_absent"]) == (None, summary["reason"])


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("0.0,measured", "0 Wh is not a figure"),
        ("nan,measured", "the cell is empty"),
        ("-1,measured", "-1 Wh is not a figure"),
        ("2.0,modelled", "modelled, not measured"),
    ],
)
def test_a_table_gives_no_score_of_what_is_no_measurement(cells: str, reason: str, tmp_path: Path) -> None:
    """Absent is not zero: no five stars for 0 Wh; and what is modelled is not ranked."""
    table = tmp_path / "t.csv"
    table.write_text(f"model,class,task,wh_per_1000_queries,gpu_energy_source\na,A,text_gen,{cells}\n")
    (score,) = read_scores([table])
    assert score.energy_j is None
    assert reason in score.note


def test_older_reports_withhold_too(tmp_path: Path) -> None:
    """Documents without ``tokens.in_doubt`` left J per output token null; that is enough to refuse the row."""
    document = plain(doubtful())
    del document["tokens"]["in_doubt"]
    row = master_row(BATCH_ROW, document, tmp_path)
    assert (row["tokens_per_joule"], row["wh_per_1000_queries"]) == ("", "")
    assert "token counts are in doubt" in row["error_message"]
