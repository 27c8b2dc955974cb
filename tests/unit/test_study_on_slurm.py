"""The executor of Slurm, with a queue that has no processes; what submitit and Slurm are given."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from ai_energy_benchmarks.errors import BackendError, ConfigError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.study.executors.base import CellEnd
from ai_energy_benchmarks.study.executors.orders import CellOrder, Site
from ai_energy_benchmarks.study.executors.slurm import SlurmExecutor
from ai_energy_benchmarks.study.executors.slurm_job import NOTICE
from ai_energy_benchmarks.study.executors.slurm_queue import SlurmQueue, parameters
from ai_energy_benchmarks.study.manifest import CloseReason, read_manifest
from ai_energy_benchmarks.study.manifest_writer import ManifestWriter
from ai_energy_benchmarks.study.plan.checking import planned
from ai_energy_benchmarks.study.plan.clusters import SlurmConfig
from ai_energy_benchmarks.study.plan.file import load_study
from ai_energy_benchmarks.study.running.opening import OpenStudy, resume
from ai_energy_benchmarks.study.running.stopping import StopRequests
from ai_energy_benchmarks.study.running.study_run import StudyRun
from tests.unit.cluster_fakes import FakeQueue, ends
from tests.unit.study_fakes import MACHINE, begun, make_study

FAST = SlurmConfig(poll_s=0.001)


def opened(tmp_path: Path, seeds: int = 2, cycles: int = 2, **execution: Any) -> OpenStudy:
    execution = {"executor": "slurm", "timeout_s": 100.0, **execution}
    return begun(make_study(tmp_path, seeds, design={"cycles": cycles, "order": "interleave"}, execution=execution))


def executor(study: OpenStudy, queue: FakeQueue) -> SlurmExecutor:
    execution = study.study.config.execution
    site = Site(study.directory.absolute(), "s", "0.1.0", Path.cwd(), execution.placement, 5.0)
    return SlurmExecutor(FAST, site, queue, execution.timeout_s, late_s=0.0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai_energy_benchmarks.study.executors.slurm.LOOK_S", 0.001)


def run(study: OpenStudy, queue: FakeQueue, stop: StopRequests | None = None) -> CloseReason:
    return StudyRun(study, executor(study, queue), stop or StopRequests()).run()


def test_one_array_with_a_job_for_each_cycle(tmp_path: Path) -> None:
    """The manifest has the job of every cell, and where it ran; a job may take what its cells may take."""
    study, queue = opened(tmp_path, 2, 3), FakeQueue()
    assert run(study, queue) == "completed"
    ((lanes, environment, limit_s),) = queue.submitted
    assert [len(lane) for lane in lanes] == [2, 2, 2]
    assert environment["AEB_NO_USER_DEFAULTS"] == "1"
    assert limit_s == 2 * (100 + 5 + 180)
    attempts = read_manifest(study.directory).attempts
    assert [(each.cycle, each.job, each.state, each.host) for each in attempts] == [
        (cycle, f"1_{cycle - 1}", "completed", "n1") for cycle in (1, 1, 2, 2, 3, 3)
    ]


def test_no_value_of_the_environment_is_in_an_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs inherit it from the process that submits them; orders lie on a disk."""
    monkeypatch.setenv("MY_TOKEN", "hf_topsecret")
    file = tmp_path / "s.yaml"
    file.write_text(
        "base: {backend: {type: openai, model: m, endpoint: 'http://me:${MY_TOKEN}@127.0.0.1'}}\n"
        "execution: {executor: slurm, timeout_s: 9}\ndesign: {cycles: 1}\noutput_dir: study\n"
    )
    monkeypatch.chdir(tmp_path)
    study = begun(load_study(file))
    queue = FakeQueue()
    run(study, queue)
    assert "hf_topsecret" not in str(queue.submitted[0][0])
    assert "MY_TOKEN" in str(queue.submitted[0][0])


