"""docs/files.md names every file, key and column that a run writes, and its blocks read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ai_energy_benchmarks.reporters.csv import CsvReporter, result_row
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.requests import requests_schema
from ai_energy_benchmarks.results.timeline import timeline_frame
from tests.unit.test_modelled_energy import run
from tests.unit.test_reporters_console import full_run


@pytest.fixture
def page(root: Path) -> str:
    """The page's text."""
    return (root / "docs" / "files.md").read_text(encoding="utf-8")


def named(page: str) -> set[str]:
    """Everything in backticks, with the placeholders of columns filled in."""
    found = set(re.findall(r"`([^`\n]+)`", page))
    components = ("gpu", "cpu", "dram", "system", "total")
    latencies = ("ttft", "itl", "tpot", "e2e", "inter_chunk")
    for placeholder, names in (("<component>", components), ("<latency>", latencies)):
        found |= {text.replace(placeholder, name) for text in found if placeholder in text for name in names}
    return found


def test_every_column_and_key_is_on_the_page(page: str) -> None:
    """Of the tables, of the report document, and the kinds of the timeline."""
    known, result = named(page), full_run()
    assert [column for column in result_row(run()) if column not in known] == []
    assert [column for column in requests_schema(save_texts=True) if column not in known] == []
    timeline = timeline_frame(result)
    assert [column for column in timeline.columns if column not in known] == []
    assert [kind for kind in timeline["kind"].unique() if kind not in known] == []
    assert [key for key in report_document(result) if key not in known] == []


def test_nothing_on_the_page_is_gone(page: str) -> None:
    """Names of columns in its tables are columns."""
    rows = re.findall(r"^\| (`[^|]+`) \|", page.partition("## `benchmark_results.csv`")[2], re.MULTILINE)
    columns = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    filled = {name.replace("<component>", "cpu").replace("<latency>", "e2e") for name in columns}
    assert sorted(filled - set(result_row(run()))) == []


def test_the_blocks_read_the_files(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each as it stands, on the files of a run; those with pandas where it is installed."""
    directory = tmp_path / "results" / "quickstart"
    result = run()
    for reporter in (
        ParquetReporter(directory / "requests.parquet"),
        CsvReporter(directory / "benchmark_results.csv"),
        JsonReporter(directory / "result.json"),
    ):
        reporter.report(result)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        if "pandas" in block:
            pytest.importorskip("pandas")
            pytest.importorskip("pyarrow")
        exec(compile(block, "docs/files.md", "exec"), {})  # what a reader pastes
    assert "output_tokens" in capsys.readouterr().out
