"""The executor of a Ray cluster, with a cluster that has no processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks.errors import BackendError, ReporterError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.study.executors.base import CellEnd
from ai_energy_benchmarks.study.executors.choosing import executor_for
from ai_energy_benchmarks.study.executors.orders import CellOrder, Site
from ai_energy_benchmarks.study.executors.ray import RayExecutor
from ai_energy_benchmarks.study.executors.ray_cluster import NodeProbe, RayCluster, TaskLost
from ai_energy_benchmarks.study.executors.returning import put_files
from ai_energy_benchmarks.study.manifest import CloseReason, read_manifest
from ai_energy_benchmarks.study.plan.clusters import RayConfig
from ai_energy_benchmarks.study.running.opening import OpenStudy, resume
from ai_energy_benchmarks.study.running.stopping import StopRequests
from ai_energy_benchmarks.study.running.study_run import StudyRun
from tests.unit.cluster_fakes import FakeCluster, complete, ends
from tests.unit.study_fakes import MACHINE, FakeExecutor, begun, make_study, states
from tests.unit.study_fakes import run as run_here


def opened(tmp_path: Path, seeds: int = 2, cycles: int = 2, **execution: Any) -> OpenStudy:
    execution = {"executor": "ray", **execution}
    return begun(make_study(tmp_path, seeds, design={"cycles": cycles, "order": "interleave"}, execution=execution))


def run(study: OpenStudy, cluster: FakeCluster, stop: StopRequests | None = None) -> CloseReason:
    execution = study.study.config.execution
    site = Site(study.directory.absolute(), "s", "0.1.0", Path.cwd(), execution.placement)
    return StudyRun(study, RayExecutor(RayConfig(), site, cluster), stop or StopRequests()).run()


def test_the_same_cells_as_here_each_cycle_in_one_reservation(tmp_path: Path) -> None:
    """Two cycles run at a time on two nodes, the cells of each one after the other, and the manifest says where."""
    study, cluster = opened(tmp_path, 2, 3), FakeCluster()
    assert run(study, cluster) == "completed"
    here = begun(make_study(tmp_path / "here", 2, design={"cycles": 3, "order": "interleave"}))
    run_here(here, FakeExecutor())
    assert sorted(map(str, states(study))) == sorted(map(str, states(here)))
    tasks = [line for line in cluster.log if " in " in line]
    assert tasks == [
        f"seed={seed} {cycle} in {cycle}" for seed, cycle in [(0, 1), (0, 2), (1, 1), (1, 2), (0, 3), (1, 3)]
    ]
    assert cluster.most_at_once == 2
    manifest = read_manifest(study.directory)
    assert {(each.host, each.gpus, each.gap_s) for each in manifest.attempts} == {("n1", ("GPU-n",), 2.5)}
    assert set(manifest.nodes) == {"n1"}


def test_every_cell_is_a_lane_where_order_is_the_schedulers(tmp_path: Path) -> None:
    """With placement: cell each has a reservation of its own."""
    study, cluster = opened(tmp_path, 3, 1, placement="cell"), FakeCluster()
    assert run(study, cluster) == "completed"
    assert [line[-1] for line in cluster.log if " in " in line] == ["1", "2", "3"]


def test_a_lost_cell_is_tried_again_in_a_directory_of_its_own(tmp_path: Path) -> None:
    """What was lost may still write into the first one; the cells after it in its cycle run again with it."""
    lost: list[str] = []

    def once(order: CellOrder) -> CellEnd:
        if order.cell.startswith("seed=1") and not lost:
            lost.append(order.directory)
            raise TaskLost("WorkerCrashedError: gone")
        return complete(order)

    study = opened(tmp_path, 3, 1)
    assert run(study, FakeCluster(once)) == "completed"
    attempts = read_manifest(study.directory).attempts
    assert [(each.cell[5], each.number, each.state, Path(each.directory).name) for each in attempts] == [
        ("0", 1, "completed", "1"), ("1", 1, "lost", "1"), ("2", 1, "lost", "1"),
        ("1", 2, "completed", "1.2"), ("2", 2, "completed", "1.2"),
    ]  # fmt: skip
    assert attempts[1].reason == "WorkerCrashedError: gone"
    assert attempts[2].reason == "not begun: its node was lost"
    again = resume(study.directory, MACHINE)
    assert run(again, FakeCluster(lambda order: pytest.fail("all is complete"))) == "completed"


@pytest.mark.parametrize("retries", [0, 2])
def test_a_cell_that_is_lost_each_time_is_given_up(tmp_path: Path, retries: int) -> None:
    """After so many retries; it does not open the breaker, since it says nothing of the cell."""

    def never(order: CellOrder) -> CellEnd:
        raise TaskLost("gone")

    study = opened(tmp_path, 1, 1, retries=retries)
    assert run(study, FakeCluster(never)) == "completed"
    assert [each.state for each in read_manifest(study.directory).attempts] == ["lost"] * (1 + retries)


def test_a_node_that_does_not_see_the_directory_returns_files(tmp_path: Path) -> None:
    """They are put into the cell's directory, and the cell is as complete as any other."""
    study = opened(tmp_path, 1, 1)
    report = b'{"ending": "completed", "verdict": {"level": "WARN"}}'
    cluster = FakeCluster(ends, returns={"result.json": report, "runs/a/journal": b"x"})
    assert run(study, cluster) == "completed"
    (attempt,) = read_manifest(study.directory).attempts
    assert (attempt.state, attempt.verdict) == ("completed", "WARN")
    assert (study.directory / attempt.directory / "runs" / "a" / "journal").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_no_returned_file_leaves_the_directory(tmp_path: Path, name: str) -> None:
    """A node is another machine."""
    with pytest.raises(ReporterError, match="leads out"):
        put_files(tmp_path, {name: b""})