@pytest.mark.parametrize(
    ("code", "state", "wanted"),
    [(143, "PREEMPTED", "lost"), (143, "NODE_FAIL", "lost"), (130, "TIMEOUT", "timed out"),
     (143, "COMPLETED", "interrupted")],
)  # fmt: skip
def test_a_signal_means_what_the_queue_says_of_the_job(tmp_path: Path, code: int, state: str, wanted: str) -> None:
    """The process itself does not know who ended it; only what was lost with its node is tried again."""
    queue = FakeQueue(lambda order: ends(order, code), lambda job: state if job.startswith("1_") else "COMPLETED")
    study = opened(tmp_path, 1, 1)
    run(study, queue)
    assert read_manifest(study.directory).attempts[0].state == wanted
    assert len(queue.submitted) == (2 if wanted == "lost" else 1)


@pytest.mark.parametrize(
    ("state", "begins", "first", "rest"),
    [("OUT_OF_MEMORY", True, "lost", "lost"), ("TIMEOUT", True, "timed out", "lost"), ("FAILED", False, "lost", "lost"),
     ("CANCELLED", True, "interrupted", "interrupted"), ("GONE", False, "lost", "lost")],
)  # fmt: skip
def test_a_job_that_leaves_no_word(tmp_path: Path, state: str, begins: bool, first: str, rest: str) -> None:
    """Its cell that had begun and those that had not are told apart."""

    def dies(order: CellOrder) -> CellEnd | None:
        if begins:
            Path(order.log).touch()

    study = opened(tmp_path, 2, 1, retries=0)
    run(study, FakeQueue(dies, lambda job: state))
    attempts = read_manifest(study.directory).attempts
    assert [each.state for each in attempts] == [first, rest]
    assert attempts[1].reason.startswith("not begun")


@pytest.mark.parametrize(("state", "wanted"), [("COMPLETED", "timed out"), ("PREEMPTED", "lost")])
def test_a_job_whose_end_was_announced(tmp_path: Path, state: str, wanted: str) -> None:
    """Its time was up, unless the queue says that it was preempted."""
    study = opened(tmp_path, 1, 1, retries=0)
    run(study, FakeQueue(lambda order: evolve(ends(order, 130), how="interrupted", reason=NOTICE), lambda job: state))
    assert read_manifest(study.directory).attempts[0].state == wanted


def test_a_queue_that_does_not_answer_loses_no_job(tmp_path: Path) -> None:
    """A controller that restarts knows its jobs afterwards."""
    study = opened(tmp_path)
    assert run(study, FakeQueue(silent=5)) == "completed"
    assert {each.state for each in read_manifest(study.directory).attempts} == {"completed"}


def test_the_first_interrupt_cancels_what_is_pending(tmp_path: Path) -> None:
    """Its cells come back as interrupted."""
    stop = StopRequests()
    stuck = FakeQueue(stuck=True, before=stop.request)
    study = opened(tmp_path, 1, 2)
    assert run(study, stuck, stop) == "interrupted"
    assert stuck.cancelled == ["1_0", "1_1"]
    assert {each.state for each in read_manifest(study.directory).attempts} == {"interrupted"}


def killed(study: OpenStudy, job: str, log: str = "") -> OpenStudy:
    """The study as kill -9 leaves it while a cell is in a job."""
    (cell,) = study.cells
    directory = cell.run_directory(study.directory, 1)
    directory.mkdir(parents=True)
    place = {"cell": cell.id, "cycle": 1, "attempt": 1}
    with ManifestWriter(study.directory) as manifest:
        manifest.add("opened", schema_version=2, study_sha256=study.sha256, seed=1, environment=study.environment)
        manifest.add("cycle", cycle=1, seed=None, order=[cell.id])
        manifest.add("started", **place, position=0, directory=f"cells/{cell.id}/1", gap_s=0, gate="", gpus=[])
        manifest.add("submitted", **place, job=job)
    return resume(study.directory, MACHINE)


