"""What of a run is on disk when, who may write where, and that no reporter costs another."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import define, evolve, frozen

from ai_energy_benchmarks.config.model import BenchmarkConfig, ReporterConfig
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import ConfigError, ReporterError
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.results.reading import load_results
from ai_energy_benchmarks.results.reanalysis.recompute import differences, reanalyse
from ai_energy_benchmarks.results.requests import requests_frame
from ai_energy_benchmarks.results.run_directory import held, left_journals, left_spills
from ai_energy_benchmarks.runner.interrupts import Interrupts
from ai_energy_benchmarks.runner.recovering import recover
from ai_energy_benchmarks.runner.reporting import aside, write_reports
from ai_energy_benchmarks.testing import FakeBackend
from tests.factories import completion, result, trial
from tests.unit.test_runner_order import Bench, config

FILES = ("json", "csv", "parquet")


def asked(directory: Path, *, trials: int = 3) -> BenchmarkConfig:
    """Trials of four requests whose files go to a directory."""
    short = evolve(config().protocol, trials=trials)
    return evolve(config(), protocol=short, output_dir=directory, reporters=tuple(map(ReporterConfig, FILES)))


def bench(wanted: BenchmarkConfig) -> Bench:
    """A runner on fakes whose reporters are the config's."""
    made = Bench(wanted)
    made.runner._reporters = None
    return made


@define
class Kill:
    """Copies the output directory as it is when a batch begins, which is what a kill at that moment would leave."""

    directory: Path
    copy: Path
    at: int
    batches: int = 0

    def __call__(self, batch: Batch) -> None:
        self.batches += 1
        if self.batches == self.at:
            shutil.copytree(self.directory, self.copy)


def killed(tmp_path: Path, *, at: int) -> tuple[Path, Path]:
    """What a run leaves that is killed at a batch (one of warm-up, two a trial), and what it would have written."""
    directory, copy = tmp_path / "whole", tmp_path / "killed"
    made = bench(asked(directory))
    made.backend.before_batch = Kill(directory, copy, at)
    made.runner.run()
    return copy, directory


def test_a_completed_run_leaves_nothing_but_its_files(tmp_path: Path) -> None:
    """The journal and its directory are gone; every file names the same run."""
    bench(asked(tmp_path)).runner.run()
    written = {"result.json", "config.yaml", "benchmark_results.csv", "requests.parquet", "timeline.parquet"}
    assert {path.name for path in tmp_path.iterdir()} == written
    run_id = json.loads((tmp_path / "result.json").read_text())["run_id"]
    assert (tmp_path / "config.yaml").read_text().startswith(f"# run_id: {run_id}\n")
    assert run_id in (tmp_path / "benchmark_results.csv").read_text()
    assert differences(reanalyse(tmp_path), tmp_path) == ()


@pytest.mark.parametrize(("at", "complete"), [(2, 0), (3, 0), (4, 1), (7, 2)])
def test_a_kill_costs_the_trial_under_way(tmp_path: Path, at: int, complete: int) -> None:
    """What was complete by then is recovered with the figures that a whole run has, marked as interrupted."""
    left, whole = killed(tmp_path, at=at)
    [run] = recover(left)
    assert (run.result.ending, len(run.result.trials)) == ("interrupted", complete)
    assert "interrupted with" in " ".join(each.message for each in run.result.verdict.findings)
    [directory] = (left / "runs").iterdir()
    assert {path.name for path in directory.iterdir()} >= {"result.json", "requests.parquet", "timeline.parquet"}
    assert not (directory / "journal").exists()
    recovered, (document,) = json.loads((directory / "result.json").read_text()), load_results(whole / "result.json")
    assert recovered["trials"] == document["trials"][:complete]
    assert differences(reanalyse(directory), directory) == ()


def test_a_run_that_had_measured_everything_is_written_in_its_place(tmp_path: Path) -> None:
    """Killed while it wrote its report, it has every figure that it would have had."""

    @frozen
    class Full:
        def report(self, found: BenchmarkResult) -> tuple[Path, ...]:
            raise ReporterError("no space")

    directory, whole = tmp_path / "out", tmp_path / "whole"
    made = bench(asked(directory))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ai_energy_benchmarks.runner.composition.make_reporters", lambda _: (Full(), Full(), Full()))
        with pytest.raises(ReporterError, match="no space"):
            made.runner.run()
    assert len(made.runner.failures) == 3
    [run] = recover(directory)
    assert run.result.ending == "completed"
    assert {path.name for path in directory.iterdir()} >= {"result.json", "requests.parquet", "timeline.parquet"}
    assert not (directory / "runs").exists()
    bench(asked(whole)).runner.run()
    mine, theirs = (json.loads((each / "result.json").read_text()) for each in (directory, whole))
    assert mine["components"] == theirs["components"]


