"""Batches: the list of models, its filters, resuming, and the master table."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_energy_benchmarks.config.loading import config_from_yaml
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.batches.batch import Batch, run_batch
from ai_energy_benchmarks.study.batches.master_table import COLUMNS
from ai_energy_benchmarks.study.batches.model_list import Filters, ListedModel, read_model_list
from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun
from ai_energy_benchmarks.study.manifest import read_manifest
from tests.unit.study_fakes import FakeExecutor

HEADER = ",Models to Add,Priority (1=hi),Class,Task,Reasoning State,Chat Template\n"


def listed(tmp_path: Path, *rows: str) -> tuple[ListedModel, ...]:
    file = tmp_path / "models.csv"
    file.write_text(HEADER + "\n".join(rows) + "\n")
    return read_model_list(file)


def test_the_list_of_october_2025_is_read(shared_data: Path) -> None:
    """Every row with a model, once, with its effort where one is named."""
    rows = read_model_list(shared_data / "aienergyscore_models_oct_2025.csv")
    assert len({row.slug for row in rows}) == len(rows) == 60
    # Batches of earlier versions go on: the directories of texts are named after model and state alone.
    texts = [row for row in rows if row.task == "text_gen"]
    assert [row.slug for row in texts] == [
        re.sub(r"[^\w.-]+", "_", f"{row.model}_{row.state}").strip("_.") for row in texts
    ]
    efforts = {(row.model, row.state): row.reasoning_params.get("reasoning_effort") for row in rows}
    assert efforts["openai/gpt-oss-20b", "On (High)"] == "high"
    assert efforts["openai/gpt-oss-120b", "On (Medium)"] == "medium"
    assert efforts["openai/gpt-oss-20b", "Off (N/A)"] is None
    assert {row.reasoning for row in rows if row.state.startswith("Off")} == {False}
    assert {row.reasoning for row in rows if row.state.startswith("On")} == {True}
    assert "swiss-ai/Apertus-8B-Instruct-2509" in {row.model for row in rows}


def test_a_row_is_read_with_its_address_and_template(tmp_path: Path) -> None:
    """The hub's address is taken off, a path is left alone, the template's effort counts before the state's."""
    high, path = listed(
        tmp_path,
        ",https://huggingface.co/openai/gpt-oss-20b ,1,B,text_gen,On (High),reasoning_effort: low",
        ",/models/mine,2,A,text_gen,,",
        ",,,,,,",
    )
    assert (high.model, high.reasoning, high.reasoning_params) == (
        "openai/gpt-oss-20b",
        True,
        {"reasoning_effort": "low"},
    )
    assert (path.model, path.reasoning, path.line) == ("/models/mine", None, 3)


def test_rows_that_ask_for_different_things_are_kept_apart(tmp_path: Path) -> None:
    """One model with another task or effort has a place of its own; what stands there twice has one."""
    rows = listed(
        tmp_path,
        ",us/model,1,A,text_gen,On,reasoning_effort: high",
        ",us/model,1,A,text_gen,On,reasoning_effort: low",
        ",us/model,1,A,image_text,On,reasoning_effort: low",
        ",us/model,1,A,text_gen,On,",
        ",us/model,1,A,text_gen,On,reasoning_effort: high",
    )
    assert [(row.slug, row.reasoning_params.get("reasoning_effort"), row.task) for row in rows] == [
        ("us_model_On_high", "high", "text_gen"),
        ("us_model_On_low", "low", "text_gen"),
        ("us_model_On_low_image_text", "low", "image_text"),
        ("us_model_On", None, "text_gen"),
    ]


@pytest.mark.parametrize(
    "template", ['"reasoning_effort: ""high"""', "{'reasoning_effort': 'high'}", "reasoning_effort=high"]
)
def test_an_effort_is_read_with_and_without_quotes(tmp_path: Path, template: str) -> None:
    """Templates are written by hand."""
    (row,) = listed(tmp_path, f",us/model,1,A,text_gen,On,{template}")
    assert row.reasoning_params == {"reasoning_effort": "high"}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", ""])
