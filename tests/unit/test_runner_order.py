"""The order of one benchmark, read from the journal that the fakes keep."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.config.model import (
    BackendConfig,
    BenchmarkConfig,
    GenerateKwargs,
    InputShapes,
    ProtocolConfig,
    ReporterConfig,
    ScenarioConfig,
    WarmupConfig,
)
from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.local import LocalDataset, LocalOptions
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.prompts import Batch, Prompt, Tokenizer
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import BackendError, DatasetError, ReporterError
from ai_energy_benchmarks.metrics.combined import CombinedCollector
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, FakeReporter, Journal


class Letters:
    """A dataset of one-letter prompts."""

    def __init__(self, letters: str) -> None:
        self.letters = letters

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        return tuple(Prompt(index, letter) for index, letter in enumerate(self.letters[:count]))


def config(**scenario: object) -> BenchmarkConfig:
    asked = {"num_samples": 4, "input_shapes": InputShapes(2), "generate_kwargs": GenerateKwargs(max_new_tokens=4)}
    return BenchmarkConfig(
        backend=BackendConfig("pytorch", "fake-model"),
        scenario=ScenarioConfig(**{**asked, **scenario}),  # type: ignore[arg-type] # keys under test
        protocol=ProtocolConfig(bare_idle_s=10, resident_idle_s=5, warmup=WarmupConfig(requests=1), trials=2),
    )


class Bench:
    """A runner on fakes, with its journal at hand."""

    def __init__(self, wanted: BenchmarkConfig | None = None, letters: str = "abcdefgh") -> None:
        self.journal = Journal()
        self.clock = FakeClock(self.journal)
        self.backend = FakeBackend(self.journal, self.clock)
        self.collector = FakeCollector(self.journal, self.clock)
        self.reporter = FakeReporter(self.journal)
        self.runner = BenchmarkRunner(
            wanted or config(),
            backend=self.backend,
            collector=self.collector,
            reporters=[self.reporter],
            dataset=Letters(letters),  # type: ignore[arg-type] # made by hand: no from_settings
            clock=self.clock,
        )

    def result(self) -> BenchmarkResult:
        return self.runner.measure()

    def levels(self) -> dict[str, str]:
        assert self.runner.result is not None
        return {finding.check: finding.level for finding in self.runner.result.verdict.findings}


class Nowhere(FakeBackend):
    """A backend whose model nothing has."""

    def look_for_model(self) -> None:
        self.journal.note("look for the model")
        raise BackendError("there is no hub model 'org/none', or it is private")


def test_a_model_that_nothing_has_is_refused_before_the_bare_idle() -> None:
    """The hub is asked first: neither a meter nor a clock is touched for a name that is wrong."""
    bench = Bench()
    bench.runner = BenchmarkRunner(
        config(), backend=Nowhere(bench.journal, bench.clock), collector=bench.collector, reporters=[bench.reporter],
        dataset=Letters("abcdefgh"), clock=bench.clock,  # type: ignore[arg-type] # made by hand: no from_settings
    )  # fmt: skip
    with pytest.raises(BackendError, match="no hub model"):
        bench.runner.measure()
    assert bench.clock.time_s == 0.0
    assert bench.journal.lines[-1] == "look for the model"


def test_a_whole_benchmark_in_order() -> None:
    """Idle, load, idle, warm-up, trials, idle, release, report: and between two marks only generation."""
    bench = Bench()
    bench.runner.check()
    bench.journal.lines.clear()
    bench.collector.quiet_s = 0.5
    bench.runner.run()
    trial = ["sleep 0.5 s", "mark", "generate ['a', 'b']", "generate ['c', 'd']", "mark", "sleep 0.5 s", "read"]
    assert bench.journal.lines == [
        *("collector enters", "mark", "sleep 10 s", "mark", "read"),
        *("mark", "backend enters", "mark", "read"),
        "collector attaches to processes [1]",
        *("mark", "sleep 5 s", "mark", "read"),
        *("mark", "generate ['e', 'f']", "mark", "read"),
        *trial,
        *trial,
        *("mark", "sleep 5 s", "mark", "read"),
        *("backend leaves", "collector leaves", "report"),
    ]


def test_a_rest_goes_on_until_the_meter_has_seen_enough() -> None:
    """Before a trial and after it; the meter is told how long the workload has rested in all."""
    bench = Bench()
    bench.collector.quiet_s = 0.5
    bench.collector.further_s = [0.0, 0.5, 1.0]  # the first trial's rests, of which the second is not flat at once
    bench.result()
    sleeps = [line for line in bench.journal.lines if line.startswith("sleep")]
    assert sleeps[2:7] == ["sleep 0.5 s", "sleep 0.5 s", "sleep 0.5 s", "sleep 1 s", "sleep 0.5 s"]
    assert bench.collector.rests_s == [0.5, 0.5, 1.0, 2.0, 0.5, 0.5]


def test_energy_is_power_times_the_time_of_the_window() -> None:
    """Two batches of 1 s at 100 W are 200 J a pass, and 12.5 J for each of the 16 output tokens."""
    summary = Bench().result().summary
    (gpu,) = summary.components
    assert gpu.energy_j == pytest.approx(200)
    assert gpu.per_output_token_j is not None
    assert gpu.per_output_token_j.mean == pytest.approx(12.5)
    assert (summary.requests, summary.output_tokens, summary.prompt_tokens) == (4, 16, 12)
    assert summary.output_tokens_per_s == pytest.approx(8)


def test_checking_twice_costs_nothing() -> None:
    """``validate`` before ``run`` opens the meter once, not twice more."""
    bench = Bench()
    assert bench.runner.validate()
    first = list(bench.journal.lines)
    assert bench.runner.validate()
    assert bench.journal.lines == first


def test_too_few_prompts_is_an_error_unless_repeated() -> None:
    """More samples than prompts is refused with the number there is, or repeated when asked."""
    with pytest.raises(DatasetError, match="has only 3 prompts"):
        Bench(letters="abc").runner.check()
    bench = Bench(config(repeat=True), letters="abc")
    bench.result()
    assert "generate ['a', 'b']" in bench.journal.lines
    assert "generate ['c', 'a']" in bench.journal.lines


def test_warm_up_prompts_are_never_the_measured_ones() -> None:
    """A dataset without spare prompts is warmed up on prompts that begin differently."""
    bench = Bench(letters="abcd")
    bench.result()
    assert "generate ['Warm-up 1. a', 'Warm-up 2. b']" in bench.journal.lines


def test_a_failed_request_does_not_lose_the_run() -> None:
    """Failures are counted and named; the other requests keep their figures."""
    bench = Bench()
    bench.backend.failure = lambda request: "no luck" if request.prompt.text == "b" else None
    result = bench.result()
    assert result.ending == "completed"
    assert (result.summary.succeeded, result.summary.failed) == (3, 1)
    assert result.verdict.level == "FAIL"
    assert any("no luck" in finding.message for finding in result.verdict.findings)


def test_ten_failures_in_a_row_stop_the_run_and_keep_the_rest() -> None:
    """When nothing succeeds any more the run stops, and what was seen is reported."""
    bench = Bench(config(num_samples=30), letters="abcdefghijklmnopqrstuvwxyzABCDEFGH")
    bench.backend.failure = lambda request: "server is gone" if request.number > 5 else None
    document = bench.runner.run()
    (trial,) = bench.reporter.results[0].trials
    assert document["ending"] == "stopped"
    assert document["verdict"]["level"] == "FAIL"
    assert not trial.complete
    assert (len(trial.completions), len(trial.failures)) == (6, 10)
    assert trial.measurement is not None


def test_a_dead_backend_stops_at_once() -> None:
    """A backend that says it is dead is not asked again."""
    bench = Bench()
    bench.backend.failure = lambda request: "CUDA error: device-side assert"
    bench.backend.dead = True
    result = bench.result()
    assert result.ending == "stopped"
    assert not result.trials, "it died in the warm-up"
    assert sum(line.startswith("generate") for line in bench.journal.lines) == 1
    assert "backend leaves" in bench.journal.lines


def test_a_lost_meter_costs_the_figure_and_not_the_run() -> None:
    """Tokens and times are reported, energy is absent with the reason, and the verdict is FAIL."""
    bench = Bench()
    bench.collector.lost = True
    result = bench.result()
    assert result.ending == "completed"
    assert result.summary.components == ()
    assert result.summary.output_tokens == 16
    assert result.verdict.level == "FAIL"
    assert any("unplugged" in finding.message for finding in result.verdict.findings)


@pytest.mark.parametrize("power_w", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_not_believed(power_w: float) -> None:
    """A meter that computes nonsense costs the figure and says so, instead of spoiling every mean."""
    bench = Bench()
    bench.collector.power_w = power_w
    result = bench.result()
    assert result.summary.components == ()
    assert any("non-finite value" in finding.message for finding in result.verdict.findings)


def test_ctrl_c_reports_what_is_there_and_is_passed_on() -> None:
    """After Ctrl-C in the second trial the first is whole, the second partial, and both are written."""
    bench = Bench()

    def interrupt(batch: Batch) -> None:
        if sum(line.startswith("generate ['c'") for line in bench.journal.lines) == 2:
            raise KeyboardInterrupt

    bench.backend.before_batch = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.runner.run()
    (result,) = bench.reporter.results
    assert [trial.complete for trial in result.trials] == [True, False]
    assert len(result.trials[1].completions) == 2
    assert result.ending == "interrupted"
    assert bench.journal.lines[-3:] == ["backend leaves", "collector leaves", "report"]


def test_ctrl_c_in_the_rest_after_a_pass_keeps_the_pass() -> None:
    """Everything that counts had happened: the trial is whole, with its energy."""

    class Impatient(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await bench.clock.sleep(seconds)
            if bench.journal.lines.count("sleep 0.5 s") == 4:  # one on either side of each trial
                raise KeyboardInterrupt

    bench = Bench()
    bench.collector.quiet_s = 0.5
    bench.runner._clock = Impatient(bench.journal)
    with pytest.raises(KeyboardInterrupt):
        bench.runner.run()
    (result,) = bench.reporter.results
    assert [(trial.number, trial.complete, len(trial.completions)) for trial in result.trials] == [
        (1, True, 4),
        (2, True, 4),
    ]
    assert all(trial.measurement is not None for trial in result.trials)
    assert result.ending == "interrupted"


def test_ctrl_c_while_answers_are_worked_up_keeps_the_trial_as_partial() -> None:
    """After a pass, texts are made and tokens counted again; energy and tokens stay without that."""

    class Recounting(FakeBackend):
        recounted = 0

        def recount(self, outcome: Completion) -> Completion:
            self.recounted += 1
            if self.recounted == 6:  # the second of four in the second trial
                raise KeyboardInterrupt
            return outcome

    bench = Bench()
    bench.runner.backend = Recounting(bench.journal, bench.clock)
    with pytest.raises(KeyboardInterrupt):
        bench.runner.run()
    (result,) = bench.reporter.results
    assert [trial.complete for trial in result.trials] == [True, False]
    assert result.trials[1].output_tokens == 16
    assert result.trials[1].measurement is not None


def test_a_server_whose_meter_is_lost_in_the_run_fails() -> None:
    """It does not name its boards, but the meter counted some: the CPU's energy alone is not the model's."""

    class Server(FakeBackend):
        def facts(self) -> EngineFacts:
            return evolve(super().facts(), device=None, board_ids=None)

    bench = Bench()
    server, cpu = Server(bench.journal, bench.clock), FakeCollector(bench.journal, bench.clock, 20.0, "cpu")

    def unplug(batch: Batch) -> None:
        bench.collector.lost = sum(line.startswith("generate ['c'") for line in bench.journal.lines) == 2

    server.before_batch = unplug
    bench.runner.backend, bench.runner._collector = server, CombinedCollector((bench.collector, cpu))
    result = bench.result()
    assert [each.component for each in result.summary.components] == ["cpu"]
    failed = [each.message for each in result.verdict.findings if (each.level, each.check) == ("FAIL", "energy")]
    assert len(failed) == 1
    assert failed[0].startswith("the model ran on a GPU")
    assert "unplugged" in failed[0]


def test_an_error_that_nobody_expected_keeps_the_trials_before_it() -> None:
    """An engine that dies in the third trial costs no more than that; the error is passed on after the report."""

    class EngineDeadError(Exception):
        """As vLLM has it."""

    bench = Bench(evolve(config(), protocol=evolve(config().protocol, trials=3)))

    def die(batch: Batch) -> None:
        if sum(line.startswith("generate ['c'") for line in bench.journal.lines) == 3:
            raise EngineDeadError("a worker is gone")

    bench.backend.before_batch = die
    with pytest.raises(EngineDeadError):
        bench.runner.run()
    (result,) = bench.reporter.results
    assert [trial.complete for trial in result.trials[:2]] == [True, True]
    assert (result.ending, result.summary.trials, result.verdict.level) == ("stopped", 2, "FAIL")
    (stopped,) = (each for each in result.verdict.findings if each.check == "stopped")
    assert stopped.level == "FAIL"
    assert stopped.message.startswith("EngineDeadError: a worker is gone; fix: ")


def test_what_was_cut_short_does_not_replace_a_whole_result(tmp_path: Path) -> None:
    """An interrupted rerun is written beside the earlier result, which stays as it was."""
    asked = evolve(config(), output_dir=tmp_path, reporters=(ReporterConfig("json"),))
    whole = Bench(asked)
    whole.runner._reporters = None
    whole.runner.run()
    before = (tmp_path / "result.json").read_bytes()
    again = Bench(asked)
    again.runner._reporters = None

    def interrupt(batch: Batch) -> None:
        raise KeyboardInterrupt

    again.backend.before_batch = interrupt
    with pytest.raises(KeyboardInterrupt):
        again.runner.run()
    assert (tmp_path / "result.json").read_bytes() == before
    [aside] = (tmp_path / "runs").glob("*/result.json")
    assert '"ending": "interrupted"' in aside.read_text()


def test_runs_inside_a_running_event_loop() -> None:
    """A notebook or a service has a loop already; the benchmark brings its own thread then."""

    async def inside() -> BenchmarkResult:
        return Bench().runner.measure()

    assert asyncio.run(inside()).ending == "completed"


def test_runs_from_any_thread() -> None:
    """Two benchmarks in two threads do not meet."""
    results: list[BenchmarkResult] = []
    threads = [threading.Thread(target=lambda: results.append(Bench().runner.measure())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.ending for result in results] == ["completed", "completed"]


def test_a_load_error_is_raised_and_the_meter_closed() -> None:
    """What cannot begin raises its reason; nothing stays open."""

    class Broken(FakeBackend):
        def __enter__(self) -> FakeBackend:
            raise BackendError("no such model", remedy="check backend.model")

    bench = Bench()
    bench.runner.backend = Broken(bench.journal, bench.clock)
    with pytest.raises(BackendError, match="no such model"):
        bench.runner.run()
    assert bench.journal.lines[-1] == "collector leaves"


def test_a_report_that_cannot_be_written_does_not_cost_the_others() -> None:
    """Every other reporter still writes before the error is raised."""

    class Full(FakeReporter):
        def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
            raise ReporterError("the disk is full")

    bench = Bench()
    bench.runner._reporters = [Full(bench.journal), bench.reporter]
    with pytest.raises(ReporterError, match="disk is full"):
        bench.runner.run()
    assert len(bench.reporter.results) == 1


def test_steps_have_rows_of_their_own() -> None:
    """Every step outside the trials keeps its duration and energy."""
    result = Bench().result()
    assert [(step.name, step.duration_s) for step in result.steps] == [
        ("bare idle", 10),
        ("load", 0),
        ("resident idle", 5),
        ("warm-up", 1),
        ("hot idle", 5),
    ]
    assert all(step.measurement is not None for step in result.steps)


def test_the_backend_can_be_deleted_by_the_caller() -> None:
    """``del runner.backend`` frees it, as scripts of AI Energy Score do."""
    bench = Bench()
    bench.runner.run()
    del bench.runner.backend
    assert "backend" not in vars(bench.runner)


def test_metrics_disabled_means_absent_energy() -> None:
    """Without meters there are tokens and times, and no energy at all."""
    base = config()
    bench = Bench(evolve(base, metrics=evolve(base.metrics, enabled=False)))
    bench.runner._collector = None
    result = bench.result()
    assert result.summary.components == ()
    assert set(result.summary.absent) == {"gpu", "cpu", "dram"}
    assert result.summary.output_tokens == 16


def test_the_verdict_has_the_number_of_skipped_rows(tmp_path: Path) -> None:
    """Rows without a prompt were left aside because the config says so; a file without any has no such line."""
    path = tmp_path / "prompts.csv"
    for texts, lines in (("a,,b,c,,d,e", ["2 rows without a prompt skipped (scenario.dataset_options.skip_empty)"]),
                         ("a,b,c,d,e", [])):  # fmt: skip
        path.write_text("\n".join(["id,text", *(f"1,{text}" for text in texts.split(","))]))
        dataset = LocalDataset(DatasetSettings(str(path), "text", options=LocalOptions(skip_empty=True)))
        journal = Journal()
        clock = FakeClock(journal)
        runner = BenchmarkRunner(
            config(),
            backend=FakeBackend(journal, clock),
            collector=FakeCollector(journal, clock),
            reporters=[],
            dataset=dataset,
            clock=clock,
        )
        findings = runner.measure().verdict.findings
        assert [finding.message for finding in findings if finding.check == "dataset"] == lines


def test_a_batch_larger_than_a_pass_warns_with_what_the_batches_held() -> None:
    """The setting has no effect as written; a batch as large as the pass has."""
    for size, messages in ((5, ["scenario.input_shapes.batch_size is 5, but batches held at most 4, since"]), (4, [])):
        findings = Bench(config(input_shapes=InputShapes(size))).result().verdict.findings
        found = [each for each in findings if each.check == "batch size"]
        assert [each.level for each in found] == ["WARN" for _ in messages]
        assert all(each.message.startswith(start) for each, start in zip(found, messages, strict=True))
        assert all("fix: set scenario.num_samples to at least 5, or" in each.message for each in found)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of other processes")
@pytest.mark.parametrize(
    ("process_ids", "level", "why"),
    [((os.getpid(),), "WARN", "the trials last"), ((), "INFO", "the processes of the engine")],
)
def test_trials_too_short_to_see_other_work_warn_where_the_workload_is_here(
    process_ids: tuple[int, ...], level: str, why: str
) -> None:
    """Of an engine elsewhere it is a fact that others could not be seen."""

    class Here(FakeBackend):
        def process_ids(self) -> tuple[int, ...]:
            return process_ids

    journal = Journal()
    clock = FakeClock(journal)
    runner = BenchmarkRunner(
        config(),
        backend=Here(journal, clock, seconds_per_token=0.001),
        collector=FakeCollector(journal, clock),
        reporters=[],
        dataset=Letters("abcdefgh"),  # type: ignore[arg-type] # made by hand: no from_settings
        clock=clock,
    )
    result = runner.measure()
    (found,) = [each for each in result.verdict.findings if each.check == "other work"]
    assert found.level == level
    noticed = [each for each in result.noticed if each.check == "other work"]
    assert noticed == ([found] if level == "WARN" else [])
    assert found.message.startswith(f"not checked: {why}")