def test_the_next_run_names_what_was_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The message has the command; old rows on disk are named too, and the earlier journal stays."""
    left, _ = killed(tmp_path, at=6)
    (left / "requests.spill.abc").mkdir()
    bench(asked(left, trials=1)).runner.run()
    assert f"ai-energy-benchmark recover {left}" in caplog.text
    assert "requests.spill.abc" in caplog.text
    assert len(left_journals(left)) == 1
    assert [each.name for each in left_spills(left)] == ["requests.spill.abc"]


def test_a_cut_line_ends_a_journal(tmp_path: Path) -> None:
    """A process may be killed in the middle of a line; what stands before it counts."""
    left, _ = killed(tmp_path, at=7)
    [lines] = left.glob("runs/*/journal/run.jsonl")
    text = lines.read_text()
    lines.write_text(text[: text.rindex('{"trial"') + 50])
    [run] = recover(left)
    assert len(run.result.trials) == 1


def test_a_directory_belongs_to_one_run(tmp_path: Path) -> None:
    """A second run is refused by name before it loads anything; afterwards the directory is free."""
    with held(tmp_path, "the-first"):
        second = bench(asked(tmp_path))
        with pytest.raises(ReporterError, match=f"in use by run the-first \\(process {os.getpid()} on "):
            second.runner.run()
        assert "backend enters" not in second.journal.lines
    second.runner.run()
    assert (tmp_path / "result.json").exists()


def test_files_of_two_runs_are_refused(tmp_path: Path) -> None:
    """A set that a kill left half replaced is no measurement; files without any id are those of older versions."""
    for name in ("a", "b"):
        bench(asked(tmp_path / name)).runner.run()
    shutil.copy(tmp_path / "a" / "requests.parquet", tmp_path / "b")
    with pytest.raises(ConfigError, match=r"come from different runs .*requests\.parquet: 2"):
        reanalyse(tmp_path / "b")


def test_a_run_that_stops_replaces_nothing(tmp_path: Path) -> None:
    """Its report is in its own directory, and is what a reader finds where there is no completed one."""
    bench(asked(tmp_path)).runner.run()
    before = (tmp_path / "result.json").read_bytes()
    for directory in (tmp_path, tmp_path / "other"):
        stopped = bench(asked(directory, trials=20))
        stopped.backend.failure = lambda _: "out of memory"
        stopped.runner.run()
        assert stopped.runner.result is not None
        assert stopped.runner.result.ending == "stopped"
        assert [path.parent.parent.name for path in stopped.runner.files] == ["runs"] * 5
    assert (tmp_path / "result.json").read_bytes() == before
    assert [each["ending"] for each in load_results(tmp_path / "other")] == ["stopped"]
    shutil.rmtree(tmp_path / "other")
    assert [each["ending"] for each in load_results(tmp_path)] == ["completed"]


def test_a_table_of_the_users_gains_a_row_from_every_run(tmp_path: Path) -> None:
    """Other files that the user named go to the directory of a run that did not complete."""
    named = (ReporterConfig("csv", tmp_path / "all.csv"), ReporterConfig("json", tmp_path / "mine.json"))
    moved = aside(evolve(config(), output_dir=tmp_path, reporters=named), "id")
    assert [each.output_file for each in moved.reporters] == [
        tmp_path / "all.csv",
        tmp_path / "runs" / "id" / "mine.json",
    ]


def test_what_one_reporter_raises_costs_no_other(tmp_path: Path) -> None:
    """Whatever it is, it is one error; a console that is gone leaves the files complete."""

    @frozen
    class Broken:
        def report(self, found: BenchmarkResult) -> tuple[Path, ...]:
            raise BrokenPipeError(32, "Broken pipe")

    document = JsonReporter.from_settings(ReporterSettings(tmp_path))
    reported = write_reports(result(), [("console", Broken()), ("json", document)])  # type: ignore[list-item] # made by hand
    assert (len(reported.files), reported.complete) == (2, True)
    assert [each.message for each in reported.failures] == [
        "the console reporter failed: BrokenPipeError: [Errno 32] Broken pipe"
    ]
    assert not write_reports(result(), [("parquet", Broken())]).complete  # type: ignore[list-item] # made by hand


def test_a_value_that_no_file_holds_costs_its_field(tmp_path: Path) -> None:
    """A count beyond 64 bits is an empty cell, and what JSON does not know is null."""
    few = result([trial(outcomes=[completion(0), completion(1)])])
    [one] = few.trials
    many = (one.outcomes[0], evolve(one.outcomes[1], output_tokens=10**30))
    found = evolve(few, trials=(evolve(one, outcomes=many),))
    assert requests_frame(found)["output_tokens"].null_count() == 1
    ParquetReporter.from_settings(ReporterSettings(tmp_path)).report(found)
    assert found.engine is not None
    odd = evolve(found, engine=evolve(found.engine, settings={"odd": object()}))
    file, _ = JsonReporter.from_settings(ReporterSettings(tmp_path)).report(odd)
    assert json.loads(file.read_text())["backend_info"]["settings"] == {"odd": None}


class Stopped(FakeBackend):
    """Ctrl-C comes as soon as a run has begun its journal."""

    @property
    def needs_endpoint(self) -> bool:
        if (Path("out") / "runs").exists():
            raise KeyboardInterrupt
        return False


def test_a_run_that_is_interrupted_before_its_first_step_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No journal either: there is nothing to recover."""
    monkeypatch.chdir(tmp_path)
    made = bench(asked(Path("out")))
    made.runner.backend = Stopped(made.journal, made.clock)
    with pytest.raises(KeyboardInterrupt):
        made.runner.run()
    assert list(tmp_path.rglob("*.*")) == []


