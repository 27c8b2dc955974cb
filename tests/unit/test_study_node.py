"""What runs on a node: one cell with the limits, locks and GPUs of one machine, and what it returns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.environment import Board, Environment
from ai_energy_benchmarks.domain.readiness import Readiness
from ai_energy_benchmarks.environment.software import package_version
from ai_energy_benchmarks.study.answers.hardware import findings, hardware_of, nodes
from ai_energy_benchmarks.study.executors import node
from ai_energy_benchmarks.study.executors.base import CellRun
from ai_energy_benchmarks.study.executors.choosing import carried
from ai_energy_benchmarks.study.executors.node import PLACE_VARIABLE, given_gpus, run_order
from ai_energy_benchmarks.study.executors.orders import CellOrder, Lanes, Site, order_of, read_order
from ai_energy_benchmarks.study.executors.ray import RayExecutor
from ai_energy_benchmarks.study.executors.readiness import readiness
from ai_energy_benchmarks.study.executors.slurm import SlurmExecutor
from ai_energy_benchmarks.study.executors.slurm_job import FINISH_SUFFIX, run_lane
from ai_energy_benchmarks.study.executors.token import token_of
from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE, locked
from ai_energy_benchmarks.study.manifest import Attempt, CellState

# Writes what a run writes, as far as a node looks at it, into the directory that its config names.
CELL = """
import os, sys
from pathlib import Path
place = Path(next(l.split(": ")[1] for l in Path(sys.argv[1]).read_text().splitlines() if l.startswith("output_dir")))
place.joinpath("result.json").write_text("{}")
place.joinpath("runs").mkdir()
place.joinpath("runs", "a").write_text(os.environ["EXTRA"])
print("ran", os.getcwd() == os.environ["WHERE"])
"""


@pytest.fixture(autouse=True)
def _locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "locks"))


@pytest.fixture
def order(tmp_path: Path) -> CellOrder:
    """A cell of a study whose directory this node sees."""
    study, working = tmp_path / "study", tmp_path / "working"
    cell = study / "cells" / "a" / "1"
    for directory in (cell, working):
        directory.mkdir(parents=True)
    config = cell / "cell.yaml"
    config.write_text(f"name: x\noutput_dir: {cell}\n")
    extra = {"EXTRA": "secret", "WHERE": str(working)}
    run = CellRun("a", 1, (sys.executable, "-c", CELL, str(config)), cell, cell / "cell.log", extra)
    return order_of(run, Site(study, "s", package_version(), working), token_of(study))


def test_a_node_that_sees_the_directory_writes_there(order: CellOrder) -> None:
    """It returns no files, and says where and with what the cell ran."""
    end, files = run_order(order)
    assert (end.how, end.exit_code, files) == ("exited", 0, {})
    assert Path(order.log).read_text() == "ran True\n"
    assert end.node is not None
    assert end.node.host == end.node.environment["host"]
    assert end.node.started_utc
    assert end.node.environment["priority of cells (nice)"] == os.getpriority(os.PRIO_PROCESS, 0)


def test_a_node_that_does_not_see_it_returns_the_files(order: CellOrder, tmp_path: Path) -> None:
    """Another directory at the same path is not taken for it; nothing is left on the node."""
    before = set(Path(node.tempfile.gettempdir()).glob("aeb-cell-*"))
    end, files = run_order(evolve(order, token="another"))
    assert (end.how, end.exit_code) == ("exited", 0)
    assert {name: files[name] for name in ("result.json", "runs/a", "cell.log")} == {
        "result.json": b"{}", "runs/a": b"secret", "cell.log": b"ran True\n",
    }  # fmt: skip
    assert not (Path(order.directory) / "result.json").exists()
    assert set(Path(node.tempfile.gettempdir()).glob("aeb-cell-*")) == before


def test_an_order_on_a_disk_has_no_value_of_the_environment(order: CellOrder) -> None:
    """Everything else survives."""
    text = order.text()
    assert "secret" not in text
    assert read_order(text) == evolve(order, variables={})


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"version": "9.9"}, "the study 9.9"), ({"command": ("/no/python", "x")}, "has no /no/python")],
)
def test_a_node_with_other_software_refuses(order: CellOrder, change: dict[str, str], problem: str) -> None:
    """The cell fails with the reason and the fix in its log."""
    command = change.get("command")
    changed = evolve(order, **{**change, **({"command": (*command, order.command[-1])} if command else {})})
    end, _ = run_order(changed)
    assert (end.how, end.exit_code) == ("exited", None)
    assert problem in end.reason
    assert problem in Path(order.log).read_text()


def test_a_node_that_another_study_uses_refuses(
    order: CellOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cells would measure each other; without a GPU of its own a cell needs the host, also where there are GPUs."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with locked([], tmp_path / "other"):
        end, _ = run_order(order)
    assert "in use by another study" in end.reason


def test_what_a_lost_worker_left_ends_first(order: CellOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell of the same study that still runs on the node is waited for, then killed."""
    monkeypatch.setattr(node, "_LEFT_CAP_S", 0.0)
    mark = {PLACE_VARIABLE: node._place(order)}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], env={**os.environ, **mark}) as left:
        until_s = time.monotonic() + 20
        launched = node.Launched(mark[PLACE_VARIABLE], variable=PLACE_VARIABLE)
        while not launched.members() and time.monotonic() < until_s:
            time.sleep(0.01)
        end, _ = run_order(order)
        assert (end.exit_code, left.wait(20)) == (0, -9)


