"""What a run has measured, on disk as soon as a trial is complete, so that whatever ends the run costs one trial.

``runs/<run id>/journal/`` holds ``config.yaml``, ``run.jsonl`` with one line for each step, trial and finding, and
Parquet files with the rows of requests and the raw samples. Lines are only added, and name only files that are whole
and on the disk by then. The directory is removed once the report is written.
"""

from __future__ import annotations

import io
import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from attrs import define, evolve, field

from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.power import Samples, Series
from ai_energy_benchmarks.domain.result import Reasoning, RowFiles, Step, Trial
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.results.clean_frames import clean_frame
from ai_energy_benchmarks.results.details import details
from ai_energy_benchmarks.results.request_tables import RowFacts
from ai_energy_benchmarks.results.requests import filler_frame, trial_frames
from ai_energy_benchmarks.results.run_directory import JOURNAL, LINES_FILE, try_lock
from ai_energy_benchmarks.results.timeline import samples_frame
from ai_energy_benchmarks.results.writing import sync_directory, write_text
from ai_energy_benchmarks.safety.secrets import blanked

if TYPE_CHECKING:
    import polars


class Seen(Protocol):
    """What a run has seen so far."""

    @property
    def steps(self) -> Sequence[Step]: ...
    @property
    def trials(self) -> Sequence[Trial]: ...
    @property
    def findings(self) -> Sequence[Finding]: ...
    @property
    def engine(self) -> EngineFacts | None: ...
    @property
    def reasoning(self) -> Reasoning | None: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def meter_notes(self) -> Sequence[str]: ...
    @property
    def dataset_sha256(self) -> str: ...


@define
class Journal:
    """``with`` around a run; what the disk refuses costs the journal, not the run.

    Attributes:
        run_directory: the directory of the run, ``runs/<run id>/``.
        config_yaml: the config as resolved.
        run: facts that are known from the start, as JSON holds them.
        problem: why nothing more is kept; empty while all is well.
        begun: whether it holds the start of the run.
        reported: set once the run's report is written, which makes the journal needless.
    """

    run_directory: Path
    config_yaml: str
    run: Mapping[str, object]
    problem: str = ""
    reported: bool = False
    begun: bool = False
    _lines: TextIO | None = None
    _steps: int = 0
    _findings: int = 0
    _pieces: int = 0
    _last: dict[str, object] = field(factory=dict)
    _until_s: dict[tuple[str, ...], float] = field(factory=dict)
    _requests: dict[int, tuple[Path, ...]] = field(factory=dict)
    _fillers: dict[int, tuple[Path, ...]] = field(factory=dict)

    @property
    def directory(self) -> Path:
        return self.run_directory / JOURNAL

    def __enter__(self) -> Journal:
        # Here, so that neither the import nor a signal in it falls between two trials.
        import_module("polars")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            # Open until the run ends, so that its lock tells whether it goes on.
            self._lines = (self.directory / LINES_FILE).open("a", encoding="utf-8", errors="replace")
            try_lock(self._lines)
            write_text(self.directory / "config.yaml", self.config_yaml)
            self._write([{"run": self.run}])
            self.begun = True
        except (OSError, TypeError, ValueError, ReporterError) as error:
            self._give_up(error)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            with suppress(OSError):  # of a full disk, which ``problem`` names already
                self._lines.close()

    def keep(self, seen: Seen, rows: RowFacts, *, ending: str | None = None) -> None:
        """Store what is new since the last call; returns when it is on the disk.

        Args:
            rows: what the rows of requests have in common.
            ending: how the run ended, with the last call.
        """
        import polars

        if self.problem:
            return
        try:
            lines = list(self._news(seen, rows))
            if ending is not None:
                lines.append({"ended": ending})
            sync_directory(self.directory)
            self._write(lines)
        except (OSError, ArithmeticError, TypeError, ValueError, polars.exceptions.PolarsError) as error:
            self._give_up(error)
            return
        self._steps, self._findings = len(seen.steps), len(seen.findings)

    def row_files(self, trials: Sequence[Trial]) -> RowFiles | None:
        """The rows of requests of these trials as they were stored; None if some were not."""
        if self.problem or any(trial.number not in self._requests for trial in trials):
            return None
        numbers = [trial.number for trial in trials]
        return RowFiles(
            tuple(path for number in numbers for path in self._requests[number]),
            tuple(path for number in numbers for path in self._fillers[number]),
        )

    def _news(self, seen: Seen, rows: RowFacts) -> Iterator[Mapping[str, object]]:
        plain = details().unstructure
        yield from ({"step": plain(step)} for step in seen.steps[self._steps :])
        for trial in seen.trials:
            if trial.number in self._requests:
                continue
            requests = self._stored(trial_frames(trial, rows))
            fillers = self._stored([filler_frame(trial, rows)] if trial.fillers else [])
            yield {
                "trial": plain(evolve(trial, outcomes=(), fillers=())),
                "requests": [request.name for request in requests],
                "fillers": [filler.name for filler in fillers],
            }
            self._requests[trial.number], self._fillers[trial.number] = requests, fillers
        yield from ({"finding": plain(finding)} for finding in seen.findings[self._findings :])
        facts = {
            "engine": seen.engine and plain(seen.engine),
            "reasoning": seen.reasoning and plain(seen.reasoning),
            "notes": list(seen.meter_notes),
            "dataset_sha256": seen.dataset_sha256,
            "series": [[*_key(series), series.device.label] for series in seen.samples.series],
        }
        changed = {name: value for name, value in facts.items() if self._last.get(name) != value}
        if changed:
            yield changed
            self._last.update(changed)
        recent = Samples(tuple(filter(None, map(self._since, seen.samples.series))))
        if recent.series:
            yield {"samples": [file.name for file in self._stored([samples_frame(recent)])]}
            self._until_s.update({_key(series): series.after_s[-1] for series in recent.series})

    def _since(self, series: Series) -> Series | None:
        """The samples that are not stored yet; earlier ones may have been thinned since."""
        first = bisect_right(series.after_s, self._until_s.get(_key(series), float("-inf")))
        if first >= len(series.after_s):
            return None
        columns = {name: getattr(series, name)[first:] for name in ("before_s", "after_s", "values")}
        return evolve(series, **columns)

    def _stored(self, frames: Iterable[polars.DataFrame]) -> tuple[Path, ...]:
        paths = []
        for frame in frames:
            self._pieces += 1
            path = self.directory / f"{self._pieces:06}.parquet"
            # Through memory, so that a full disk is an OSError and not an error of the frame library.
            content = io.BytesIO()
            clean_frame(frame).write_parquet(content, compression="lz4")
            with path.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            paths.append(path)
        return tuple(paths)

    def _write(self, lines: Iterable[Mapping[str, object]]) -> None:
        assert self._lines is not None, "the journal is entered"
        # A value that JSON does not know costs its own exactness, not the line.
        text = "".join(json.dumps(line, default=str) + "\n" for line in lines)
        self._lines.write(blanked(text))
        self._lines.flush()
        os.fsync(self._lines.fileno())

    def _give_up(self, error: Exception) -> None:
        self.problem = getattr(error, "strerror", None) or str(error)


def run_facts(run_id: str, started_utc: str, clock_offset_s: float, environment: object) -> Mapping[str, object]:
    """The first line of a journal."""
    return {
        "run_id": run_id,
        "started_utc": started_utc,
        "clock_offset_s": clock_offset_s,
        "environment": details().unstructure(environment),
    }


def _key(series: Series) -> tuple[str, ...]:
    return series.quantity, series.device.id, series.device.component, series.meter
