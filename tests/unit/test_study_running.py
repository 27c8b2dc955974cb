"""Running studies: orders, ends, resuming, the breaker, budgets and what the manifest says of it all."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from ai_energy_benchmarks.cli.study_run import Lines
from ai_energy_benchmarks.errors import ConfigError, ReporterError
from ai_energy_benchmarks.study.cells import read_cells
from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun, How
from ai_energy_benchmarks.study.manifest import MANIFEST_FILE, read_manifest
from ai_energy_benchmarks.study.plan import disk
from ai_energy_benchmarks.study.plan.design import CoolingConfig
from ai_energy_benchmarks.study.plan.file import load_study
from ai_energy_benchmarks.study.running.cooling import Cooling
from ai_energy_benchmarks.study.running.gpus import StudyGpus, study_gpus
from ai_energy_benchmarks.study.running.opening import resume
from ai_energy_benchmarks.study.running.stopping import StopRequests
from tests.unit.study_fakes import (
    MACHINE,
    WITH_GPU,
    FakeExecutor,
    Watcher,
    begun,
    fail,
    make_study,
    resumed,
    run,
    succeed,
    write_result,
)


def orders(executor: FakeExecutor) -> list[str]:
    """The cells of each cycle, as text."""
    grouped = itertools.groupby(executor.seen, key=lambda pair: pair[1])
    return ["".join(cell.removeprefix("seed=") for cell, _ in cells) for _, cells in grouped]


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("interleave", ["012", "012", "012"]),
        ("reverse", ["012", "210", "012"]),
        ("sequential", ["0", "0", "0", "1", "1", "1", "2", "2", "2"]),
    ],
)
def test_orders(tmp_path: Path, order: str, wanted: list[str]) -> None:
    """Cycle by cycle, or all cycles of a cell before the next one."""
    executor = FakeExecutor()
    assert run(begun(make_study(tmp_path, 3, design={"cycles": 3, "order": order})), executor) == "completed"
    assert orders(executor) == wanted
    if order == "sequential":
        assert [cycle for _, cycle in executor.seen] == [1, 2, 3] * 3


def test_shuffled_orders_are_in_the_manifest_and_a_seed_replays_them(tmp_path: Path) -> None:
    """Every cycle has a fresh seed; the study's seed gives the same ones."""
    executors = []
    for name in "ab":
        executor = FakeExecutor()
        opened = begun(make_study(tmp_path / name, 6, design={"cycles": 4, "seed": 5}))
        run(opened, executor)
        executors.append(executor)
        manifest = read_manifest(opened.directory)
        assert [[run.cell for run in executor.runs if run.cycle == cycle] for cycle in range(1, 5)] == [
            list(manifest.orders[cycle]) for cycle in range(1, 5)
        ]
        assert len(set(manifest.order_seeds.values())) == 4
        assert manifest.seed == 5
    assert executors[0].seen == executors[1].seen
    assert len(set(orders(executors[0]))) > 1


def test_a_latin_square_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Three cells take six cycles."""
    with pytest.raises(ConfigError, match="of 3 cells takes a multiple of 6 cycles, got 5; write 6"):
        begun(make_study(tmp_path, 3, design={"order": "latin_square"}))


def test_what_a_cell_is_given(tmp_path: Path) -> None:
    """Its config with a directory of its own, its limits, and no defaults of the user's."""
    executor = FakeExecutor()
    opened = begun(make_study(tmp_path, 1, execution={"timeout_s": 9, "silence_s": 3}, design={"cycles": 1}))
    run(opened, executor, gpus=StudyGpus(("GPU-a",), ("GPU-a",)))
    (cell,) = executor.runs
    assert cell.directory == opened.directory / "cells" / cell.cell / "1"
    assert cell.command[-1] == str(cell.directory / "cell.yaml")
    assert (cell.timeout_s, cell.silence_s, cell.gpus) == (9, 3, ("GPU-a",))
    study = {"AEB_CELL_STUDY": str(opened.directory)}
    assert cell.environment == {"AEB_NO_USER_DEFAULTS": "1", "CUDA_VISIBLE_DEVICES": "GPU-a", **study}
    assert read_manifest(opened.directory).attempts[0].gpus == ("GPU-a",)