def test_a_node_rests_between_two_cells(order: CellOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever study they are of; how long is in the manifest."""
    rests: list[float] = []
    monkeypatch.setattr(node.time, "sleep", rests.append)
    first, second = (run_order(evolve(order, gap_s=50.0, token=str(number)))[0] for number in range(2))
    assert first.node is not None
    assert second.node is not None
    assert first.node.gap_s == 0
    assert 40 < second.node.gap_s <= 50
    assert second.node.gap_s in rests


def test_a_killed_process_is_lost(order: CellOrder) -> None:
    """As the system kills where memory runs out; another exit code is the cell's own."""
    kill = "import os; os.kill(os.getpid(), 9)"
    end, _ = run_order(evolve(order, command=(sys.executable, "-c", kill, order.command[-1])))
    assert end.how == "lost"
    assert "SIGKILL" in end.reason


BOARDS = tuple(Board(f"GPU-{name}", index, "H100") for index, name in enumerate("abc"))


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [(None, "abc"), ("", ""), ("1", "b"), ("2,0", "ca"), ("GPU-c", "c"), ("GPU-b,0", "ba"), ("7", "")],
)
def test_the_gpus_are_those_that_the_scheduler_gave(visible: str | None, wanted: str) -> None:
    """Indices or UUIDs, in its order; unset means all."""
    assert given_gpus(BOARDS, visible) == tuple(f"GPU-{name}" for name in wanted)


def test_a_lane_of_slurm_runs_until_it_is_asked_to_finish(order: CellOrder, tmp_path: Path) -> None:
    """Each cell leaves its end next to its log."""
    lane = tmp_path / "lane.jsonl"
    lane.write_text(f"{order.text()}\n")
    lane.with_suffix(FINISH_SUFFIX).touch()
    assert run_lane(str(lane)) == 0
    lane.with_suffix(FINISH_SUFFIX).unlink()
    assert run_lane(str(lane)) == 1
    assert order.end_file.exists()


def test_a_token_is_drawn_once(tmp_path: Path) -> None:
    """Jobs that outlive a study recognise its directory after it was resumed."""
    assert token_of(tmp_path) == token_of(tmp_path)
    (tmp_path / "b").mkdir()
    assert token_of(tmp_path / "b") != token_of(tmp_path)


