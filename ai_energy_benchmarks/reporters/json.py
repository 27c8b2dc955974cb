"""The report document as ``result.json``, with the config it came from next to it."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reading import RESULT_FILE
from ai_energy_benchmarks.results.run_id import with_run_id
from ai_energy_benchmarks.results.writing import write_text


@frozen
class JsonReporter:
    """Writes ``result.json`` and ``config.yaml``.

    Attributes:
        file: where the document goes; the config as resolved goes into the same directory.
    """

    file: Path

    @classmethod
    def from_settings(cls, settings: ReporterSettings) -> JsonReporter:
        return cls(settings.output_file or settings.output_dir / RESULT_FILE)

    def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
        text = json.dumps(report_document(result), indent=2, ensure_ascii=False, allow_nan=False)
        config_file = self.file.with_name("config.yaml")
        # The document last: where it is, the other files are too.
        write_text(config_file, with_run_id(result.config_yaml, result.run_id))
        write_text(self.file, text + "\n")
        return self.file, config_file