def test_another_table_is_refused(tmp_path: Path, text: str) -> None:
    """It names the column that is missing."""
    file = tmp_path / "models.csv"
    file.write_text(text)
    with pytest.raises(ConfigError, match="has no column 'Models to Add'"):
        read_model_list(file)


@pytest.mark.parametrize(
    ("filters", "models"),
    [
        (Filters(), ["a/Big", "b/small", "c/image"]),
        (Filters(models=("BIG", "image")), ["a/Big", "c/image"]),
        (Filters(classes=("a",)), ["b/small"]),
        (Filters(priorities=("1",)), ["a/Big"]),
        (Filters(tasks=("text_gen",)), ["a/Big", "b/small"]),
        (Filters(state="on"), ["a/Big"]),
        (Filters(state="off", models=("big",)), []),
    ],
)
def test_filters(tmp_path: Path, filters: Filters, models: list[str]) -> None:
    """Each narrows the list, and all have to let a row pass."""
    rows = listed(tmp_path, ",a/Big,1,C,text_gen,On (High),", ",b/small,2,A,text_gen,Off,", ",c/image,3,,image_gen,,")
    assert [row.model for row in rows if filters.let_pass(row)] == models


def document(gpu_source: str = "measured") -> dict[str, object]:
    gpu = {} if gpu_source == "absent" else {"gpu": {"energy_j": 7200.0, "source": gpu_source, "resolved": True}}
    return {
        "ending": "completed",
        "started_utc": "2025-11-01T00:00:00+00:00",
        "summary": {
            "total_prompts": 4,
            "successful_prompts": 4,
            "failed_prompts": 0,
            "total_completion_tokens": 40,
            "avg_latency_seconds": 0.5,
        },
        "energy": {
            "gpu_energy_wh": 2.0,
            "gpu_energy_source": gpu_source,
            "total_energy_wh": 3.0,
            "total_energy_source": "measured",
            "emissions_g_co2eq": 0.0,
            "emissions_source": "absent",
        },
        "components": {"total": {"energy_j": 10800.0, "source": "measured", "resolved": True}, **gpu},
        "absent": {} if gpu else {"gpu": "nvml: no driver"},
        "derived": {
            "gpu": {
                "wh_per_1000_queries": {"value": 500.0},
                "wh_per_request": {"value": 0.5},
                "output_tokens_per_j": {"value": 40 / 7200},
                "j_per_output_token": {"value": 180.0},
            }
            if gpu
            else {}
        },
        "verdict": {"level": "PASS"},
    }


class Processes(FakeExecutor):
    """Runs of configs, without processes; ``end`` decides with which code each ends."""

    def __init__(self, end: Callable[[str, Path], int]) -> None:
        super().__init__(self.ended)
        self.end = end
        self.models: list[str] = []

    def ended(self, run: CellRun) -> CellEnd:
        asked = config_from_yaml(Path(run.command[-1]).read_text())
        self.models.append(asked.backend.model)
        run.log.parent.mkdir(parents=True, exist_ok=True)
        return CellEnd(run, "exited", self.end(asked.backend.model, run.log), 0.1)


def succeed(directory: Path, name: str, gpu_source: str = "measured") -> int:
    (directory / "individual_runs" / name / "result.json").write_text(json.dumps(document(gpu_source)))
    return 0


def run(batch: Batch, rows: tuple[ListedModel, ...], processes: Processes) -> list[tuple[str, str, str]]:
    told: list[tuple[str, str, str]] = []
    run_batch(batch, rows, lambda row, outcome, reason: told.append((row.model, outcome, reason)), processes)
    return told


