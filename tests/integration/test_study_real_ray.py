"""Studies on a real Ray cluster of two nodes on this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_energy_benchmarks.machine.processes import processes
from ai_energy_benchmarks.machine.programs import environment_of
from ai_energy_benchmarks.study.executors.node import PLACE_VARIABLE
from ai_energy_benchmarks.study.manifest import Manifest, read_manifest
from tests import real_ray
from tests.functional.test_study_survives import Place
from tests.real_ray import RealRay

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(bool(real_ray.why_not()), reason=real_ray.why_not())]
SWEEP = {"backend.options.request_s": [0.01, 0.02]}
RAY = {"executor": "ray"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRay]:
    with real_ray.real_ray(tmp_path_factory.mktemp("ray")) as ray:
        yield ray


@pytest.fixture
def place(tmp_path: Path, cluster: RealRay) -> Place:
    place = Place(tmp_path)
    place.environment |= cluster.environment
    return place


def ray_nodes(study: Path) -> set[str]:
    """The nodes that cells ran on, as the manifest has them."""
    import json

    events = map(json.loads, (study / "manifest.jsonl").read_text().splitlines())
    return {event["scheduler"]["ray_node"] for event in events if event["event"] == "ended" and "scheduler" in event}


def cells(manifest: Manifest) -> list[tuple[str, int, str | None]]:
    return sorted((each.cell, each.cycle, each.state) for each in manifest.latest.values())


def wait_for_cell(place: Place) -> int:
    """The process of a cell of the study that runs on a node."""
    until_s = time.monotonic() + 120
    while time.monotonic() < until_s:
        for pid, process in processes().items():
            if process.session != pid:  # what a cell has started itself
                continue
            variables = environment_of(pid)
            if PLACE_VARIABLE in variables and str(place.directory) in variables.get("PYTHONPATH", ""):
                return pid
        time.sleep(0.05)
    raise AssertionError("no cell begins")


def test_the_same_cells_as_on_this_machine(place: Place, tmp_path: Path) -> None:
    """Two nodes share the cycles; what is written is a study like any other."""
    design = {"cycles": 2, "order": "latin_square"}
    done = place.run("run", place.write(SWEEP, design=design, execution=RAY))
    assert done.code == 0, done.out + done.err
    here = Place(tmp_path / "here")
    assert here.run("run", here.write(SWEEP, design=design)).code == 0
    assert cells(read_manifest(place.study)) == cells(read_manifest(here.study))
    assert {each["ending"] for each in place.documents().values()} == {"completed"}
    assert len(ray_nodes(place.study)) == 2
    assert place.run("study", "report", "--with-failed", place.study).code == 0


def test_a_cell_whose_worker_is_killed_runs_again(place: Place) -> None:
    """Once more, in a directory of its own, after what it left has ended."""
    file = place.write({"protocol.trials": [4]}, {"request_s": 0.3}, design={"cycles": 1}, execution=RAY)
    with place.started("run", file) as study:
        pid = wait_for_cell(place)
        os.kill(processes()[pid].parent, signal.SIGKILL)
        out, _ = study.communicate(timeout=200)
    assert study.returncode == 0, out
    first, second = read_manifest(place.study).attempts
    assert (first.state, second.state, Path(second.directory).name) == ("lost", "completed", "1.2")


def test_kill_9_of_the_driver_ends_its_tasks_and_resuming_goes_on(place: Place) -> None:
    """The cell that ran ends with its driver; no other one has to be measured again."""
    file = place.write({"protocol.trials": [3, 4]}, {"request_s": 0.3}, design={"cycles": 1}, execution=RAY)
    with place.started("run", file) as study:
        pid = wait_for_cell(place)
        study.kill()
        study.wait()
    until_s = time.monotonic() + 60
    while pid in processes() and not processes()[pid].ended and time.monotonic() < until_s:
        time.sleep(0.1)
    assert pid not in processes() or processes()[pid].ended
    done = place.run("study", "resume", place.study)
    assert done.code == 0, done.out + done.err
    assert {each.state for each in read_manifest(place.study).latest.values()} == {"completed"}


def test_ctrl_c_once_finishes_the_cell_that_runs(place: Place) -> None:
    """All its trials; the next one has not begun, and resuming measures it."""
    file = place.write({"protocol.trials": [4, 5]}, {"request_s": 0.3}, design={"cycles": 1, "order": "interleave"},
                       execution=RAY)  # fmt: skip
    with place.started("run", file) as study:
        wait_for_cell(place)
        study.send_signal(signal.SIGINT)
        out, _ = study.communicate(timeout=120)
    assert (study.returncode, "finishing the cells that run" in out) == (130, True)
    assert [each.state for each in read_manifest(place.study).attempts] == ["completed", "interrupted"]
    assert place.run("study", "resume", place.study).code == 0


def test_ctrl_c_twice_stops_the_cells_that_run(place: Place) -> None:
    """They write what they have measured; nothing of them is left."""
    file = place.write({"protocol.trials": [40]}, {"request_s": 0.3}, design={"cycles": 2}, execution=RAY)
    with place.started("run", file) as study:
        pid = wait_for_cell(place)
        study.send_signal(signal.SIGINT)
        time.sleep(1)
        study.send_signal(signal.SIGINT)
        out, _ = study.communicate(timeout=120)
    assert study.returncode == 130, out
    assert {each.state for each in read_manifest(place.study).attempts} == {"interrupted"}
    assert pid not in processes() or processes()[pid].ended


def test_a_node_that_dies_loses_its_cells_to_another(tmp_path: Path) -> None:
    """The cycle that ran there goes on elsewhere."""
    with real_ray.real_ray(tmp_path / "ray") as cluster:
        place = Place(tmp_path / "place")
        place.environment |= cluster.environment
        file = place.write({"protocol.trials": [5, 6]}, {"request_s": 0.4}, design={"cycles": 2}, execution=RAY)
        with place.started("run", file) as study:
            wait_for_cell(place)
            time.sleep(3)  # until both nodes run one
            cluster.kill_a_node()
            out, _ = study.communicate(timeout=250)
    assert study.returncode == 0, out
    attempts = read_manifest(place.study).attempts
    assert [each.state for each in attempts].count("lost") >= 1
    assert {each.state for each in read_manifest(place.study).latest.values()} == {"completed"}


@pytest.mark.skipif(os.geteuid() != 0, reason="hiding a directory from a node needs root")
def test_a_node_that_does_not_see_the_directory_returns_its_results(tmp_path: Path) -> None:
    """Through Ray's object store, also what failed; nothing stays on the node."""
    place = Place(tmp_path / "place")
    place.study.mkdir()
    with (
        real_ray.real_ray(tmp_path / "ray", exclusive=0) as cluster,
        real_ray.hidden_node(cluster, place.study, tmp_path / "ray"),
    ):
        place.environment |= cluster.environment
        file = place.write({"backend.options.fails": [False, True]}, design={"cycles": 1}, execution=RAY)
        done = place.run("run", "-v", file)
    assert done.code == 1, done.out + done.err
    states = {each.cell.split("-")[0]: each for each in read_manifest(place.study).attempts}
    assert {name: each.state for name, each in states.items()} == {"fails=false": "completed", "fails=true": "failed"}
    assert "told to fail" in states["fails=true"].reason
    assert len(place.documents()) == 1
    assert "returns its results through Ray" in done.out + done.err