def test_how_cells_end(tmp_path: Path) -> None:
    """A whole report completes a cell however its process ended; else how that ended is its state, with a reason."""

    ends: dict[str, tuple[How, int | None, str]] = {
        "1": ("timed out", -9, "it took longer"),
        "2": ("timed out", -9, "it took longer"),
        "3": ("silent", -9, "it did nothing"),
        "4": ("exited", 143, ""),
        "5": ("lost", None, ""),
        "6": ("exited", -11, ""),
    }

    def act(run: CellRun) -> CellEnd:
        number = run.cell[5]
        if number == "7":
            return fail(run)
        if number in "01":
            write_result(run, level="FAIL" if number == "1" else "PASS")
        elif number == "6":
            write_result(run, ending="interrupted")
        how, code, reason = ends.get(number, ("exited", 0, ""))
        return CellEnd(run, how, code, 1.0, reason)

    opened = begun(make_study(tmp_path, 8, design={"cycles": 1, "order": "interleave"},
                              execution={"breaker": {"failures": 0}, "retries": 0}))  # fmt: skip
    assert run(opened, FakeExecutor(act)) == "completed"
    found = [(each.state, each.verdict, each.reason) for each in read_manifest(opened.directory).attempts]
    assert found == [
        ("completed", "PASS", ""),
        ("completed", "FAIL", "it took longer"),
        ("timed out", "", "it took longer"),
        ("silent", "", "it did nothing"),
        ("interrupted", "", "the process was interrupted"),
        ("lost", "", "the process was lost with the machine that ran it"),
        ("failed", "", f"signal 11; see {opened.directory / 'cells'}/{read_cells(opened.directory)[6].id}/1/cell.log"),
        ("failed", "", "exit code 1: the model is not there"),
    ]


def test_the_line_of_a_cell_names_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each check once, of the headline's component and of the whole run; a WARN needs no reasons there."""
    findings = [("FAIL", "other work", "gpu"), ("FAIL", "other work", None), ("FAIL", "pause", "cpu"),
                ("WARN", "protocol", None)]  # fmt: skip

    def act(run: CellRun) -> CellEnd:
        write_result(run, level="FAIL")
        file = run.directory / "result.json"
        document = json.loads(file.read_text())
        document["verdict"]["findings"] = [
            {"level": level, "check": check, "component": component} for level, check, component in findings
        ]
        file.write_text(json.dumps(document))
        return CellEnd(run, "exited", 0, 1.0)

    opened = begun(make_study(tmp_path, 1, design={"cycles": 1}))
    assert run(opened, FakeExecutor(act), observer=Lines(0.0)) == "completed"
    assert "        completed FAIL (other work) in 1.0 s\n" in capsys.readouterr().out


