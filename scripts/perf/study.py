"""What studies cost: planning, a cell beyond its own work, resuming, and loading results.

    python scripts/perf/study.py [--cells 10000] [--runs 20] [--json FILE]

Exit status 1 if a limit is missed; the limits are for 10,000 cells.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from attrs import define, evolve
from ratios import Row, report

from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun, Stop
from ai_energy_benchmarks.study.executors.local import LocalExecutor
from ai_energy_benchmarks.study.frame import load_frame
from ai_energy_benchmarks.study.manifest_writer import ManifestWriter
from ai_energy_benchmarks.study.plan.checking import planned
from ai_energy_benchmarks.study.plan.file import study_from_mapping
from ai_energy_benchmarks.study.plan.study import Study
from ai_energy_benchmarks.study.running.opening import OpenStudy, begin, resume
from ai_energy_benchmarks.study.running.stopping import StopRequests
from ai_energy_benchmarks.study.running.study_run import StudyRun
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, Journal

# A cell's work, in a Python as light as there is: it copies a report to where the study expects it.
_WORK = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
_PLAN = """
import json, resource, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from study import make_study
from ai_energy_benchmarks.study.plan.checking import planned
from ai_energy_benchmarks.study.plan.estimate import estimate, first_order
study = make_study(Path("."), int(sys.argv[1]))
start_s = time.perf_counter()
expansion = planned(study)
estimate(study, expansion), first_order(study, expansion)
print(json.dumps([time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]))
"""


def make_study(directory: Path, cells: int) -> Study:
    """A study of so many cells, in three axes and a group."""
    first = max(1, cells // 100)
    return study_from_mapping(
        {
            "name": "perf",
            "base": {"backend": {"type": "pytorch", "model": "m"}},
            "sweep": {
                "scenario.seed": list(range(first)),
                "scenario.num_samples": list(range(1, 6)),
                "scenario.generate_kwargs.max_new_tokens": list(range(10, 20)),
                "precision": [{"backend.options.dtype": "float32"}, {"backend.options.dtype": "bfloat16"}],
            },
            "design": {"cycles": 1},
            "execution": {"silence_s": None},
            "output_dir": str(directory / "study"),
        }
    )


def planning(cells: int) -> list[Row]:
    """Time and peak memory of planning, in a process of its own."""
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", _PLAN, str(cells), here], capture_output=True, text=True, check=True)
    seconds, peak_mb = json.loads(done.stdout)
    return [
        Row(f"planning {cells} cells", seconds, "s", limit=5.0),
        Row(f"planning {cells} cells, peak memory of the process", peak_mb, "MB", limit=300.0),
    ]


@define
class Working:
    """The local executor with light work in the place of a measurement."""

    result: Path
    inner: LocalExecutor = LocalExecutor()  # noqa: RUF009 # it holds nothing

    def __enter__(self) -> Working:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def run(self, cells: Iterator[CellRun], stop: Stop) -> Iterator[CellEnd]:
        return self.inner.run((evolve(cell, command=self.work(cell.directory)) for cell in cells), stop)

    def work(self, directory: Path) -> tuple[str, ...]:
        """The command of a cell."""
        return (sys.executable, "-S", "-c", _WORK, str(self.result), str(directory / "result.json"))


def overhead(directory: Path, result: Path, runs: int) -> list[Row]:
    """What a cell takes in a study beyond the same command alone."""
    study = make_study(directory, 100)
    opened = begin(study, planned(study), take_snapshot())
    opened = evolve(opened, cells=opened.cells[:runs])
    executor = Working(result)
    alone_s = []
    for _ in range(runs):
        start_s = time.perf_counter()
        subprocess.run(executor.work(directory), check=True)
        alone_s.append(time.perf_counter() - start_s)
    start_s = time.perf_counter()
    StudyRun(opened, executor, StopRequests()).run()
    each_s = (time.perf_counter() - start_s) / runs
    return [
        Row("a cell's own work alone, median", statistics.median(alone_s), "s"),
        Row("a cell in a study beyond that", each_s - statistics.median(alone_s), "s", limit=0.5),
    ]


def make_results(directory: Path, result: Path, cells: int) -> OpenStudy:
    """A study that is complete, with the same report for every cell."""
    study = make_study(directory, cells)
    opened = begin(study, planned(study), take_snapshot())
    with ManifestWriter(opened.directory) as manifest:
        manifest.add("opened", schema_version=1, study_sha256=opened.sha256, seed=opened.seed,
                     environment=opened.environment)  # fmt: skip
        manifest.add("cycle", cycle=1, seed=1, order=[cell.id for cell in opened.cells])
    with (opened.directory / "manifest.jsonl").open("a", encoding="utf-8") as lines:  # without a sync for each
        for position, cell in enumerate(opened.cells):
            place = cell.run_directory(opened.directory, 1)
            place.mkdir(parents=True)
            os.link(result, place / "result.json")
            common = {"at_utc": "2026-01-01T00:00:00+00:00", "cell": cell.id, "cycle": 1, "position": position,
                      "attempt": 1, "directory": place.relative_to(opened.directory).as_posix()}  # fmt: skip
            started = {"event": "started", **common, "gap_s": 0.0, "gate": "", "gpus": []}
            ended = {"event": "ended", **common, "state": "completed", "verdict": "PASS", "reason": "", "exit_code": 0,
                     "wall_s": 1.0}  # fmt: skip
            lines.write(f"{json.dumps(started)}\n{json.dumps(ended)}\n")
    return opened


def resuming(opened: OpenStudy) -> Row:
    """Finding that nothing is left to do."""
    environment = take_snapshot()
    start_s = time.perf_counter()
    StudyRun(resume(opened.directory, environment), LocalExecutor(), StopRequests()).run()
    return Row(f"resuming a complete study of {len(opened.cells)} cells", time.perf_counter() - start_s, "s", limit=2.0)


def loading(opened: OpenStudy) -> Row:
    """All results as one frame."""
    start_s = time.perf_counter()
    rows = load_frame(opened.directory).height
    seconds = time.perf_counter() - start_s
    assert rows == len(opened.cells), rows
    return Row(f"loading {rows} results", seconds, "s", limit=5.0)


def make_result(directory: Path) -> Path:
    """The report of a run with fakes."""
    config = {"backend": {"type": "pytorch", "model": "m"}, "reporters": ["json"], "output_dir": str(directory),
              "protocol": {"bare_idle_s": 0, "resident_idle_s": 0, "trials": 1},
              "scenario": {"num_samples": 4}}  # fmt: skip
    journal = Journal()
    clock = FakeClock(journal)
    runner = BenchmarkRunner(
        config_from_mapping(config),
        backend=FakeBackend(journal, clock),
        collector=FakeCollector(journal, clock),
        clock=clock,
    )
    runner.run()
    return directory / "result.json"


def rows(directory: Path, cells: int, runs: int) -> list[Row]:
    """All rows."""
    result = make_result(directory / "one")
    found = [*planning(cells), *overhead(directory / "light", result, runs)]
    opened = make_results(directory / "many", result, cells)
    return [*found, resuming(opened), loading(opened)]


def main() -> int:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000, help="cells of the large study")
    parser.add_argument("--runs", type=int, default=20, help="cells whose overhead is measured")
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return report(rows(Path(directory), arguments.cells, arguments.runs), arguments.json)


if __name__ == "__main__":
    sys.exit(main())
