"""An executor without processes, and studies for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from attrs import define, field

from ai_energy_benchmarks.domain.environment import Board, Environment
from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun, Stop
from ai_energy_benchmarks.study.manifest import CloseReason, read_manifest
from ai_energy_benchmarks.study.plan.checking import planned
from ai_energy_benchmarks.study.plan.file import study_from_mapping
from ai_energy_benchmarks.study.plan.study import Study
from ai_energy_benchmarks.study.running.judging import Judgement
from ai_energy_benchmarks.study.running.opening import OpenStudy, begin, resume
from ai_energy_benchmarks.study.running.schedule import Turn
from ai_energy_benchmarks.study.running.stopping import StopRequests
from ai_energy_benchmarks.study.running.study_run import StudyRun

MACHINE = Environment("Linux", "3.11", "0.1.0", cpu_model="x", libraries={"torch": "2.13"})
WITH_GPU = Environment("Linux", "3.11", "0.1.0", boards=(Board("GPU-a", 0, "H100", power_limit_w=700.0),))

Act = Callable[[CellRun], CellEnd]


def write_result(run: CellRun, j_per_token: float = 1.0, ending: str = "completed", level: str = "PASS") -> None:
    """A report as a run leaves it, as far as a study looks at it."""
    document = {
        "schema_version": 1,
        "ending": ending,
        "verdict": {"level": level, "headline": "gpu"},
        "derived": {"gpu": {"j_per_output_token": {"value": j_per_token}}},
    }
    (run.directory / "result.json").write_text(json.dumps(document))


def succeed(run: CellRun) -> CellEnd:
    write_result(run)
    return CellEnd(run, "exited", 0, 0.01)


def fail(run: CellRun) -> CellEnd:
    run.log.write_text("loading\nerror: the model is not there\n")
    return CellEnd(run, "exited", 1, 0.01)


@define
class FakeExecutor:
    """Does ``act`` for each cell, one after the other, and remembers which they were."""

    act: Act = succeed
    runs: list[CellRun] = field(factory=list)

    def __enter__(self) -> FakeExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def run(self, cells: Iterator[CellRun], stop: Stop) -> Iterator[CellEnd]:
        for cell in cells:
            self.runs.append(cell)
            yield self.act(cell)

    @property
    def seen(self) -> list[tuple[str, int]]:
        """Label-like part of each cell's id, and its cycle."""
        return [(run.cell.rpartition("-")[0], run.cycle) for run in self.runs]


@define
class Watcher:
    """An observer that remembers."""

    lines: list[str] = field(factory=list)

    def begins(self, turn: Turn, done: int, total: int) -> None:
        self.lines.append(f"begins {turn.cell.label} {done}/{total}")

    def ended(self, turn: Turn, judgement: Judgement, wall_s: float) -> None:
        self.lines.append(f"{judgement.state} {judgement.reason}")

    def settled(self, turn: Turn, judgement: Judgement) -> None:
        self.lines.append(f"settled {turn.cell.label}")

    def waits(self, seconds: float, why: str) -> None:
        self.lines.append(f"waits {seconds:g} s: {why}")


def make_study(directory: Path, seeds: int = 2, **more: Any) -> Study:
    """Cells that differ in their seed."""
    return study_from_mapping(
        {
            "base": {"backend": {"type": "pytorch", "model": "m"}},
            "sweep": {"scenario.seed": list(range(seeds))},
            "output_dir": str(directory / "study"),
            **more,
        }
    )


def begun(study: Study, environment: Environment = MACHINE) -> OpenStudy:
    return begin(study, planned(study), environment)


def run(opened: OpenStudy, executor: FakeExecutor, **more: Any) -> CloseReason:
    more.setdefault("stop", StopRequests())
    return StudyRun(opened, executor, **more).run()


def resumed(opened: OpenStudy, executor: FakeExecutor, environment: Environment = MACHINE, **more: Any) -> CloseReason:
    return run(resume(opened.directory, environment), executor, **more)


def states(opened: OpenStudy) -> list[tuple[str, int, str | None]]:
    return [(each.cell.rpartition("-")[0], each.cycle, each.state) for each in read_manifest(opened.directory).attempts]