def test_resuming_runs_what_is_not_complete(tmp_path: Path) -> None:
    """What failed is tried once more in the order of its cycle, what is complete or has lost its result likewise."""
    opened = begun(make_study(tmp_path, 3, design={"cycles": 2, "order": "interleave"}))
    run(opened, FakeExecutor(lambda cell: fail(cell) if cell.cell[5] == "1" else succeed(cell)))
    lost = opened.directory / "cells" / read_cells(opened.directory)[2].id / "1"
    (lost / "result.json").unlink()
    again = FakeExecutor()
    assert resumed(opened, again) == "completed"
    assert again.seen == [("seed=1", 1), ("seed=2", 1), ("seed=1", 2)]
    numbers = {(each.cell[5], each.cycle): each.number for each in read_manifest(opened.directory).latest.values()}
    assert numbers == {("0", 1): 1, ("1", 1): 2, ("2", 1): 2, ("0", 2): 1, ("1", 2): 2, ("2", 2): 1}
    none = FakeExecutor()
    assert resumed(opened, none) == "completed"
    assert none.runs == []


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the study runs after it."""


@pytest.mark.parametrize("killed_at", range(6))
def test_a_study_that_is_killed_goes_on(tmp_path: Path, killed_at: int) -> None:
    """Whichever cell runs then, before its report is written or after, the others are not measured again."""
    calls = itertools.count()

    def act(cell: CellRun) -> CellEnd:
        if (number := next(calls)) == killed_at:
            if number % 2:
                write_result(cell)
            raise Killed
        return succeed(cell)

    opened = begun(make_study(tmp_path, 3, design={"cycles": 2}))
    with pytest.raises(Killed):
        run(opened, FakeExecutor(act))
    file = opened.directory / MANIFEST_FILE
    assert json.loads(file.read_text().splitlines()[-1])["event"] == "started"
    with file.open("a") as torn:
        torn.write('{"event": "ended", "cell"')
    again = FakeExecutor()
    assert resumed(opened, again) == "completed"
    assert len(again.runs) == 6 - killed_at - killed_at % 2
    assert all(each.state == "completed" for each in read_manifest(opened.directory).latest.values())
    assert len(read_manifest(opened.directory).latest) == 6


def test_a_study_is_begun_once(tmp_path: Path) -> None:
    """A second begin would mix two studies."""
    study = make_study(tmp_path)
    run(begun(study), FakeExecutor())
    with pytest.raises(ConfigError, match="holds a study already") as caught:
        begun(study)
    assert "study resume" in str(caught.value.remedy)


def test_a_drifted_environment_is_refused_with_what_has_changed(tmp_path: Path) -> None:
    """Unless told: a driver, a library, a power limit or a variable is part of every figure."""
    opened = begun(make_study(tmp_path), WITH_GPU)
    run(opened, FakeExecutor())
    (board,) = WITH_GPU.boards
    now = evolve(WITH_GPU, boards=(evolve(board, power_limit_w=300.0),), libraries={"torch": "2.14"})
    with pytest.raises(ConfigError) as caught:
        resume(opened.directory, now)
    assert "library torch: was absent, is 2.14" in str(caught.value)
    assert "power limit of GPU 0 (W): was 700.0, is 300.0" in str(caught.value)
    assert "--accept-drift" in str(caught.value)
    assert resume(opened.directory, now, accept_drift=True).environment != opened.environment
    assert resume(opened.directory, evolve(WITH_GPU, git_revision="other")).cells == opened.cells


def test_an_edited_study_is_refused(tmp_path: Path) -> None:
    """Its cells would not be those that are complete."""
    opened = begun(make_study(tmp_path))
    run(opened, FakeExecutor())
    file = opened.directory / "study.yaml"
    file.write_text(file.read_text().replace("seed:\n  - 0", "seed:\n  - 5"))
    with pytest.raises(ConfigError, match="is not what the study was begun with"):
        resume(opened.directory, MACHINE)


def test_the_stored_study_expands_to_the_same_cells(tmp_path: Path) -> None:
    """From study.yaml alone, with the seed that was drawn."""
    opened = begun(make_study(tmp_path, 3, exclude=[{"scenario.seed": 1}], name="it's: ${HOME} [x]"))
    run(opened, FakeExecutor())
    stored = load_study(opened.directory / "study.yaml")
    assert stored.config.design.seed == opened.seed
    assert stored.config.name == "it's: ${HOME} [x]"
    assert resume(opened.directory, MACHINE).cells == opened.cells == read_cells(opened.directory)


def test_secrets_reach_cells_through_their_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference to a variable stays one in every file; a secret that is written out is refused: it would be lost."""
    monkeypatch.setenv("SERVER_PASSWORD", "hunter2hunter2")
    file = tmp_path / "s.yaml"
    text = (
        "base: {{backend: {{type: openai, model: m, endpoint: 'http://me:{}@127.0.0.1:1/v1'}}}}\noutput_dir: {}/out\n"
    )
    file.write_text(text.format("${SERVER_PASSWORD}", tmp_path))
    opened = begun(load_study(file))
    executor = FakeExecutor()
    run(opened, executor)
    for each in filter(Path.is_file, opened.directory.rglob("*")):
        assert "hunter2" not in each.read_text()
    assert "${SERVER_PASSWORD}" in (executor.runs[0].directory / "cell.yaml").read_text()
    monkeypatch.setenv("SERVER_PASSWORD", "anotherpassword")
    assert resume(opened.directory, MACHINE).cells[0].id == opened.cells[0].id
    file.write_text(text.format("hunter3hunter3", tmp_path / "other"))
    with pytest.raises(ConfigError, match="holds secrets, which no file of a study may have") as caught:
        begun(load_study(file))
    assert "hunter3" not in str(caught.value)


