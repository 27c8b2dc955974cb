"""Studies as their users run them: whole ones, Ctrl-C, and kill -9 at any instant."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ai_energy_benchmarks.machine.processes import processes
from ai_energy_benchmarks.registry import PLUGINS_VARIABLE
from ai_energy_benchmarks.study.commands import MARK_VARIABLE
from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE
from ai_energy_benchmarks.study.manifest import MANIFEST_FILE, read_manifest
from tests.fast_engine import QUICK, install
from tests.functional.commands import PROGRAM, Done, command


class Place:
    """A directory with the fast engine in it, and the commands that run there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.study = directory / "results"
        install(directory / "engine")
        (directory / "locks").mkdir()
        paths = (str(directory / "engine"), os.environ.get("PYTHONPATH", ""))
        self.environment = {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            DIRECTORY_VARIABLE: str(directory / "locks"),
            PLUGINS_VARIABLE: "aeb-test-fast",
        }

    def write(self, sweep: Mapping[str, Any], options: Mapping[str, Any] | None = None, **more: Any) -> Path:
        backend = {"type": "test-fast", "model": "m", "options": dict(options or {})}
        study = {"base": {"backend": backend, **QUICK}, "sweep": sweep, "output_dir": str(self.study), **more}
        file = self.directory / "study.yaml"
        file.write_text(yaml.safe_dump(study))
        return file

    def run(self, *arguments: str | Path) -> Done:
        return command(*arguments, cwd=self.directory, **self.environment)

    @contextmanager
    def started(self, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [*PROGRAM, *map(str, arguments)], cwd=self.directory, env=os.environ | self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def documents(self) -> dict[str, dict[str, Any]]:
        """Run id → report, of every run that has one, complete or not."""
        found = {}
        for file in self.study.rglob("result.json"):
            document = json.loads(file.read_text())
            found[document["run_id"]] = document
        return found

    def kept_trials(self) -> dict[str, int]:
        """Run id → complete trials that are on the disk: in its report, or in its journal."""
        kept: dict[str, int] = {}
        # Journals first: a run writes its report, and then removes its journal.
        for lines in self.study.rglob("run.jsonl"):
            with suppress(FileNotFoundError):
                whole = lines.read_bytes().rpartition(b"\n")[0].split(b"\n")
                kept[lines.parents[1].name] = sum(b'"trial"' in line[:12] for line in whole)
        for name, document in self.documents().items():
            kept[name] = max(kept.get(name, 0), sum(trial["complete"] for trial in document["trials"]))
        return kept


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_study_runs_and_reports(place: Place) -> None:
    """One command plans, runs and leaves ordinary result directories; another finds nothing left to do."""
    file = place.write({"backend.options.request_s": [0.01, 0.02]}, design={"cycles": 1})
    done = place.run("run", file)
    assert (done.code, done.err) == (0, "")
    assert "2 cells × 1 cycle = 2 runs" in done.out
    assert [each.state for each in read_manifest(place.study).attempts] == ["completed"] * 2
    assert sorted(each["ending"] for each in place.documents().values()) == ["completed"] * 2
    again = place.run("study", "resume", place.study)
    assert (again.code, len(place.documents())) == (0, 2)
    assert place.run("run", file).code == 2


def test_ctrl_c_once_finishes_the_trial_and_twice_stops_now(place: Place) -> None:
    """After the first the trial under way is complete, and no further one begins; the second cuts it short."""
    file = place.write({"protocol.trials": [8]}, {"request_s": 0.15}, design={"cycles": 1})
    with place.started("run", file) as study:
        wait_for_child(place)
        study.send_signal(signal.SIGINT)
        out, _ = study.communicate(timeout=60)
    assert "finishing the trial that runs; " in out
    assert study.returncode == 130
    (trials,) = [each["trials"] for each in place.documents().values()]
    assert all(trial["complete"] for trial in trials)
    assert 1 <= len(trials) < 8
    with place.started("study", "resume", place.study) as study:
        wait_for_child(place)
        study.send_signal(signal.SIGINT)
        time.sleep(0.1)
        study.send_signal(signal.SIGINT)
        out, _ = study.communicate(timeout=60)
    assert study.returncode == 130
    manifest = read_manifest(place.study)
    assert (manifest.closed, [each.state for each in manifest.attempts]) == ("interrupted", ["interrupted"] * 2)
    assert place.run("study", "resume", place.study).code == 0


def test_cells_of_a_block_share_a_process_in_which_the_model_stays_loaded(place: Place) -> None:
    """Each with its own report, whose verdict says so; another model has another process, and so has what failed."""
    sweep = {"backend.model": ["one", "two"], "scenario.num_samples": [1, 2, 3]}
    file = place.write(sweep, design={"cycles": 1, "seed": 3}, execution={"isolation": "shared"})
    done = place.run("run", file)
    assert done.code == 0, done.out + done.err
    loads: dict[int, list[str]] = {}
    for attempt in read_manifest(place.study).attempts:
        document = json.loads((place.study / attempt.directory / "result.json").read_text())
        settings = document["backend_info"]["settings"]
        assert settings["loads"] == 1
        loads.setdefault(settings["process"], []).append(document["config"]["model"])
        said = [each["check"] for each in document["verdict"]["findings"]]
        assert ("shared process" in said) == (len(loads[settings["process"]]) > 1)
        assert "Verdict" not in (place.study / attempt.directory / "cell.log").read_text()  # no console reporter here
    assert sorted(loads.values()) == [["one"] * 3, ["two"] * 3]


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_a_shared_process_ends_with_a_cell_that_fails(place: Place) -> None:
    """The next cell has a new one, and Ctrl-C ends it as it ends others."""
    file = place.write({"scenario.num_samples": [1, 99]}, design={"cycles": 2, "order": "interleave"},
                       execution={"isolation": "shared", "timeout_s": 30})  # fmt: skip
    text = yaml.safe_load(file.read_text())
    text["base"]["backend"]["options"] = {"request_s": 2.0}
    file.write_text(yaml.safe_dump(text))
    done = place.run("run", file, "-o", "base.protocol.trials=1", "-o", "execution.breaker.failures=0")
    assert done.code == 1
    assert [each.state for each in read_manifest(place.study).attempts] == ["completed", "timed out"] * 2


def wait_for_child(place: Place) -> None:
    """Until a trial runs: the journal of its run is there, and holds no trial yet."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        lines = [file.read_text() for file in place.study.rglob("run.jsonl")]
        if any('"step"' not in text and text.endswith("\n") for text in lines):
            time.sleep(0.5)
            return
        time.sleep(0.02)
    raise AssertionError("no cell began")


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_a_cell_that_hangs_and_one_that_fails_cost_themselves_alone(place: Place) -> None:
    """Each has its state and its reason, and the exit code says that something is missing."""
    states = [{"backend.options.hangs": True}, {"backend.options.fails": True}, {}]
    file = place.write({"state": states}, design={"cycles": 1}, execution={"timeout_s": 30})
    done = place.run("run", file)
    assert done.code == 1
    attempts = {each.state: each.reason for each in read_manifest(place.study).attempts}
    assert set(attempts) == {"timed out", "failed", "completed"}
    assert attempts["timed out"] == "it took longer than execution.timeout_s (30 s)"
    assert attempts["failed"] == "exit code 1: the fast engine was told to fail"


def kill_hard(place: Place, study: subprocess.Popen[str], *, with_cells: bool) -> None:
    """SIGKILL to the study, and to the cells that it runs."""
    study.kill()
    if not with_cells:
        return
    for pid in processes():
        with suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_bytes()
            if MARK_VARIABLE.encode() in variables and str(place.directory / "locks").encode() in variables:
                os.kill(pid, signal.SIGKILL)


def kill_at_random(place: Place, kills: int, seed: int, cycles: int) -> None:
    """Kill a study again and again, and hold what is left against what was on the disk before each kill.

    Whatever the instant, no complete trial is lost and no complete cell is measured again.
    """
    draw = random.Random(seed)
    begun, left = 0, kills
    kept: dict[str, int] = {}
    complete: dict[Path, str] = {}
    while left:
        begun += 1
        kept, complete = {}, {}
        inner = Place(place.directory / str(begun))
        file = inner.write({"backend.options.request_s": [0.02, 0.05]}, design={"cycles": cycles})
        arguments: tuple[str | Path, ...] = ("run", file)
        while left:
            with inner.started(*arguments) as study:
                until_s = time.monotonic() + draw.uniform(0.0, 1.5 * 2 * cycles)
                while study.poll() is None and time.monotonic() < until_s:
                    time.sleep(0.01)
                if study.poll() is not None:
                    break
                kept, complete = inner.kept_trials(), completed(inner)
                kill_hard(inner, study, with_cells=draw.random() < 0.5)
            left -= 1
            if not has_begun(inner):
                continue
            arguments = resume_of(inner)
            after = inner.kept_trials()
            assert all(after.get(name, 0) >= trials for name, trials in kept.items())
            assert complete.items() <= completed(inner).items()
        done = inner.run(*arguments) if not has_begun(inner) else inner.run(*resume_of(inner))
        assert done.code == 0, done.err
        states = [each.state for each in read_manifest(inner.study).latest.values()]
        assert states == ["completed"] * 2 * cycles
        assert all(inner.kept_trials().get(name, 0) >= trials for name, trials in kept.items())
        assert complete.items() <= completed(inner).items()


def resume_of(place: Place) -> tuple[str | Path, ...]:
    return "study", "resume", place.study


def has_begun(place: Place) -> bool:
    """Whether the first event of a study is on the disk; before that ``run`` begins it once more."""
    file = place.study / MANIFEST_FILE
    return file.exists() and b"\n" in file.read_bytes()


def completed(place: Place) -> dict[Path, str]:
    """Directory → run id of every complete cell."""
    found = {}
    for file in place.study.glob("cells/*/*/result.json"):
        found[file.parent] = json.loads(file.read_text())["run_id"]
    return found


def test_a_study_survives_kills_at_random_instants(tmp_path: Path) -> None:
    """A few of them; the heavy test has many."""
    kill_at_random(Place(tmp_path), kills=2, seed=1, cycles=1)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_a_study_survives_many_kills_at_random_instants(tmp_path: Path) -> None:
    """Sixty instants, half of them with the running cell."""
    kill_at_random(Place(tmp_path), kills=60, seed=int(time.time()), cycles=4)
