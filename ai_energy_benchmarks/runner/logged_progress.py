"""The steps of a run in the log, next to whatever shows its progress; never inside a window."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from attrs import define

from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.analysis.windows import counted, window_energy
from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.domain.digits import known
from ai_energy_benchmarks.domain.durations import spoken
from ai_energy_benchmarks.domain.progress import FigureProgress, Progress
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.runner.record import Record

logger = logging.getLogger(__name__)


@define
class LoggedProgress:
    """Hands every call on, and logs the stages; with a record also the engine and the figures of each trial."""

    inner: Progress
    record: Record | None = None
    _stage: str | None = None
    _began_s: float = 0.0
    _trials: int = 0
    _steps: int = 0
    _engine_logged: bool = False

    def begin(self, stage: str, total: int | None = None) -> None:
        self._stage, self._began_s = stage, time.monotonic()
        self._log_engine()
        self._hand_on()
        logger.info("%s%s", stage, "" if total is None else f" ({total:,})")
        self.inner.begin(stage, total)

    def advance(self, amount: int = 1) -> None:
        self._hand_on()
        self.inner.advance(amount)

    def end(self) -> None:
        self._hand_on()
        if self._stage is not None:
            logger.info("%s: done in %s", self._stage, spoken(time.monotonic() - self._began_s))
            self._stage = None
        self.inner.end()

    def _hand_on(self) -> None:
        """Log the trials that were recorded since the last call, and hand them and the steps to who shows figures."""
        if self.record is None:
            return
        watcher = self.inner if isinstance(self.inner, FigureProgress) else None
        for step in self.record.steps[self._steps :]:
            if watcher:
                watcher.step(step)
        for trial in self.record.trials[self._trials :]:
            logger.info("%s", trial_line(trial))
            if watcher:
                watcher.trial(trial)
        self._steps, self._trials = len(self.record.steps), len(self.record.trials)

    def _log_engine(self) -> None:
        engine = self.record.engine if self.record is not None else None
        if engine is None or self._engine_logged:
            return
        self._engine_logged = True
        logger.info("engine %s on %s, %s", engine.engine, engine.device or "?", engine.dtype or "dtype not known")
        logger.debug("engine settings: %s", dict(engine.settings))


def trial_line(trial: Trial) -> str:
    """What a trial brought, in one line."""
    counts = trial_figures(trial).counts
    parts = [f"{counts.output_tokens:,} output tokens in {spoken(trial.duration_s)}", *_energies(trial)]
    if counts.failed:
        parts.append(f"{counts.failed} of {len(trial.outcomes)} requests failed, such as: {trial.failures[0].reason}")
    return f"trial {trial.number}: {'; '.join(parts)}"


def _energies(trial: Trial) -> Iterator[str]:
    for component in COMPONENTS:
        readings = counted(trial.measurement, (component,)) if trial.measurement is not None else ()
        if readings:
            energy = window_energy(readings)
            digits = known(energy.energy_j, energy.bounds_j.high - energy.bounds_j.low)
            yield f"{component.upper()} {digits} J ({energy.provenance})"


def log_verdict(result: BenchmarkResult) -> None:
    """The level as information, with the findings that it comes from; the others for debugging."""
    logger.info("run %s %s; verdict %s", result.run_id, result.ending, result.verdict.level)
    for finding in result.verdict.findings:
        level = logging.INFO if finding.level in ("FAIL", "WARN") else logging.DEBUG
        logger.log(level, "%s %s: %s", finding.level, finding.check, finding.message)