def test_the_breaker_waits_and_then_gives_up(tmp_path: Path) -> None:
    """After three failures in a row it waits and tries one cell; another failure waits again, a third ends it."""
    watcher, executor = Watcher(), FakeExecutor(fail)
    breaker = {"failures": 3, "cooldown_s": 0.001, "trips": 2}
    opened = begun(make_study(tmp_path, 9, design={"cycles": 2}, execution={"breaker": breaker}))
    assert run(opened, executor, observer=watcher) == "failing"
    assert len(executor.runs) == 5
    assert [line for line in watcher.lines if line.startswith("waits")] == [
        "waits 0.001 s: 3 cells have failed one after the other",
        "waits 0.001 s: another cell has failed",
    ]
    assert read_manifest(opened.directory).closed == "failing"


def test_a_success_closes_the_breaker(tmp_path: Path) -> None:
    """Failures count only in a row."""
    calls = itertools.count()
    executor = FakeExecutor(lambda cell: succeed(cell) if next(calls) % 3 == 2 else fail(cell))
    execution = {"breaker": {"failures": 3, "cooldown_s": 0}}
    assert run(begun(make_study(tmp_path, 9, execution=execution)), executor) == "completed"


def test_no_cell_begins_past_the_budget(tmp_path: Path) -> None:
    """One that would probably end too late does not begin; the study goes on later."""

    def act(run: CellRun) -> CellEnd:
        write_result(run)
        return CellEnd(run, "exited", 0, 500.0)

    executor = FakeExecutor(act)
    opened = begun(make_study(tmp_path, 3, execution={"budget_s": 400}))
    assert run(opened, executor) == "budget"
    assert len(executor.runs) == 1


def test_asked_to_finish_it_begins_no_further_cell(tmp_path: Path) -> None:
    """And says so in the manifest; resuming goes on."""
    stop = StopRequests()

    def act(cell: CellRun) -> CellEnd:
        stop.request()
        return succeed(cell)

    opened = begun(make_study(tmp_path))
    executor = FakeExecutor(act)
    assert run(opened, executor, stop=stop) == "interrupted"
    assert len(executor.runs) == 1
    assert resumed(opened, FakeExecutor()) == "completed"
    assert read_manifest(opened.directory).closed == "completed"


