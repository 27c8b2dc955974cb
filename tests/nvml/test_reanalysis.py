"""A real benchmark on simulated boards, and every figure of it anew from its files."""

from __future__ import annotations

import json
import shutil
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve, frozen

from ai_energy_benchmarks import load_config
from ai_energy_benchmarks.analysis.derived import derive
from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.power import Reading
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.domain.serving import ServerCounters
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reanalysis.recompute import Changes, differences, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.nvml.conftest import simulating
from tests.nvml.simulated import Board, Machine, constant, telegraph

pytest.importorskip("torch", reason="these tests run PyTorch")
pytest.importorskip("transformers", reason="these tests run PyTorch")

# Windows so long that the GPU's energy, and so the total, is surely resolved.
LONG = ("scenario.generate_kwargs", {"max_new_tokens": 160, "min_new_tokens": 160})

A, B = "GPU-aaaa1111-0000-0000-0000-000000000000", "GPU-bbbb2222-0000-0000-0000-000000000000"


class OnBoards(PyTorchBackend):
    """Runs on the CPU and says that it uses both boards, so that their energy counts."""

    def facts(self) -> EngineFacts:
        return evolve(super().facts(), board_ids=(A, B))


class OnSharedBoards(OnBoards):
    """A counter of its own says that far more tokens were generated than it tells of."""

    def counters(self) -> ServerCounters:
        return ServerCounters(output_tokens=next(self._others))

    _others = count(0, 10_000)


