"""Where the files of a cell are, what its config is, and whether it has to run at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ai_energy_benchmarks.results.reading import RESULT_FILE
from ai_energy_benchmarks.results.writing import write_text
from ai_energy_benchmarks.safety.handing_over import handed_over
from ai_energy_benchmarks.study.cells import Cell
from ai_energy_benchmarks.study.manifest import Attempt
from ai_energy_benchmarks.study.plan.expansion import cell_mapping
from ai_energy_benchmarks.study.plan.study import Study
from ai_energy_benchmarks.study.running.judging import Judgement
from ai_energy_benchmarks.text.yaml_text import dump


@frozen
class Prepared:
    """A cell whose config is written.

    Attributes:
        config: the file.
        log: where its process prints to, which is empty now.
        variables: environment variables with the secrets that the config names.
    """

    config: Path
    directory: Path
    log: Path
    variables: Mapping[str, str]


def log_of(directory: Path, attempt: int) -> Path:
    """Where an attempt of a study's cell prints to."""
    return directory / ("cell.log" if attempt == 1 else f"cell.{attempt}.log")


class Places(Protocol):
    """Decides this for a study, or for a batch of models."""

    def settled(self, cell: Cell, cycle: int, last: Attempt | None) -> Judgement | None:
        """What is known of a cell that need not run: that it is complete, or cannot be run; None if it has to."""

    def prepare(self, cell: Cell, cycle: int, last: Attempt | None) -> Prepared:
        """Write its config for the attempt after ``last``.

        Raises:
            ReporterError: it cannot be written.
        """


@frozen
class StudyPlaces:
    """Cells have directories of their own, ``cells/<cell id>/<cycle>/``."""

    directory: Path
    study: Study

    def settled(self, cell: Cell, cycle: int, last: Attempt | None) -> Judgement | None:
        if last is None or last.state != "completed":
            return None
        if not (self.directory / last.directory / RESULT_FILE).exists():
            return None
        return Judgement("completed", last.verdict)

    def prepare(self, cell: Cell, cycle: int, last: Attempt | None) -> Prepared:
        attempt = last.number + 1 if last else 1
        directory = self.directory / last.directory if last else cell.run_directory(self.directory, cycle)
        if last is not None and last.state == "lost":
            directory = cell.fresh_directory(self.directory, cycle, attempt)
        mapping = cell_mapping(self.study, cell, directory, f"{self.study.config.name} {cell.id}")
        named, secrets = handed_over(mapping)
        config = directory / "cell.yaml"
        write_text(config, dump(named))
        # A log for each attempt, so that what one says is not taken for what another did.
        log = log_of(directory, attempt)
        log.unlink(missing_ok=True)
        return Prepared(config, directory, log, secrets)