def master(directory: Path) -> list[dict[str, str]]:
    with (directory / "master_results.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_each_model_has_its_line(tmp_path: Path) -> None:
    """With the field's column names, figures of one pass, and empty cells for what no meter saw."""
    rows = listed(tmp_path, ",one,1,A,text_gen,,", ",two,1,B,text_gen,Off,")

    def act(model: str, log: Path) -> int:
        return succeed(tmp_path, "one") if model == "one" else succeed(tmp_path, "two_Off", "absent")

    run(Batch(tmp_path), rows, Processes(act))
    one, two = master(tmp_path)
    assert tuple(one) == COLUMNS
    assert (one["model_name"], one["model_class"], one["gpu_energy_wh"]) == ("one", "A", "2.0")
    assert (float(one["wh_per_1000_queries"]), float(one["avg_energy_per_prompt_wh"])) == (500.0, 0.5)
    assert float(one["tokens_per_joule"]) == pytest.approx(40 / 7200)
    assert (one["co2_emissions_g"], one["avg_total_time"], one["error_message"]) == ("", "0.5", "")
    assert (two["gpu_energy_wh"], two["wh_per_1000_queries"], two["tokens_per_joule"]) == ("", "", "")
    assert (two["reasoning_state"], two["total_energy_wh"]) == ("Off", "3.0")
    assert two["error_message"] == "its run has no GPU energy: nvml: no driver"


def test_a_row_is_named_before_it_is_measured(tmp_path: Path) -> None:
    """With its log; a row that is kept, or cannot be measured, is not begun."""
    rows = listed(tmp_path, ",one,1,A,text_gen,,", ",two,1,B,image,,", ",three,1,A,text_gen,,")
    begun: list[tuple[str, Path]] = []
    done = tmp_path / "logs"
    for _ in range(2):
        run_batch(
            Batch(tmp_path),
            rows,
            lambda row, outcome, reason: None,
            Processes(lambda model, log: succeed(tmp_path, model)),
            begun=lambda row, log: begun.append((row.model, log)),
        )
    assert begun == [("one", done / "one.log"), ("three", done / "three.log")]


def test_a_model_that_fails_has_its_reason_and_stops_nobody(tmp_path: Path) -> None:
    """A process that dies, a task that is not ours, a setting that cannot be: one line each."""
    rows = listed(
        tmp_path,
        ",bad,1,A,text_gen,,",
        ",picture,1,A,image_gen,,",
        ",good,1,A,text_gen,,",
    )

    def act(model: str, log: Path) -> int:
        if model == "good":
            return succeed(tmp_path, "good")
        log.write_text("loading\nerror: model 'bad' is not there\n  fix: name another\n")
        return 1

    told = run(Batch(tmp_path), rows, Processes(act))
    assert [(model, outcome) for model, outcome, _ in told] == [
        ("bad", "failed"),
        ("picture", "failed"),
        ("good", "done"),
    ]
    bad, picture, good = master(tmp_path)
    assert bad["error_message"] == "exit code 1: model 'bad' is not there"
    assert "'image_gen' is not text generation" in picture["error_message"]
    assert (good["error_message"], good["verdict"]) == ("", "PASS")


def test_an_interrupted_batch_goes_on_where_it_was(tmp_path: Path) -> None:
    """Complete results are kept, the row that was cut short is measured again, and the table ends complete."""
    rows = listed(tmp_path, ",one,1,A,text_gen,,", ",two,1,A,text_gen,,", ",three,1,A,text_gen,,")

    def crash(model: str, log: Path) -> int:
        if model == "two":
            partial = {**document(), "ending": "interrupted"}
            (tmp_path / "individual_runs" / "two" / "result.json").write_text(json.dumps(partial))
            raise KeyboardInterrupt
        return succeed(tmp_path, model)

    with pytest.raises(KeyboardInterrupt):
        run(Batch(tmp_path), rows, Processes(crash))
    assert [line["model_name"] for line in master(tmp_path)] == ["one"]
    second = Processes(lambda model, log: succeed(tmp_path, model))
    told = run(Batch(tmp_path), rows, second)
    assert [outcome for _, outcome, _ in told] == ["kept", "done", "done"]
    assert second.models == ["two", "three"]
    assert [line["model_name"] for line in master(tmp_path)] == ["one", "two", "three"]


def test_a_batch_is_a_study(tmp_path: Path) -> None:
    """Its manifest says what became of each row, in the order of the list, over all calls."""
    rows = listed(tmp_path, ",two,1,A,text_gen,,", ",one,1,A,text_gen,,")
    run(Batch(tmp_path), rows, Processes(lambda model, log: succeed(tmp_path, model) if model == "one" else 1))
    run(Batch(tmp_path), rows, Processes(lambda model, log: succeed(tmp_path, model)))
    attempts = read_manifest(tmp_path).attempts
    assert [(each.cell, each.number, each.state, each.directory) for each in attempts] == [
        ("two", 1, "failed", "individual_runs/two"),
        ("one", 1, "completed", "individual_runs/one"),
        ("two", 2, "completed", "individual_runs/two"),
    ]


def test_a_result_of_other_settings_is_not_kept(tmp_path: Path) -> None:
    """Another number of prompts is another measurement."""
    rows = listed(tmp_path, ",one,1,A,text_gen,,")
    processes = Processes(lambda model, log: succeed(tmp_path, model))
    for samples in (2, 2, 3):
        run(Batch(tmp_path, overrides={"scenario.num_samples": samples}), rows, processes)
    assert processes.models == ["one", "one"]


def test_the_table_has_no_result_of_other_settings(tmp_path: Path) -> None:
    """Interrupted after other settings were asked for, it holds only what was measured with them."""
    rows = listed(tmp_path, ",one,1,A,text_gen,,", ",two,1,A,text_gen,,")
    run(Batch(tmp_path), rows, Processes(lambda model, log: succeed(tmp_path, model)))

    def crash(model: str, log: Path) -> int:
        if model == "two":
            raise KeyboardInterrupt
        return succeed(tmp_path, model)

    with pytest.raises(KeyboardInterrupt):
        run(Batch(tmp_path, overrides={"scenario.num_samples": 3}), rows, Processes(crash))
    assert [line["model_name"] for line in master(tmp_path)] == ["one"]


def test_the_users_defaults_are_settings_too(tmp_path: Path) -> None:
    """They lie under the profile in the config that is asked for, so others measure again."""
    rows = listed(tmp_path, ",one,1,A,text_gen,,")
    processes = Processes(lambda model, log: succeed(tmp_path, model))
    for country in ("FRA", "FRA", "POL"):
        defaults = {"metrics": {"country_iso_code": country}, "protocol": {"trials": 2}}
        run(Batch(tmp_path, defaults=defaults), rows, processes)
    asked = config_from_yaml((tmp_path / "individual_runs" / "one" / "asked.yaml").read_text())
    assert (asked.metrics.country_iso_code, asked.protocol.trials) == ("POL", 10)
    assert processes.models == ["one", "one"]


def test_the_config_of_a_row_is_the_profile_with_its_reasoning(tmp_path: Path) -> None:
    """And with what was asked for all models."""
    (row,) = listed(tmp_path, ",https://huggingface.co/openai/gpt-oss-20b,1,B,text_gen,On (High),")
    config = config_from_yaml(Batch(tmp_path, overrides={"scenario.num_samples": 3}).config_text(row))
    assert (config.scenario.num_samples, config.protocol.trials) == (3, 10)
    assert (config.scenario.reasoning, config.scenario.reasoning_params) == (True, {"reasoning_effort": "high"})
    assert config.scenario.generate_kwargs.max_new_tokens == 8192


def test_two_models_that_would_share_a_directory_are_refused(tmp_path: Path) -> None:
    """One of them would be lost without a word."""
    file = tmp_path / "models.csv"
    file.write_text("Models to Add\na_b/c\na/b_c\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="'a_b/c' and 'a/b_c'"):
        read_model_list(file)
