"""Lines of JSON for programs that watch a run, on a standard output that nothing else writes to."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO, cast

from attrs import define, field

from ai_energy_benchmarks.cli.streams import BlankingStream, say
from ai_energy_benchmarks.domain.progress import FigureProgress, Progress
from ai_energy_benchmarks.domain.result import BenchmarkResult, Step, Trial
from ai_energy_benchmarks.results.document.sections import step as step_row
from ai_energy_benchmarks.results.document.sections import trial_rows


@contextmanager
def own_output() -> Iterator[TextIO]:
    """Standard output for this program alone: what engines and their processes print goes to standard error."""
    sys.stdout.flush()
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):  # not a file of the system's, such as in a test
        output = sys.stdout
        with redirect_stdout(sys.stderr):
            yield output
        return
    kept = os.dup(number)
    os.dup2(sys.stderr.fileno(), number)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as file, redirect_stdout(sys.stderr):
            yield cast("TextIO", BlankingStream(file))
    finally:
        os.dup2(kept, number)
        os.close(kept)


@define
class JsonLines:
    """Writes one JSON object a line, in the shape that ``result.json`` has for steps and trials.

    Attributes:
        output: where they go.
        inner: what people see meanwhile.
    """

    output: TextIO
    inner: Progress
    _offset_s: float = field(factory=lambda: time.time() - time.perf_counter())
    _gone: bool = False

    def begin(self, stage: str, total: int | None = None) -> None:
        self.inner.begin(stage, total)

    def advance(self, amount: int = 1) -> None:
        self.inner.advance(amount)

    def end(self) -> None:
        self.inner.end()

    def step(self, step: Step) -> None:
        """A step outside the trials is over."""
        self._write({"event": "step", **step_row(step, self._offset_s)})
        if isinstance(self.inner, FigureProgress):
            self.inner.step(step)

    def trial(self, trial: Trial) -> None:
        """A trial is recorded."""
        [row] = trial_rows([trial], None, self._offset_s)["trials"]
        self._write({"event": "trial", **row})
        if isinstance(self.inner, FigureProgress):
            self.inner.trial(trial)

    def ended(self, result: BenchmarkResult, files: Sequence[Path]) -> None:
        """The last line: how the run ended, its verdict and its files."""
        self._write(
            {
                "event": "result",
                "run_id": result.run_id,
                "ending": result.ending,
                "verdict": result.verdict.level,
                "files": [str(file) for file in files],
            }
        )

    def _write(self, row: Mapping[str, object]) -> None:
        if self._gone:
            return
        try:
            self.output.write(json.dumps(row, allow_nan=False, default=str) + "\n")
            self.output.flush()
        except (OSError, ValueError):  # the reader is gone; the run goes on
            self._gone = True
            say("note: nothing reads --json-lines any more; the run goes on", err=True)
