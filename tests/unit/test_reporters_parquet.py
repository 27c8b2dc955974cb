"""Every request and every raw sample as tables."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import polars
import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.outcome_table import OutcomeTable
from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.results.requests import requests_frame
from ai_energy_benchmarks.results.timeline import timeline_frame
from tests.factories import GPU, completion, failure, reading, result, series, step, trial


def written(found: BenchmarkResult, directory: Path) -> tuple[polars.DataFrame, polars.DataFrame]:
    files = ParquetReporter.from_settings(ReporterSettings(directory)).report(found)
    assert files == (directory / "requests.parquet", directory / "timeline.parquet")
    requests, timeline = map(polars.read_parquet, files)
    return requests, timeline


def with_texts(save_texts: bool) -> BenchmarkResult:
    outcomes = [completion(0, text="an answer"), failure(1, "timed out")]
    return result(
        [trial(1, reading(), outcomes=outcomes)],
        prompts={7: "a question"},
        prompt_indices=(7, 7),
        save_texts=save_texts,
    )


def test_a_row_for_every_request_of_every_trial(tmp_path: Path):
    """Three trials of five requests are fifteen rows that keep number and trial."""
    requests, _ = written(result([trial(i, reading()) for i in (1, 2, 3)]), tmp_path)
    assert requests.height == 15
    assert requests["trial"].to_list() == [1] * 5 + [2] * 5 + [3] * 5
    assert requests["number"].to_list() == list(range(5)) * 3


def test_a_failed_request_has_its_reason_and_no_figures(tmp_path: Path):
    """Failure is a row too; what it has no figure of is null, not 0."""
    requests, _ = written(with_texts(save_texts=False), tmp_path)
    ok, failed = requests.to_dicts()
    assert (ok["ok"], ok["reason"], ok["output_tokens"]) == (True, None, 4)
    assert (ok["ttft_s"], ok["tpot_s"], ok["e2e_s"]) == pytest.approx((0.1, 0.05, 0.25))
    assert (failed["ok"], failed["reason"]) == (False, "timed out")
    assert {failed[key] for key in ("output_tokens", "ttft_s", "e2e_s", "token_source", "output_sha256")} == {None}
    assert failed["finished_s"] == 0.5


def test_texts_are_written_only_if_asked(tmp_path: Path):
    """Without ``save_texts`` there are hashes and lengths; with it the texts stand beside them."""
    quiet, _ = written(with_texts(save_texts=False), tmp_path)
    assert not {"prompt", "output"} & set(quiet.columns)
    assert b"answer" not in (tmp_path / "requests.parquet").read_bytes()
    row = quiet.row(0, named=True)
    assert (row["prompt_index"], row["prompt_characters"], row["output_characters"]) == (7, 10, 9)
    assert row["output_sha256"] == sha256(b"an answer").hexdigest()
    loud, _ = written(with_texts(save_texts=True), tmp_path)
    assert loud.row(0, named=True)["prompt"] == "a question"
    assert loud.row(0, named=True)["output"] == "an answer"


def test_a_lone_surrogate_is_no_obstacle():
    """Text that UTF-8 cannot hold is kept with a question mark."""
    outcomes = [completion(0, text="a\ud800b"), failure(1, "bad \udfff")]
    frame = requests_frame(result([trial(1, reading(), outcomes=outcomes)], save_texts=True))
    assert frame["output"][0] == "a?b"
    assert frame["reason"][1] == "bad ?"


def test_an_empty_run_has_empty_tables_with_the_same_columns(tmp_path: Path):
    """A run without a trial writes tables that read like any other."""
    requests, timeline = written(result([]), tmp_path)
    assert (requests.height, timeline["kind"].to_list()) == (0, ["clock"])
    assert requests.schema == requests_frame(result()).schema
    assert timeline.schema == timeline_frame(result(samples=Samples((series(),)))).schema


def test_more_rows_than_are_built_at_once_keep_their_order():
    """Rows are made in portions; the table does not show it."""
    outcomes = [completion(i, output_tokens=1) if i % 2 else failure(i) for i in range(50_003)]
    frame = requests_frame(result([trial(1, reading(), outcomes=outcomes)]))
    assert frame["number"].to_list() == list(range(50_003))


def test_brackets_in_the_path_are_no_pattern(tmp_path: Path):
    """Pieces of a long run come together in a directory that is called after a model and its type."""
    table = OutcomeTable()
    table.extend(completion(i) for i in range(5))
    found = result([evolve(trial(1, reading()), outcomes=table)])
    file, _ = ParquetReporter(tmp_path / "qwen[fp8]" / "requests.parquet").report(found)
    assert polars.read_parquet(file, glob=False)["number"].to_list() == list(range(5))


def test_the_timeline_holds_samples_and_marks_in_order(tmp_path: Path):
    """Raw samples stand between the marks of the steps and trials during which they were read."""
    trials = [trial(1, reading(), outcomes=[completion(sent_s=21.0, first_s=0.5)])]
    found = result(trials, [step("load", reading(), duration_s=15)], samples=Samples((series(GPU),)))
    _, timeline = written(found, tmp_path)
    assert timeline["kind"].to_list()[:2] == ["clock", "series"]
    timeline = timeline.filter(polars.col("after_s").is_not_null())
    assert [(each["kind"], each["name"], each["subject"]) for each in timeline.to_dicts()] == [
        ("mark", "start", "load"),
        ("mark", "stop", "load"),
        ("mark", "start", "trial 1"),
        ("sample", "power_w", "GPU-0"),
        ("request", "sent", "trial 1 request 0"),
        ("request", "first token", "trial 1 request 0"),
        ("request", "finished", "trial 1 request 0"),
        ("sample", "power_w", "GPU-0"),
        ("mark", "stop", "trial 1"),
        ("sample", "power_w", "GPU-0"),
    ]
    samples = timeline.filter(kind="sample")
    assert samples["value"].to_list() == [90, 200, 95]
    assert samples["before_s"].to_list() == [20, 25, 30]
    assert (timeline["unix_s"] - timeline["after_s"]).to_list() == pytest.approx([1_700_000_000.0] * 10)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    """A file in the way of the directory is one error that names the table."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(ReporterError, match=r"requests\.parquet"):
        ParquetReporter.from_settings(ReporterSettings(tmp_path / "taken")).report(result())
