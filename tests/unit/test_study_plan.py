"""``study plan`` and ``study init``, and the examples that they write."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.cli.study_plan import duration
from ai_energy_benchmarks.study.examples import example_names
from ai_energy_benchmarks.study.plan.checking import planned
from ai_energy_benchmarks.study.plan.estimate import estimate, funnel
from ai_energy_benchmarks.study.plan.file import load_study


@pytest.mark.parametrize("name", example_names())
def test_every_example_is_a_study_that_fits(tmp_path: Path, name: str) -> None:
    """It can be written, planned and edited; its comments name the file that was written."""
    file = tmp_path / "mine.yaml"
    assert exit_code(["study", "init", str(file), "--example", name]) == 0
    assert exit_code(["study", "init", str(file), "--example", name]) == 2
    assert exit_code(["study", "plan", str(file)]) == exit_code(["validate", str(file), "--samples", "400"]) == 0
    assert " FILE" not in file.read_text()


def test_an_unknown_example_is_refused_with_all_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And with the nearest one."""
    assert exit_code(["study", "init", str(tmp_path / "x.yaml"), "--example", "startr"]) == 2
    assert "did you mean 'starter'?" in capsys.readouterr().err


def test_the_plan_shows_the_funnel_the_order_time_and_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what the file declares to what will run, with the reason of each cell that will not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(
        "base: {backend: {type: pytorch, model: m}, scenario: {num_samples: 10}}\n"
        "sweep:\n  scenario.input_shapes.batch_size: [1, 2, 4]\n  load.concurrency: [1, 8]\n"
        "  scenario.generate_kwargs.max_new_tokens: [8, 16]\n  scenario.generate_kwargs.min_new_tokens: [1, 12]\n"
        "exclude: [{scenario.input_shapes.batch_size: 4}]\n"
        "design: {cycles: 2, order: interleave, gap_s: 10}\n"
    )
    assert exit_code(["study", "plan", "s.yaml"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:8] == [
        "     24 declared",
        "     -8 excluded",
        "          8 × exclude[0]",
        "     -4 invalid",
        "          4 × sweep.scenario.generate_kwargs.min_new_tokens: must be at most max_new_tokens (8), got 12",
        "     -6 merged into another cell",
        "          6 × load.concurrency has no effect on pytorch, which is no server",
        "      6 cells × 2 cycles = 12 runs",
    ]
    assert out[8] == "Order: interleave; first cycle:"
    assert out[9] == "     1  batch_size=1, max_new_tokens=8, min_new_tokens=1"
    begin = next(number for number, line in enumerate(out) if line.startswith("Time: "))
    time, disk = out[begin : begin + 2]  # what is not installed here stands below
    assert time.startswith(
        "Time: 7 min 50 s of idle power and gaps, and what loading, warming up and generating at most"
    )
    assert "1,600 output tokens" in time
    assert disk.startswith("Disk: about 3.08 MB in results/study, which has ")
    assert not (tmp_path / "results").exists()


def test_a_seed_replays_the_orders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan shows the order that the run has with it; a single benchmark has no orders."""
    (tmp_path / "s.yaml").write_text(
        "base: {backend: {type: pytorch, model: m}}\nsweep: {scenario.seed: [1, 2, 3, 4]}\n"
    )
    plans = []
    for seed in ("5", "5", "6"):
        assert exit_code(["study", "plan", str(tmp_path / "s.yaml"), "--seed", seed]) == 0
        plans.append(capsys.readouterr().out.splitlines()[2:7])
    assert plans[0] == plans[1] != plans[2]
    assert "an example" not in plans[0][0]
    (tmp_path / "one.yaml").write_text("backend: {type: pytorch, model: m}\n")
    assert exit_code(["run", str(tmp_path / "one.yaml"), "--seed", "5"]) == 2
    assert exit_code(["run", "--model", "m", "--seed", "5"]) == 2


def test_estimates_add_up(tmp_path: Path) -> None:
    """Idle power of every run and the gaps between them; at most as many tokens as all trials may generate."""
    (tmp_path / "s.yaml").write_text(
        "base: {backend: {type: pytorch, model: m}, protocol: {bare_idle_s: 1, resident_idle_s: 2, trials: 3}}\n"
        "sweep: {scenario.num_samples: [1, 2]}\ndesign: {until: {relative_half_width: 0.1, max_cycles: 4}, gap_s: 1}\n"
    )
    study = load_study(tmp_path / "s.yaml")
    expansion = planned(study)
    found = estimate(study, expansion)
    assert (found.runs, found.fixed_s, found.output_tokens) == (8, 8 * 5 + 7, (1 + 2) * 3 * 100 * 4)
    assert list(funnel(expansion, 4)) == ["      2 declared", "      2 cells × 4 cycles = 8 runs"]


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (65.2, "1 min 05 s"), (7260, "2 h 01 min")])
def test_durations(seconds: float, text: str) -> None:
    """In the two largest units."""
    assert duration(seconds) == text


def test_a_study_is_called_after_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results lie under that name, for an example and a recipe; by the usual name it keeps its own."""
    monkeypatch.chdir(tmp_path)
    for arguments, name in (
        (["mine.yaml"], "mine"),
        (["caps-2.yaml", "--recipe", "power-cap"], "caps-2"),
        (["study.yaml"], "starter"),
        (["3.yaml"], "starter"),
    ):
        assert exit_code(["study", "init", *arguments]) == 0
        study = load_study(tmp_path / arguments[0])
        assert (study.config.name, study.directory) == (name, Path("results") / name)
    assert "study report results/caps-2" in (tmp_path / "caps-2.yaml").read_text()
