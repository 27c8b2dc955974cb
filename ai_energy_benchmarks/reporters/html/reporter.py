"""The page of a result, written with its other files."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.html.result_page import page_of_run
from ai_energy_benchmarks.results.reading import PAGE_FILE
from ai_energy_benchmarks.results.writing import write_text


@frozen
class HtmlReporter:
    """Writes ``report.html``: one page with verdict, figures and charts, which needs no network."""

    file: Path

    @classmethod
    def from_settings(cls, settings: ReporterSettings) -> HtmlReporter:
        return cls(settings.output_file or settings.output_dir / PAGE_FILE)

    def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
        write_text(self.file, page_of_run(result))
        return (self.file,)