def test_resuming_waits_for_the_jobs_of_a_killed_study(tmp_path: Path) -> None:
    """They are found by their ids, and what they measured counts; jobs that no manifest knows are cancelled."""
    study = killed(opened(tmp_path, 1, 1), "7_0")
    (cell,) = study.cells
    directory = cell.run_directory(study.directory, 1)
    order = CellOrder(cell.id, 1, (), str(directory), str(directory / "cell.log"), "", "", "", "", "")
    queue = FakeQueue(strays=("7_0", "8_0"), silent=1)
    queue.jobs["7_0"] = [order.text()]
    assert run(study, queue) == "completed"
    assert queue.cancelled == ["8_0"]
    assert queue.submitted == []
    (attempt,) = read_manifest(study.directory).attempts
    assert (attempt.state, attempt.job, attempt.host) == ("completed", "7_0", "n1")


def test_a_job_that_is_gone_when_resuming_is_lost_and_runs_again(tmp_path: Path) -> None:
    """In a directory of its own."""
    study, queue = killed(opened(tmp_path, 1, 1), "7_0"), FakeQueue()
    assert run(study, queue) == "completed"
    assert [(each.number, each.state) for each in read_manifest(study.directory).attempts] == [
        (1, "lost"), (2, "completed"),
    ]  # fmt: skip


def test_leaving_by_an_error_cancels_what_is_queued(tmp_path: Path) -> None:
    """Such as a full disk."""
    study, queue = opened(tmp_path, 1, 1), FakeQueue(stuck=True)
    with executor(study, queue) as entered:
        entered._lanes["3_0"] = None  # type: ignore[assignment] # any lane
    assert queue.cancelled == ["3_0"]


def test_a_job_has_its_node_alone_and_is_never_requeued() -> None:
    """All memory, no binding to some processors, the environment, and the options of the user."""
    config = SlurmConfig(partition="gpu", gpus=2, at_once=3, setup=("module load cuda",), options={"reservation": "x"})
    given = parameters(config, "aeb-1", 3601)
    assert given["exclusive"] is True
    assert given["additional_parameters"] == {"mem": 0, "no_requeue": True, "export": "ALL", "reservation": "x"}
    assert (given["time"], given["gpus_per_node"], given["array_parallelism"]) == (61, 2, 3)
    assert given["srun_args"] == ["--cpu-bind=none"]
    assert "account" not in given
    assert "gpus_per_node" not in parameters(evolve(config, gpus=0), "aeb-1", 60)


def test_without_the_package_or_slurm_there_is_one_error_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of every extra."""
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(BackendError, match="needs the package submitit") as refused:
        SlurmQueue(tmp_path).check()
    assert refused.value.remedy == install_line("slurm")
    monkeypatch.setitem(sys.modules, "submitit", os)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="there is no sbatch, srun") as refused:
        SlurmQueue(tmp_path).check()
    assert "login node" in str(refused.value.remedy)


@pytest.mark.parametrize(
    ("more", "problem"),
    [({"execution": {"executor": "slrm"}}, "did you mean 'slurm'"),
     ({"execution": {"executor": "slurm"}}, "time_limit_s"),
     ({"execution": {"ray": {"gpus": 1}}}, "has no effect with executor: local"),
     ({"execution": {"executor": "ray", "isolation": "shared"}}, "every cell has its own"),
     ({"execution": {"executor": "ray", "gpus": [0]}}, "execution.ray.gpus"),
     ({"execution": {"executor": "ray", "runners": {"pytorch": {"container": "x"}}}}, "write a venv"),
     ({"execution": {"executor": "ray"}, "design": {"thermal_gate": True}}, "write design.gap_s"),
     ({"execution": {"executor": "ray"}, "design": {"order": "sequential"}}, "choose another order"),
     ({"execution": {"executor": "ray", "placement": "cell"}, "design": {"order": "latin_square", "cycles": 2}},
      "write placement: cycle")],
)  # fmt: skip
def test_what_several_nodes_cannot_keep_is_refused_with_the_reason(
    tmp_path: Path, more: dict[str, Any], problem: str
) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigError, match=problem):
        planned(make_study(tmp_path, **more))


def test_a_latin_square_keeps_its_balance_with_cycles_on_one_node(tmp_path: Path) -> None:
    """Every cycle is a row of the design, run as a whole."""
    design = {"order": "latin_square", "cycles": 2}
    assert planned(make_study(tmp_path, design=design, execution={"executor": "ray"}))
