"""The contract of every output."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from attrs import frozen

from ai_energy_benchmarks.domain.result import BenchmarkResult


@frozen
class ReporterSettings:
    """Where a reporter writes.

    Attributes:
        output_dir: the run's result directory.
        output_file: a file of the user's choice; None for the reporter's own name in ``output_dir``.
    """

    output_dir: Path
    output_file: Path | None = None


@runtime_checkable
class Reporter(Protocol):
    """Writes or shows a result."""

    @classmethod
    def from_settings(cls, settings: ReporterSettings) -> Reporter:
        """A reporter of these settings; nothing is opened or loaded yet."""
        ...

    def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
        """Write the result and return the files written.

        Raises:
            ReporterError: a file cannot be written; the message names it.
        """
        ...
