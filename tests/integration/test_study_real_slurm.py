"""Studies as jobs of a real Slurm with one node on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from ai_energy_benchmarks.study.manifest import read_manifest
from tests import real_slurm
from tests.functional.test_study_survives import Place
from tests.integration.test_study_real_ray import SWEEP, cells, wait_for_cell

WHY_NOT = real_slurm.why_not() or ("" if find_spec("submitit") else "submitit is not installed")
pytestmark = [pytest.mark.heavy, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
SLURM = {"executor": "slurm", "slurm": {"time_limit_s": 600, "poll_s": 1}}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with real_slurm.real_slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture
def place(tmp_path: Path, slurm: dict[str, str]) -> Iterator[Place]:
    place = Place(tmp_path)
    place.environment |= slurm
    yield place
    ask(place, "scancel", "--me")


def ask(place: Place, *command: str) -> str:
    done = subprocess.run(
        command, env=os.environ | place.environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout


def queue(place: Place) -> list[str]:
    return ask(place, "squeue", "--noheader", "--array", "--format=%i %T").splitlines()


def test_the_same_cells_as_on_this_machine(place: Place, tmp_path: Path) -> None:
    """As one array with a job a cycle; what is written is a study like any other."""
    design = {"cycles": 2, "order": "latin_square"}
    done = place.run("run", place.write(SWEEP, design=design, execution=SLURM))
    assert done.code == 0, done.out + done.err
    here = Place(tmp_path / "here")
    assert here.run("run", here.write(SWEEP, design=design)).code == 0
    manifest = read_manifest(place.study)
    assert cells(manifest) == cells(read_manifest(here.study))
    jobs = {each.cycle: each.job for each in manifest.attempts}
    assert len({job.partition("_")[0] for job in jobs.values()}) == 1
    assert len(set(jobs.values())) == 2
    assert place.run("study", "report", "--with-failed", place.study).code == 0


def test_jobs_outlive_kill_9_and_resuming_waits_for_them(place: Place) -> None:
    """No cell runs twice: its first attempt is the one that counts."""
    file = place.write({"protocol.trials": [3, 4]}, {"request_s": 0.4}, design={"cycles": 1}, execution=SLURM)
    with place.started("run", file) as study:
        wait_for_cell(place)
        study.kill()
        study.wait()
    assert queue(place)
    done = place.run("study", "resume", place.study)
    assert done.code == 0, done.out + done.err
    assert [(each.number, each.state) for each in read_manifest(place.study).attempts] == [(1, "completed")] * 2


def test_ctrl_c_twice_cancels_the_jobs(place: Place) -> None:
    """The cell that ran writes what it has; nothing is left in the queue, and resuming measures all."""
    file = place.write({"protocol.trials": [20]}, {"request_s": 0.4}, design={"cycles": 2}, execution=SLURM)
    with place.started("run", file) as study:
        wait_for_cell(place)
        study.send_signal(signal.SIGINT)
        time.sleep(1)
        study.send_signal(signal.SIGINT)
        out, _ = study.communicate(timeout=120)
    assert study.returncode == 130, out
    assert [line for line in queue(place) if "COMPLETING" not in line] == []
    assert {each.state for each in read_manifest(place.study).attempts} == {"interrupted"}


def test_ctrl_c_once_finishes_the_cell_that_runs(place: Place) -> None:
    """Jobs that have not begun are cancelled."""
    file = place.write({"protocol.trials": [4]}, {"request_s": 0.4}, design={"cycles": 3}, execution=SLURM)
    with place.started("run", file) as study:
        wait_for_cell(place)
        study.send_signal(signal.SIGINT)
        out, _ = study.communicate(timeout=120)
    assert study.returncode == 130, out
    states = [each.state for each in read_manifest(place.study).attempts]
    assert states == ["completed", "interrupted", "interrupted"]


def test_a_node_that_goes_down_loses_its_cell_which_runs_again(place: Place) -> None:
    """As an administrator, or Slurm itself, takes it down."""
    file = place.write({"protocol.trials": [4]}, {"request_s": 0.4}, design={"cycles": 1}, execution=SLURM)
    node = ask(place, "sinfo", "--noheader", "--format=%n").strip()
    with place.started("run", file) as study:
        wait_for_cell(place)
        ask(place, "scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        time.sleep(3)
        ask(place, "scontrol", "update", f"NodeName={node}", "State=RESUME")
        out, _ = study.communicate(timeout=250)
    assert study.returncode == 0, out
    first, second = read_manifest(place.study).attempts
    assert (first.state, second.state, Path(second.directory).name) == ("lost", "completed", "1.2")


def test_a_cell_writes_what_it_has_before_the_time_of_its_job_is_up(place: Place) -> None:
    """Slurm announces the end a minute before; the cell is timed out, and its complete trials are kept."""
    execution = {"executor": "slurm", "retries": 0, "slurm": {"time_limit_s": 120, "poll_s": 1}}
    file = place.write({"protocol.trials": [400]}, {"request_s": 0.4}, design={"cycles": 1}, execution=execution)
    assert place.run("run", file).code == 1
    (attempt,) = read_manifest(place.study).attempts
    assert (attempt.state, "time_limit_s" in attempt.reason) == ("timed out", True)
    (trials,) = place.kept_trials().values()
    assert trials > 2


def test_no_file_of_the_study_has_a_secret(place: Place) -> None:
    """Jobs inherit it from the process that submits them."""
    place.environment["MY_TOKEN"] = "verysecretvalue"
    file = place.write(SWEEP, design={"cycles": 1}, execution=SLURM)
    file.write_text(file.read_text().replace("model: m", "model: m-${MY_TOKEN}"))
    place.run("run", file)
    assert read_manifest(place.study).attempts
    found = [path for path in place.study.rglob("*") if path.is_file() and b"verysecretvalue" in path.read_bytes()]
    assert found == []
