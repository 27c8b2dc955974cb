"""The report of a run that was killed, made from its journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from attrs import evolve, frozen

from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.journal_reading import Left, is_empty, read_journal
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_results
from ai_energy_benchmarks.results.run_directory import held, left_journals, left_spills, remove_journal
from ai_energy_benchmarks.runner.record import Record
from ai_energy_benchmarks.runner.reporting import Outputs, Reported, aside
from ai_energy_benchmarks.runner.workload import Passes


@frozen
class Recovered:
    """One run that was recovered.

    Attributes:
        result: marked as interrupted, unless all of it had been measured.
    """

    result: BenchmarkResult
    reported: Reported


def recover(output_dir: Path) -> Iterator[Recovered]:
    """Write the report of every run that an output directory holds the journal of, and remove the journal.

    A run that was killed before its end is written into ``runs/<run id>/``; one that was killed while it wrote its
    report, to the places where it would have been, unless a later run has completed there.

    Raises:
        ConfigError: there is nothing to recover, or a journal cannot be read. It stays as it is, and the error comes
            once the others are recovered.
        ReporterError: a run is using the directory.
    """
    if not left_journals(output_dir):
        remedy = "give the output_dir of a run that was killed; reports that are there need no recovering"
        if left_spills(output_dir):
            remedy = "--remove-spill removes the rows of killed runs"
        raise ConfigError(f"{output_dir} holds no run that ended without its report", remedy=remedy)
    with held(output_dir, "recover"):
        unusable: list[ConfigError] = []
        for directory in left_journals(output_dir):
            if is_empty(directory):
                remove_journal(directory)
                continue
            try:
                recovered = _recovered(output_dir, directory)
            except ConfigError as error:  # of this journal, which stays; others may be whole
                unusable.append(error)
            else:
                yield recovered
        if unusable:
            raise _together(unusable)


def _together(errors: Sequence[ConfigError]) -> ConfigError:
    """One error with every journal's own message and fix."""
    if len(errors) == 1:
        return errors[0]
    remedies = dict.fromkeys(error.remedy for error in errors if error.remedy)
    return ConfigError("; ".join(error.message for error in errors), remedy="; ".join(remedies))


def _recovered(output_dir: Path, directory: Path) -> Recovered:
    left = read_journal(directory)
    config = evolve(
        left.config,
        output_dir=output_dir,
        reporters=tuple(each for each in left.config.reporters if each.type != "console"),
    )
    record = _record(left)
    result = record.result(config, left.row_files)
    later = result.ending == "completed" and _completed_since(output_dir, result.started_utc)
    reported = Outputs(aside(config, left.run_id) if later else config).report(result)
    if reported.complete:
        remove_journal(directory)
    return Recovered(result, reported)


def _record(left: Left) -> Record:
    text = "made from the journal of a run that ended without writing its report"
    # The line of a trial whose file was lost may have been removed.
    lacks_trials = left.ending == "completed" and len(left.trials) < left.config.protocol.trials
    return Record(
        left.environment,
        started=datetime.fromisoformat(left.started_utc),
        clock_offset_s=left.clock_offset_s,
        run_id=left.run_id,
        ending="interrupted" if lacks_trials or left.ending is None else left.ending,
        steps=left.steps,
        trials=left.trials,
        findings=[*left.findings, Finding("INFO", "recovered", text)],
        passes=Passes((), (), (), left.dataset_sha256, left.prompt_indices),
        reasoning=left.reasoning,
        engine=left.engine,
        samples=left.samples,
        meter_notes=left.meter_notes,
    )


def _completed_since(output_dir: Path, started_utc: str) -> bool:
    """Whether the directory holds the result of a run that was started later."""
    file = output_dir / RESULT_FILE
    if not file.exists():
        return False
    (document,) = load_results(file)
    return str(document.get("started_utc")) > started_utc