def test_lanes_are_cycles_or_cells() -> None:
    """The first cell of the next lane is taken with the last of this one, and no further."""
    cells = [CellRun(name, cycle, (), Path(), Path()) for cycle in (1, 2) for name in "ab"]
    lanes = Lanes(iter(cells), "cycle")
    assert lanes.next() == cells[:2]
    assert lanes.ahead == cells[2:3]
    assert [lanes.next(), lanes.next()] == [cells[2:], []]
    single = Lanes(iter(cells), "cell")
    assert [single.next() for _ in range(5)] == [*([cell] for cell in cells), []]


def test_what_a_cell_needs_of_this_process_goes_with_it() -> None:
    """Settings of arithmetic and caches; not which GPUs this process sees."""
    environ = {"HF_HOME": "/x", "OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "0", "HOME": "/root"}
    assert carried(environ) == {"HF_HOME": "/x", "OMP_NUM_THREADS": "4"}


H100 = {"environment": {"cpu_model": "EPYC", "cpu_threads": 8, "boards": [{"name": "H100", "power_limit_w": 700.0}]}}
A100 = {"environment": {"cpu_model": "EPYC", "cpu_threads": 8, "boards": [{"name": "A100", "power_limit_w": 400.0}]}}


def test_unlike_hardware_is_a_finding() -> None:
    """Within a cycle it is in the ratios; between cycles it is in the means; a power limit is hardware too."""
    one, two = hardware_of(H100), hardware_of(A100)
    assert one == "1 × H100 at 700 W and EPYC with 8 threads"
    assert list(findings([("a", {1: one, 2: one}), ("b", {1: one, 2: one})])) == []
    (between,) = findings([("a", {1: one, 2: two}), ("b", {1: one, 2: two})])
    assert "ratios hold, since" in between
    (holes,) = findings([("a", {1: one, 2: two}), ("b", {1: one})])
    assert "do not have the same cycles" in holes
    (within,) = findings([("a", {1: one, 2: two}), ("b", {1: two, 2: two})])
    assert within.startswith("Unlike hardware within cycles (1)")


def test_the_answers_say_on_which_nodes_cells_ran() -> None:
    """And whether a cycle was on several, and what ran out of its order; nothing on one machine."""

    def attempt(cell: str, cycle: int, host: str, number: int = 1, state: CellState = "completed") -> Attempt:
        return Attempt(cell, cycle, 0, number, "", "", state, host=host)

    assert list(nodes([attempt("a", 1, "")])) == []
    apart = [attempt("a", 1, "n1"), attempt("b", 1, "n1"), attempt("a", 2, "n2")]
    assert list(nodes(apart)) == ["cells ran on 2 nodes (n1, n2), each cycle on one of them"]
    mixed = [*apart, attempt("b", 2, "n2", state="lost"), attempt("b", 2, "n1", 2)]
    several, lost = nodes(mixed)
    assert "cycles 2 on several" in several
    assert lost.startswith("1 attempts were lost")


def test_doctor_says_what_an_executor_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cluster, or the commands of Slurm."""
    machine = Environment("Linux", "3.11", "0.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert RayExecutor.look("ray 2") == Readiness("ready", "ray 2, cluster at 10.0.0.1:6379")
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr("ai_energy_benchmarks.study.executors.readiness._RAY_ADDRESS", tmp_path / "none")
    assert "ray start --head" in str(RayExecutor.look("ray 2").remedy)
    assert "not on the PATH" in SlurmExecutor.look("submitit 1").detail
    for name in ("sbatch", "sinfo"):
        (tmp_path / name).write_text("#!/bin/sh\necho gpu\necho cpu\n")
        (tmp_path / name).chmod(0o755)
    assert SlurmExecutor.look("submitit 1") == Readiness("ready", "submitit 1, partitions: gpu, cpu")
    assert readiness(object, machine).state == "ready"