def test_the_first_interrupt_finishes_the_cells_that_run(tmp_path: Path) -> None:
    """What was handed over and has not begun comes back as interrupted, and resuming measures it."""
    stop = StopRequests()
    study, cluster = opened(tmp_path, 2, 3), FakeCluster(before=stop.request)
    assert run(study, cluster, stop) == "interrupted"
    ended = {(each.cell[5], each.cycle): (each.state, each.reason) for each in read_manifest(study.directory).attempts}
    early = ("interrupted", "not begun: the study ended early")
    assert ended == {("0", 1): ("completed", ""), ("0", 2): ("completed", ""), ("1", 1): early, ("1", 2): early,
                     ("0", 3): early}  # fmt: skip
    assert run(resume(study.directory, MACHINE), FakeCluster()) == "completed"
    assert {each.state for each in read_manifest(study.directory).latest.values()} == {"completed"}


def test_the_second_interrupt_cancels_them(tmp_path: Path) -> None:
    """Each cell that was handed over has its end in the manifest, and the interrupt is raised on."""
    calls: list[int] = []

    def interrupt() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    study, cluster = opened(tmp_path, 2, 2), FakeCluster(before=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(study, cluster)
    manifest = read_manifest(study.directory)
    assert manifest.closed == "interrupted"
    assert {each.state for each in manifest.attempts} == {"interrupted"}
    assert cluster.log[-1] == "disconnect"


def test_failures_end_the_study_instead_of_resting_it(tmp_path: Path) -> None:
    """A rest of the driver would rest no node; resuming goes on."""
    study = opened(tmp_path, 8, 1, breaker={"failures": 2})
    assert run(study, FakeCluster(lambda order: ends(order, 1))) == "failing"
    found = [each.state for each in read_manifest(study.directory).attempts]
    assert (found.count("failed"), found.count("interrupted")) == (2, 6)


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [((), "no node of the Ray cluster has the resource 'exclusive'"),
     ((NodeProbe("n1", True), NodeProbe("n2", False, "it has version 3")),
      "node n2 cannot run a cell: it has version 3")],
)  # fmt: skip
def test_nodes_are_asked_before_the_first_cell(tmp_path: Path, nodes: tuple[NodeProbe, ...], problem: str) -> None:
    """What keeps one from running cells is one error with its fix, and nothing has begun."""
    study, cluster = opened(tmp_path), FakeCluster(nodes=nodes)
    with pytest.raises(BackendError, match=problem) as refused:
        run(study, cluster)
    assert refused.value.remedy
    assert cluster.log == ["connect", "disconnect"]


def test_without_the_package_there_is_one_error_with_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of every extra."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendError, match="needs the package ray") as refused:
        RayCluster(RayConfig()).connect()
    assert refused.value.remedy == install_line("ray")


def test_the_study_names_its_executor(tmp_path: Path) -> None:
    """The key chooses it, with its block and the place of the study."""
    study = make_study(tmp_path, execution={"executor": "ray", "ray": {"gpus": 2}}, design={"gap_s": 3})
    executor = executor_for(study, Path("results/x"))
    assert isinstance(executor, RayExecutor)
    assert (executor.config.gpus, executor.site.gap_s) == (2, 3)
    assert executor.site.directory == Path.cwd() / "results/x"
