"""Handing a result to its reporters, and keeping what was measured until they have written it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from attrs import evolve, field, frozen

from ai_energy_benchmarks.config.loading import config_to_yaml
from ai_energy_benchmarks.config.model import BenchmarkConfig, ReporterConfig
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.reporters.base import Reporter
from ai_energy_benchmarks.results.journal import Journal, run_facts
from ai_energy_benchmarks.results.reading import PAGE_FILE
from ai_energy_benchmarks.results.run_directory import (
    held,
    left_journals,
    left_spills,
    remove_journal,
    run_directory,
)
from ai_energy_benchmarks.runner import composition
from ai_energy_benchmarks.runner.record import Record

logger = logging.getLogger(__name__)

_AGAIN = "`ai-energy-benchmark reanalyze` makes the reports again from what was measured"
_CONSOLE = "console"


@frozen
class Reported:
    """What became of the reports.

    Attributes:
        files: those that were written.
        failures: one for each reporter that failed.
        complete: whether every file is there; a console that is gone costs none.
    """

    files: tuple[Path, ...] = ()
    failures: tuple[ReporterError, ...] = ()
    complete: bool = True


@frozen
class Outputs:
    """Where a run's reports go.

    Attributes:
        config: the run's.
        given: reporters made by hand, in place of the config's.
    """

    config: BenchmarkConfig
    given: Sequence[Reporter] | None = field(default=None)

    @property
    def writes_files(self) -> bool:
        """Whether the config's reporters write any file."""
        return self.given is None and any(reporter.type != _CONSOLE for reporter in self.config.reporters)

    @contextmanager
    def keeping(self, record: Record) -> Iterator[Journal | None]:
        """A journal while the block runs, in an output directory that is then this run's alone.

        Raises:
            ReporterError: another run is using the directory.
        """
        if not self.writes_files:
            yield None
            return
        directory = self.config.output_dir
        with ExitStack() as stack:
            if any(reporter.type != _CONSOLE and reporter.output_file is None for reporter in self.config.reporters):
                stack.enter_context(held(directory, record.run_id))
            _name_what_is_left(directory)
            facts = run_facts(record.run_id, record.started_utc, record.clock_offset_s, record.environment)
            run_files = run_directory(directory, record.run_id)
            journal = Journal(run_files, config_to_yaml(self.config), facts)
            try:
                with journal:
                    yield journal
            finally:
                if journal.reported or not journal.begun:
                    remove_journal(run_files)

    def report(self, result: BenchmarkResult, journal: Journal | None = None) -> Reported:
        """Hand a result to every reporter: files before the console, ``result.json`` last among them.

        A run that did not complete is written into its own directory, so that it replaces no completed one.
        """
        if self.given is not None:
            return write_reports(result, [("", reporter) for reporter in self.given])
        config = self.config if result.ending == "completed" else aside(self.config, result.run_id)
        chosen = sorted(config.reporters, key=_turn)
        if result.ending == "completed" and any(reporter.type == "json" for reporter in chosen):
            with suppress(OSError):  # the page of the result that is about to be replaced
                (config.output_dir / PAGE_FILE).unlink(missing_ok=True)
        made = composition.make_reporters(evolve(config, reporters=tuple(chosen)))
        reported = write_reports(
            result, [(member.type, reporter) for member, reporter in zip(chosen, made, strict=True)]
        )
        if journal is not None:
            journal.reported = reported.complete
            if not reported.complete:
                logger.warning("what was measured is kept: ai-energy-benchmark recover %s", self.config.output_dir)
        return reported


def aside(config: BenchmarkConfig, run_id: str) -> BenchmarkConfig:
    """The same config with its reports in the run's own directory; a table, which only gains a row, stays."""
    directory = run_directory(config.output_dir, run_id)

    def moved(reporter: ReporterConfig) -> ReporterConfig:
        if reporter.output_file is None or reporter.type == "csv":
            return reporter
        return evolve(reporter, output_file=directory / reporter.output_file.name)

    return evolve(config, output_dir=directory, reporters=tuple(map(moved, config.reporters)))


def _turn(reporter: ReporterConfig) -> int:
    """Files first; the document, which says that a set is whole, after the others; the terminal may be gone."""
    return {"json": 1, _CONSOLE: 2}.get(reporter.type, 0)


def write_reports(result: BenchmarkResult, reporters: Sequence[tuple[str, Reporter]]) -> Reported:
    """Let every reporter write, whatever becomes of the others."""
    files: list[Path] = []
    failures: list[ReporterError] = []
    complete = True
    for name, reporter in reporters:
        try:
            files.extend(reporter.report(result))
        except ReporterError as error:
            failures.append(error)
        except Exception as error:  # whatever a reporter raises must not cost the others
            what = f"the {name or type(reporter).__name__} reporter failed: {type(error).__name__}: {error}"
            failures.append(ReporterError(what, remedy=_AGAIN))
            logger.debug("%s", what, exc_info=error)
        else:
            continue
        complete = complete and name == _CONSOLE
    return Reported(tuple(files), tuple(failures), complete)


def _name_what_is_left(directory: Path) -> None:
    if left := left_journals(directory):
        names = ", ".join(file.name for file in left)
        logger.warning(
            "%s holds what %d run(s) measured before they were killed (%s): ai-energy-benchmark recover %s",
            directory, len(left), names, directory,
        )  # fmt: skip
    if spills := left_spills(directory):
        names = ", ".join(spill.name for spill in spills)
        logger.warning(
            "%s holds rows of killed runs (%s): ai-energy-benchmark recover --remove-spill %s",
            directory, names, directory,
        )  # fmt: skip