def test_stopped_now_it_closes_its_manifest(tmp_path: Path) -> None:
    """The second Ctrl-C is raised on, after the cell's end is noted."""

    class Stopped(FakeExecutor):
        def run(self, cells: Any, stop: Any) -> Any:
            yield CellEnd(next(cells), "interrupted", 130, 1.0, "the study was stopped")
            raise KeyboardInterrupt

    opened = begun(make_study(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        run(opened, Stopped())
    manifest = read_manifest(opened.directory)
    assert (manifest.closed, [each.state for each in manifest.attempts]) == ("interrupted", ["interrupted"])


def test_a_full_disk_is_reported_before_the_first_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is needed and what there is; later on it ends the study, which can go on."""
    monkeypatch.setattr(disk, "free_bytes", lambda _: 10**6)
    with pytest.raises(ReporterError, match=r"has 1 MB of room, and 10 runs take about 52\.4 MB"):
        begun(make_study(tmp_path))
    monkeypatch.undo()
    opened = begun(make_study(tmp_path))
    monkeypatch.setattr(disk, "free_bytes", lambda _: 10**6)
    assert run(opened, FakeExecutor()) == "disk"


def test_a_directory_that_cannot_be_written_is_reported_before_the_first_cell(tmp_path: Path) -> None:
    """With its name, when the study is begun."""
    (tmp_path / "study").write_text("a file")
    with pytest.raises(ReporterError, match=f"cannot write {tmp_path / 'study'}"):
        begun(make_study(tmp_path))


def test_until_every_interval_is_narrow(tmp_path: Path) -> None:
    """It ends at the first cycle at which all cells are known well enough, and at the limit otherwise."""

    def act(cell: CellRun) -> CellEnd:
        noise = {"0": 0.001, "1": 0.05}[cell.cell[5]]
        write_result(cell, 1.0 + noise * (-1) ** cell.cycle / cell.cycle)
        return CellEnd(cell, "exited", 0, 0.01)

    for limit, cycles in ((0.08, 4), (0.0001, 7)):
        executor = FakeExecutor(act)
        until = {"relative_half_width": limit, "max_cycles": 7}
        opened = begun(make_study(tmp_path / str(limit), 2, design={"until": until}))
        assert run(opened, executor) == "completed"
        assert max(run.cycle for run in executor.runs) == cycles
        again = FakeExecutor()
        assert resumed(opened, again) == "completed"
        assert again.runs == []


def test_gaps_are_applied_and_recorded(tmp_path: Path) -> None:
    """Before every cell but the first."""
    opened = begun(make_study(tmp_path, 3, design={"cycles": 1, "gap_s": 0.02}))
    run(opened, FakeExecutor())
    gaps_s = [each.gap_s for each in read_manifest(opened.directory).attempts]
    assert gaps_s[0] == 0
    assert all(gap_s >= 0.02 for gap_s in gaps_s[1:])


def test_the_thermal_gate_waits_until_gpus_have_cooled_down(tmp_path: Path) -> None:
    """The manifest says how long it took, and whether it was given up."""
    celsius = iter([40.0, 60.0, 44.0, 42.0, 70.0])
    times = itertools.count()

    class CountedTime(StopRequests):
        def wait(self, seconds: float) -> None:
            return

    cooling = Cooling(CoolingConfig(cap_s=3), lambda: {"GPU-a": next(celsius, 70.0)}, lambda: float(next(times)))
    opened = begun(make_study(tmp_path, 3, design={"cycles": 1}))
    run(opened, FakeExecutor(), cooling=cooling, stop=CountedTime())
    assert [each.gate for each in read_manifest(opened.directory).attempts] == [
        "",
        "open after 3 s, 2.0 °C warmer than at first",
        "capped after 3 s, 30.0 °C warmer than at first",
    ]
    assert "skipped" in Cooling(CoolingConfig(), dict).wait(StopRequests())


def test_gpus_are_named_by_uuid() -> None:
    """Indices are those of the driver; without a name all are locked and none is hidden."""
    boards = (*WITH_GPU.boards, evolve(WITH_GPU.boards[0], id="GPU-b", index=1))
    assert study_gpus([1, "GPU-a"], boards) == StudyGpus(("GPU-b", "GPU-a"), ("GPU-b", "GPU-a"))
    assert study_gpus(None, boards) == StudyGpus(("GPU-a", "GPU-b"), ())
    with pytest.raises(ConfigError, match="names 2; the driver shows 0: GPU-a, 1: GPU-b"):
        study_gpus([2], boards)
