"""A unit of work that is not a token: seconds of audio through a whole run, its files, its reports and re-analysis."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest
from attrs import define, evolve
from rich.console import Console

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.domain.work import unit
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reanalysis.recompute import Changes, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, Journal
from tests.factories import completion, reading, result, trial


@define
class Speech(FakeBackend):
    """Speaks each prompt: half a second of audio for each second of work, and no tokens."""

    async def generate(self, batch: Batch) -> tuple[Completion | FailedCompletion, ...]:
        done = await super().generate(batch)
        return tuple(
            evolve(each, output_tokens=0, token_times_s=(), amounts={"audio_s": 0.5})
            for each in done
            if isinstance(each, Completion)
        )


def spoken(tmp_path: Path) -> BenchmarkRunner:
    file = tmp_path / "config.yaml"
    file.write_text(
        "backend: {type: pytorch, model: fake-model}\n"
        "scenario: {num_samples: 4, dataset_name: builtin}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}, trials: 3}\n"
        "reporters: [{type: json}, {type: csv}, {type: parquet}]\n"
        f"output_dir: '{tmp_path / 'out'}'\n"
    )
    journal = Journal()
    clock = FakeClock(journal)
    meter = FakeCollector(journal, clock, component="cpu", power_w=50.0)
    return BenchmarkRunner(load_config(file), backend=Speech(journal, clock), collector=meter, clock=clock)


def test_seconds_of_audio_through_a_whole_run(tmp_path: Path) -> None:
    """Four prompts of 1 s of work each at 50 W make 2 s of audio for 200 J: 100 J a second, in every report."""
    runner = spoken(tmp_path)
    document = runner.run()
    assert document["work"]["unit"] == "audio_s"
    assert document["work"]["amounts"]["audio_s"] == {"per_pass": 2.0, "per_s": 0.5}
    per = document["derived"]["cpu"]["j_per_unit"]["audio_s"]
    assert (per["value"], per["low"], per["high"], per["n"]) == (100.0, 100.0, 100.0, 3)
    assert document["derived"]["cpu"]["j_per_output_token"] is None
    messages = {each["check"]: (each["level"], each["message"]) for each in document["verdict"]["findings"]}
    assert messages["output"] == ("PASS", "6 seconds of audio from 12 requests")
    assert "empty answers" not in messages
    assert "J/second of audio scatters" in messages["repeatability"][1]
    with (tmp_path / "out" / "benchmark_results.csv").open(newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert (row["work_unit"], row["audio_s"], row["audio_s_per_s"]) == ("audio_s", "2.0", "0.5")
    assert float(row["cpu_j_per_audio_s"]) == 100.0
    screen = StringIO()
    assert runner.result is not None
    ConsoleReporter(Console(width=160, file=screen)).report(runner.result)
    text = screen.getvalue()
    assert "J/second" in text
    assert "of audio" in text
    assert "0.5000 seconds of audio/s" in text
    assert "2.000 seconds of audio in 4.000 s" in text
    again = report_document(reanalyse(tmp_path / "out", Changes()))
    assert again["derived"] == document["derived"]
    assert again["work"] == document["work"]


def test_text_looks_as_it_did() -> None:
    """Output tokens are the unit, and no further column or key of a component appears."""
    made = result()
    document = report_document(made)
    assert document["work"]["unit"] == "output_tokens"
    assert list(document["work"]["amounts"]) == ["output_tokens"]
    assert "j_per_unit" not in document["derived"]["gpu"]
    assert "work_unit" not in result_row(made)


def test_a_text_with_pictures_is_counted_in_tokens_and_names_both() -> None:
    """Where a pass makes tokens too, they lead; the energy of a picture stands next to them."""
    outcomes = [evolve(completion(number), amounts={"images": 2.0}) for number in range(5)]
    summary = summarise([trial(1, reading(energy_j=100), outcomes=outcomes)], [])
    (gpu,) = summary.components
    images = gpu.per(unit("images"))
    assert summary.unit.name == "output_tokens"
    assert images is not None
    assert images.mean_j.mean == 10.0
    assert gpu.per(summary.unit) is not None


@pytest.mark.parametrize(("name", "many"), [("documents", "documents"), ("proved_theorems", "proved theorems")])
def test_a_unit_that_is_not_known_is_called_by_its_name(name: str, many: str) -> None:
    """A backend may count what it likes."""
    assert unit(name).many == many
