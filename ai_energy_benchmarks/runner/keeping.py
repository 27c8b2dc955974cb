"""The journal of a run, which two threads may want to write."""

from __future__ import annotations

import threading

from attrs import field, frozen

from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.result import RowFiles
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.machine.memory import give_back
from ai_energy_benchmarks.metrics.base import MetricsCollector
from ai_energy_benchmarks.results.journal import Journal
from ai_energy_benchmarks.runner.record import Record


@frozen
class Keeper:
    """Brings what a record has to the disk, where there is a journal."""

    config: BenchmarkConfig
    journal: Journal | None = None
    # The thread that waits closes the journal where Ctrl-C came twice, and the one that measures may be at work on it.
    _writing: threading.Lock = field(factory=threading.Lock, init=False)

    def keep(self, record: Record, collector: MetricsCollector) -> None:
        """After each complete trial."""
        if record.trials and record.trials[-1].outcomes.shelved_rows:
            give_back()  # what the rows took until they went to disk, before their figures take room of their own
        if self.journal is not None:
            record.samples, record.meter_notes = collector.samples(), collector.notes()
            with self._writing:
                self.journal.keep(record, record.row_facts(self.config))

    def close(self, record: Record) -> RowFiles | None:
        """After the last step, with how the run ended.

        Returns:
            Where all rows of requests are; None if some are not on the disk.
        """
        journal = self.journal
        if journal is None:
            return None
        with self._writing:
            journal.keep(record, record.row_facts(self.config), ending=record.ending)
        if journal.problem:
            text = f"trials could not be kept on disk as they were completed: {journal.problem}"
            record.findings.append(Finding("WARN", "journal", text))
        return journal.row_files(record.trials)
