"""A batch: every model of a list in a process of its own, resumable, with one master table."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from attrs import define, evolve, field, frozen

from ai_energy_benchmarks.config.aienergyscore.profiles import with_profile
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.config.user_defaults import laid_under
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.no_score import why_no_score
from ai_energy_benchmarks.results.reading import RESULT_FILE
from ai_energy_benchmarks.results.writing import check_directory, write_text
from ai_energy_benchmarks.safety.handing_over import handed_over
from ai_energy_benchmarks.study.batches.master_table import failed_row, master_row, write_master
from ai_energy_benchmarks.study.batches.model_list import TEXT_TASK, ListedModel
from ai_energy_benchmarks.study.cells import Cell, config_hash, write_cells
from ai_energy_benchmarks.study.drift import drift, fingerprint
from ai_energy_benchmarks.study.executors.base import STOPPED, Executor
from ai_energy_benchmarks.study.executors.local import LocalExecutor
from ai_energy_benchmarks.study.manifest import Attempt, has_begun, read_manifest
from ai_energy_benchmarks.study.plan.design import BreakerConfig, DesignConfig, ExecutionConfig
from ai_energy_benchmarks.study.plan.study import Study, StudyConfig
from ai_energy_benchmarks.study.running.judging import Judgement, completed_document, verdict_of
from ai_energy_benchmarks.study.running.opening import OpenStudy
from ai_energy_benchmarks.study.running.places import Prepared
from ai_energy_benchmarks.study.running.schedule import Turn
from ai_energy_benchmarks.study.running.stopping import StopRequests
from ai_energy_benchmarks.study.running.study_run import StudyRun
from ai_energy_benchmarks.text.yaml_text import dump

logger = logging.getLogger(__name__)

MASTER_FILE = "master_results.csv"
_ASKED = "asked.yaml"
Outcome = Literal["done", "kept", "failed"]
Told = Callable[[ListedModel, Outcome, str], None]
Begun = Callable[[ListedModel, Path], None]


@frozen
class Batch:
    """What is measured, and where it goes.

    Attributes:
        directory: gets ``individual_runs/<model and state>/``, ``logs/`` and the master table.
        backend: the engine's name.
        overrides: keys of the config, the same for all models.
        defaults: keys that lie under it all, which are then not looked for in the user's own file.
    """

    directory: Path
    backend: str = "pytorch"
    overrides: Mapping[str, object] = {}
    defaults: Mapping[str, object] = {}

    def run_directory(self, row: ListedModel) -> Path:
        """Where the results of one row are."""
        return self.directory / "individual_runs" / row.slug

    def log(self, row: ListedModel) -> Path:
        """Where everything that its process prints goes to."""
        return self.directory / "logs" / f"{row.slug}.log"

    def config_text(self, row: ListedModel) -> str:
        """The config of one row as YAML: the profile, the row, the overrides.

        Raises:
            ConfigError: the row or the overrides ask for what cannot be; the message has every problem.
        """
        if row.task not in ("", TEXT_TASK):
            raise ConfigError(
                f"task {row.task!r} is not text generation, which is all that this package measures",
                remedy=f"leave such rows out with --task {TEXT_TASK}",
            )
        scenario: dict[str, object] = {"reasoning": row.reasoning}
        if row.reasoning_params:
            scenario["reasoning_params"] = dict(row.reasoning_params)
        mapping = {
            "name": row.slug,
            "backend": {"type": self.backend, "model": row.model},
            "scenario": scenario,
            "output_dir": str(self.run_directory(row)),
        }
        profiled = with_profile("aienergyscore", with_overrides(mapping, self.overrides))
        profiled = laid_under(self.defaults, profiled)
        config_from_mapping(profiled, source=f"line {row.line}")
        return dump(handed_over(profiled)[0])

    def variables(self) -> Mapping[str, str]:
        """Environment variables with the secrets of the overrides, which the configs of the runs only name."""
        return handed_over(laid_under(self.defaults, with_overrides({}, self.overrides)))[1]


def run_batch(
    batch: Batch,
    rows: Sequence[ListedModel],
    told: Told,
    executor: Executor | None = None,
    *,
    begun: Begun = lambda row, log: None,
    environment: Environment | None = None,
) -> tuple[int, int]:
    """Measure every row that has no complete result from the same config; the master table is rewritten after each.

    It is a study of one cycle in the order of the list, so its manifest says what happened when. A row that fails, or
    whose figure is withheld, has its reason in the table and does not stop the others. An interrupt does; the next
    call goes on with the row that was interrupted.

    Args:
        told: called after each row with its outcome and the reason of a failure.
        executor: what runs the configs; child processes of this machine if None.
        begun: called before a row is measured, with the file that everything it prints goes to.
        environment: of this machine, if it is known already.

    Returns:
        How many rows have a result, and how many failed.

    Raises:
        ReporterError: the directory cannot be written, or another batch is using it.
    """
    check_directory(batch.directory)
    watcher = _Watcher(batch, {row.slug: row for row in rows}, told, begun)
    opened = _opened(batch, rows, fingerprint(environment or take_snapshot()))
    if rows:
        StudyRun(opened, executor or LocalExecutor(), StopRequests(), observer=watcher).run()
    return len(rows) - len(watcher.reasons), len(watcher.reasons)


def _opened(batch: Batch, rows: Sequence[ListedModel], environment: Mapping[str, object]) -> OpenStudy:
    cells = tuple(_cell(batch, row) for row in rows)
    manifest = read_manifest(batch.directory) if has_begun(batch.directory) else None
    if manifest is not None:
        if changes := drift(manifest.environment, environment):
            logger.warning(
                "the machine is not what it was when %s was begun, so its rows may not be comparable: %s",
                batch.directory, "; ".join(changes),
            )  # fmt: skip
        manifest = evolve(manifest, orders={})  # the list may have changed
    write_cells(batch.directory, cells)
    design = DesignConfig(cycles=1, order="interleave")
    execution = ExecutionConfig(silence_s=None, breaker=BreakerConfig(failures=0))
    study = Study(StudyConfig(name="batch", design=design, execution=execution), (), "the batch")
    sha256 = hashlib.sha256("".join(cell.config_sha256 for cell in cells).encode()).hexdigest()
    places = BatchPlaces(batch, {row.slug: row for row in rows})
    return OpenStudy(batch.directory, study, cells, 0, sha256, manifest, environment, places)


def _cell(batch: Batch, row: ListedModel) -> Cell:
    settings: dict[str, object] = {"backend.model": row.model, "scenario.reasoning": row.reasoning}
    settings |= {f"scenario.reasoning_params.{name}": value for name, value in row.reasoning_params.items()}
    return Cell(row.slug, f"{row.model} {row.state}".strip(), settings, batch.backend, config_hash(settings))


@frozen
class BatchPlaces:
    """Rows have ``individual_runs/<model and state>/`` and ``logs/<model and state>.log``."""

    batch: Batch
    rows: Mapping[str, ListedModel]

    def settled(self, cell: Cell, cycle: int, last: Attempt | None) -> Judgement | None:
        row = self.rows[cell.id]
        try:
            text = self.batch.config_text(row)
        except ConfigError as error:
            return Judgement("failed", reason=str(error))
        document = _document_of(self.batch.run_directory(row), text)
        return None if document is None else Judgement("completed", verdict_of(document))

    def prepare(self, cell: Cell, cycle: int, last: Attempt | None) -> Prepared:
        row = self.rows[cell.id]
        directory, log = self.batch.run_directory(row), self.batch.log(row)
        (directory / RESULT_FILE).unlink(missing_ok=True)  # of another config, or of a run that was cut short
        write_text(directory / _ASKED, self.batch.config_text(row))
        log.unlink(missing_ok=True)
        return Prepared(directory / _ASKED, directory, log, self.batch.variables())


@define
class _Watcher:
    """Says what becomes of each row, and keeps the master table."""

    batch: Batch
    rows: Mapping[str, ListedModel]
    told: Told
    begun: Begun
    reasons: dict[str, str] = field(factory=dict)

    def begins(self, turn: Turn, done: int, total: int) -> None:
        row = self.rows[turn.cell.id]
        self.begun(row, self.batch.log(row))

    def ended(self, turn: Turn, judgement: Judgement, wall_s: float) -> None:
        if judgement.reason != STOPPED:  # else its turn is still to come
            self._say(turn, judgement, "done")

    def settled(self, turn: Turn, judgement: Judgement) -> None:
        self._say(turn, judgement, "kept")

    def waits(self, seconds: float, why: str) -> None:
        return

    def _say(self, turn: Turn, judgement: Judgement, finished: Outcome) -> None:
        row = self.rows[turn.cell.id]
        document = completed_document(self.batch.run_directory(row)) if judgement.state == "completed" else None
        outcome: Outcome = "failed"
        reason = judgement.reason
        if document is not None:
            outcome, reason = _outcome(document, finished)
        if outcome == "failed":
            self.reasons[row.slug] = reason
        self.told(row, outcome, reason)
        write_master(self.batch.directory / MASTER_FILE, _table(self.batch, tuple(self.rows.values()), self.reasons))


def _outcome(document: Mapping[str, object], finished: Outcome) -> tuple[Outcome, str]:
    """A complete run whose figure is withheld is refused; a machine without a GPU meter has nothing to refuse."""
    withheld = why_no_score(document)
    measured = isinstance(components := document.get("components"), Mapping) and "gpu" in components
    return ("failed", withheld) if withheld is not None and measured else (finished, "")


def _document_of(directory: Path, asked: str) -> Mapping[str, object] | None:
    """The report of a complete run of that very config."""
    file = directory / _ASKED
    if not file.exists() or file.read_text(encoding="utf-8") != asked:
        return None
    return completed_document(directory)


def _table(batch: Batch, rows: Sequence[ListedModel], reasons: Mapping[str, str]) -> list[dict[str, str]]:
    table = []
    for row in rows:
        directory = batch.run_directory(row)
        try:
            document = _document_of(directory, batch.config_text(row))
        except ConfigError:
            document = None
        if document is not None:
            table.append(master_row(row, document, directory))
        elif row.slug in reasons:
            table.append(failed_row(row, reasons[row.slug]))  # without it, its turn is still to come
    return table