@pytest.fixture
def counting() -> Iterator[list[int]]:
    """A handler of SIGINT that notes and raises, as Python's own does."""
    came: list[int] = []

    def note(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    yield came
    signal.signal(signal.SIGINT, before)


def test_a_third_signal_interrupts_nothing(counting: list[int]) -> None:
    """The first ends measuring, the second waiting, and no other one writing; afterwards all is as it was."""

    def interrupted() -> None:
        with Interrupts():
            for _ in range(2):
                with suppress(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert len(counting) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_while_a_completed_run_is_written_comes_after_it(counting: list[int]) -> None:
    """The report is not cut short by it."""
    written = []

    def measured() -> None:
        with Interrupts() as interrupts:
            interrupts.hold()
            signal.raise_signal(signal.SIGINT)
            written.append("report")

    with pytest.raises(KeyboardInterrupt):
        measured()
    assert (written, len(counting)) == (["report"], 1)


def test_the_page_of_an_earlier_run_goes_with_it(tmp_path: Path) -> None:
    """A page next to a result is a page of that result, or there is none."""
    bench(asked(tmp_path)).runner.run()
    (tmp_path / "report.html").write_text("of the run before")
    bench(asked(tmp_path)).runner.run()
    assert not (tmp_path / "report.html").exists()


def test_the_first_signal_alone_is_answered(counting: list[int]) -> None:
    """One line for the one that ends measuring; none for the second, and none where a completed run is written."""
    said: list[str] = []
    with Interrupts(lambda: said.append("stopping")):
        for _ in range(2):
            with suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    assert said == ["stopping"]
    with suppress(KeyboardInterrupt), Interrupts(lambda: said.append("too late")) as interrupts:
        interrupts.hold()
        signal.raise_signal(signal.SIGINT)
    assert (said, len(counting)) == (["stopping"], 3)


_HELD = """
import os, signal, threading
from ai_energy_benchmarks.runner.interrupts import Interrupts

came = threading.Event()
try:
    with Interrupts() as interrupts:
        import polars  # sets a handler of its own, as in a run after those of the run
        numbers = polars.DataFrame({"a": range(300_000)})
        interrupts.hold()
        threading.Timer(0.1, lambda: (os.kill(os.getpid(), signal.SIGINT), came.set())).start()
        while not came.is_set():
            numbers.lazy().with_columns(b=polars.col("a").hash()).sort("b").collect()
        print("written")
except KeyboardInterrupt:
    print("handed on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process that is sent SIGINT")
def test_polars_does_not_cut_writing_short_either(tmp_path: Path, root: Path) -> None:
    """Its own handler of SIGINT would raise ``KeyboardInterrupt`` in the call that writes a frame."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", _HELD], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout.split("\n")[:2], done.stderr) == (["written", "handed on"], "")