def ran(folder: Path, *changes: tuple[str, object], engine: type[PyTorchBackend] = OnBoards) -> BenchmarkResult:
    """A benchmark of a tiny model in ``folder/out``, its boards and CPU metered."""
    from tests.tiny_model import save_tiny_model

    save_tiny_model(folder / "model", end_ids=[1])
    (folder / "prompts.txt").write_text("one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    (folder / "benchmark.yaml").write_text("""
name: tiny
backend: {type: pytorch, model: model, device: cpu, options: {threads: 1}}
scenario: {dataset_name: prompts.txt, num_samples: 6, generate_kwargs: {max_new_tokens: 60, min_new_tokens: 60}}
protocol:
  {bare_idle_s: 0.3, resident_idle_s: 0.4, settle_cap_s: 0.6, warmup: {requests: 1}, thermal_gate: false, trials: 3}
metrics: {collectors: [nvml, modelled], country_iso_code: FRA}
reporters: [json, parquet]
output_dir: out
""")
    config = load_config(folder / "benchmark.yaml", dict(changes))
    settings = BackendSettings(config.backend.model, "cpu", (0,), None, "text-generation", config.backend.options)
    backend = engine.from_settings(settings)
    runner = BenchmarkRunner(config, backend=backend)
    runner.run()
    assert runner.result is not None
    return runner.result


@frozen
class Run:
    """A finished run that many tests read: its result, the machine that it was measured on, and its files."""

    result: BenchmarkResult
    machine: Machine
    files: Path


def measured_once(library: Path, directory: Path, *changes: tuple[str, object], **engine: type[PyTorchBackend]) -> Run:
    """Measure on a GPU whose power is never the same but always at rest, and on one without a counter."""
    resting = telegraph((299.0, 300.0, 301.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        simulate = simulating(library, directory, patch)
        machine = simulate(Board(A, resting, tick_s=0.02), Board(B, constant(80.0), counter=False, tick_s=0.02))
        result = ran(directory, *changes, **engine)
    return Run(result, machine, directory / str(dict(changes).get("output_dir", "out")))


@pytest.fixture(scope="module")
def three(simulated_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three trials as they come, in France; every test gets the files anew from ``folder``."""
    return measured_once(simulated_library, tmp_path_factory.mktemp("three"), LONG)


@pytest.fixture(scope="module")
def site(simulated_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One trial without bare idle, at a site with a price, a PUE and a wall factor; brackets are in its path."""
    return measured_once(
        simulated_library,
        tmp_path_factory.mktemp("site"),
        LONG,
        ("protocol.trials", 1),
        ("protocol.bare_idle_s", 0),
        ("metrics.wall_factor", 1.2),
        ("metrics.cost", {"price_per_kwh": 0.3, "currency": "EUR", "site_tariff": True}),
        ("metrics.carbon", {"intensity_g_per_kwh": 50.0, "source": "test", "pue": 1.2}),
        ("output_dir", "qwen[fp8]"),
    )


@pytest.fixture
def folder(three: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present directory, with a copy of the three trials' files in ``out``."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(three.files, tmp_path / "out")
    return tmp_path


def readings(result: BenchmarkResult) -> list[object]:
    windows = [*result.steps, *result.trials]
    return [window.measurement for window in windows]


def test_nothing_changed_is_the_same_bit_for_bit(three: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Readings, bounds, tokens, latencies and verdict come out of the files exactly as they were reported."""
    measured = three.result
    again = reanalyse(folder / "out")
    assert [len(each.measurement.readings) for each in measured.trials if each.measurement] == [3, 3, 3]
    assert readings(again) == readings(measured)
    assert again.summary == measured.summary
    assert again.verdict == measured.verdict
    recorded = (folder / "out/result.json").read_text()
    assert json.dumps(report_document(again), indent=2, ensure_ascii=False) + "\n" == recorded
    assert exit_code(["reanalyze", "out", "--output-dir", "again"]) == 0
    assert "bit for bit" in capsys.readouterr().out
    assert (folder / "again/result.json").read_text() == recorded
    assert (folder / "again/config.yaml").read_text() == (folder / "out/config.yaml").read_text()


def test_a_recorded_figure_that_the_series_do_not_give_is_told(folder: Path) -> None:
    """Figures come from the raw series: a report that was edited shows it."""
    file = folder / "out/result.json"
    document = json.loads(file.read_text())
    document["trials"][0]["energy"]["cpu"]["energy_j"] += 1.0
    file.write_text(json.dumps(document))
    assert differences(reanalyse(folder / "out"), folder / "out") == ("trials[0].energy.cpu.energy_j",)


def test_the_energy_at_the_wall_follows_its_factor(site: Run) -> None:
    """The config's factor comes back with the files, and another can be tried; the components stay as they are."""
    recorded = report_document(site.result)
    total_j = recorded["components"]["total"]["energy_j"]
    assert recorded["wall"]["energy_j"]["value"] == pytest.approx(1.2 * total_j)
    assert differences(reanalyse(site.files), site.files) == ()
    again = reanalyse(site.files, Changes(wall_factor=1.5))
    document = report_document(again)
    assert document["wall"]["energy_j"]["value"] == pytest.approx(1.5 * total_j)
    assert document["components"] == recorded["components"]
    assert document["energy"]["emissions_g_co2eq"] == pytest.approx(recorded["energy"]["emissions_g_co2eq"] * 1.25)
    assert "the wall factor is 1.5, given to reanalyze" in [each.message for each in again.verdict.findings]
    assert exit_code(["reanalyze", str(site.files), "--wall-factor", "1.5"]) == 0


def test_the_file_names_its_directory_and_a_missing_one_has_a_cure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``result.json`` is what people have at hand; a missing directory is refused with what to give."""
    assert exit_code(["reanalyze", "out/result.json"]) == 0
    assert "bit for bit" in capsys.readouterr().out
    assert exit_code(["reanalyze", "gone"]) == 2
    assert "fix: give the output_dir of a finished run" in capsys.readouterr().err


def test_brackets_in_the_path_are_no_pattern(site: Run) -> None:
    """A directory may be called after a model and its type."""
    assert site.files.name == "qwen[fp8]"
    assert differences(reanalyse(site.files), site.files) == ()


def test_other_assumptions_change_what_hangs_on_them(three: Run, folder: Path) -> None:
    """Carbon, PUE and baseline move their figures; gross energy stays, and the verdict names every change."""
    measured = three.result
    recorded = report_document(measured)
    changed = reanalyse(folder / "out", Changes(intensity_g_per_kwh=100.0, pue=1.5, baseline="hot"))
    document = report_document(changed)
    assert document["energy"]["gpu_energy_wh"] == recorded["energy"]["gpu_energy_wh"]
    assert document["energy"]["emissions_g_co2eq"] == pytest.approx(document["energy"]["total_energy_kwh"] * 150.0)
    assert document["components"]["gpu"]["idle_power_w"] != recorded["components"]["gpu"]["idle_power_w"]
    assert changed.summary.components[0].net_energy_j != measured.summary.components[0].net_energy_j
    assert document["components"]["gpu"]["idle_half_difference_w"] is None
    notes = [each.message for each in changed.verdict.findings if each.check == "re-analysis"]
    assert len(notes) == 3
    poland = reanalyse(folder / "out", Changes(country="POL"))
    assert poland.carbon is not None
    assert measured.carbon is not None
    assert poland.carbon.intensity_g_per_kwh > 3 * measured.carbon.intensity_g_per_kwh
    assert poland.carbon.source.startswith("Poland")


def test_the_cost_of_a_site_follows_its_pue(site: Run) -> None:
    """One report has one PUE; a price that is not the site's does not know of it."""
    recorded = report_document(site.result)
    again = report_document(reanalyse(site.files, Changes(pue=1.5)))
    assert again["cost"]["per_pass"] == pytest.approx(recorded["cost"]["per_pass"] * 1.5 / 1.2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (Changes(country="POL", intensity_g_per_kwh=10.0), "a country and a carbon intensity"),
        (Changes(from_s=5.0, to_s=3.0), "from 5 s to 3 s is empty"),
        (Changes(baseline="bare"), "measured no bare idle"),
    ],
)
def test_changes_that_cannot_be_are_refused(site: Run, changes: Changes, words: str) -> None:
    """Two words on one thing, an empty part, a baseline that the run does not have."""
    with pytest.raises(ConfigError, match=words):
        reanalyse(site.files, changes)


def test_dropped_trials_do_not_count_and_are_named(three: Run, folder: Path) -> None:
    """Means are over what is left; leaving everything out is refused."""
    measured = three.result
    kept = reanalyse(folder / "out", Changes(dropped=frozenset({1, 3})))
    assert kept.summary.trials == 1
    assert kept.summary.duration_s == measured.trials[1].duration_s
    [dropped] = [each for each in kept.verdict.findings if each.check == "dropped trials"]
    assert (dropped.level, dropped.component) == ("WARN", None)
    recorded = json.loads((folder / "out" / "result.json").read_text())["verdict"]["level"]
    assert f"trials 1, 3 skipped by hand; the recorded verdict on all trials is {recorded}" in dropped.message
    assert kept.verdict.level in ("WARN", "FAIL")
    with pytest.raises(ConfigError, match="no trial is left"):
        reanalyse(folder / "out", Changes(dropped=frozenset({1, 2, 3})))
    with pytest.raises(ConfigError, match="no trial 7"):
        reanalyse(folder / "out", Changes(dropped=frozenset({7})))


def test_a_part_of_a_trial_holds_its_energy_and_its_tokens(three: Run, folder: Path) -> None:
    """Two halves have the tokens of the whole, and the bounds of each hold what the GPU drew."""
    measured = three.result
    middle_s = min(each.duration_s for each in measured.trials) / 2
    first = reanalyse(folder / "out", Changes(to_s=middle_s))
    second = reanalyse(folder / "out", Changes(from_s=middle_s))
    for whole, before, after in zip(measured.trials, first.trials, second.trials, strict=True):
        assert before.output_tokens + after.output_tokens == whole.output_tokens
        assert before.prompt_tokens + after.prompt_tokens == whole.prompt_tokens
        assert before.output_tokens > 0
        assert cpu(before).bounds_j.low + cpu(after).bounds_j.low <= cpu(whole).energy_j
        assert cpu(before).bounds_j.high + cpu(after).bounds_j.high >= cpu(whole).energy_j
        for trial in (before, after):
            assert_holds(trial, three.machine)
    (energy,) = (each for each in first.summary.components if each.component == "cpu")
    assert derive(first.summary, energy).per_output_token_j is not None
    # A request of which a part lies outside is no unit of work.
    assert derive(first.summary, energy).per_request_j is None
    with pytest.raises(ConfigError, match="nothing is left"):
        reanalyse(folder / "out", Changes(from_s=1e3))


def test_doubt_in_the_tokens_holds_for_every_part(simulated_library: Path, tmp_path: Path) -> None:
    """What the counters said against the whole withholds J per token of a part, and fails it; dropped trials do not."""
    doubtful = measured_once(simulated_library, tmp_path, ("protocol.trials", 2), engine=OnSharedBoards)
    part = reanalyse(doubtful.files, Changes(from_s=0.0, dropped=frozenset({2})))
    assert {each.component for each in part.summary.components} >= {"cpu"}
    for figures in report_document(part)["derived"].values():
        of_tokens = ("j_per_output_token", "j_per_prompt_token", "j_per_total_token", "output_tokens_per_j")
        assert {figures[name] for name in of_tokens} == {None}
        assert figures["average_power_w"] is not None
    (doubt,) = (each for each in part.verdict.findings if each.check == "token counts")
    assert (doubt.level, doubt.message[:8]) == ("FAIL", "trial 1:")


def cpu(trial: Trial) -> Reading:
    assert trial.measurement is not None
    (reading,) = (each for each in trial.measurement.readings if each.device.component == "cpu")
    return reading


def assert_holds(trial: Trial, machine: Machine) -> None:
    assert trial.measurement is not None
    for number, board in enumerate(machine.boards):
        (reading,) = (each for each in trial.measurement.readings if each.device.id == board.uuid)
        truth_j = machine.energy_j(number, trial.start_s, trial.stop_s)
        assert reading.bounds_j.low - 0.002 <= truth_j <= reading.bounds_j.high + 0.002


def test_a_directory_without_its_files_is_refused(folder: Path) -> None:
    """The message names the file and the reporters that write it; the measured directory is never written to."""
    assert exit_code(["reanalyze", "out", "--output-dir", "./out"]) == 2
    assert exit_code(["reanalyze", "out/result.json", "--output-dir", "./out"]) == 2
    (folder / "out/timeline.parquet").unlink()
    with pytest.raises(ConfigError, match=r"timeline\.parquet") as caught:
        reanalyse(folder / "out")
    assert "parquet reporters" in str(caught.value)
