"""``report`` as a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.factories import reading, result, trial
from tests.unit.test_report_pages import written


def report(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command, run as users run it."""
    command = [sys.executable, "-m", "ai_energy_benchmarks", "report", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_result_becomes_a_page_next_to_it(tmp_path: Path) -> None:
    """Without another place the page stands in the result directory."""
    done = report(written(result(), tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"wrote {tmp_path}/run/report.html\n"
    assert "5.00 ± 0.29 J per output token" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_directory_of_results_becomes_one_page(tmp_path: Path) -> None:
    """Every result under it is a row."""
    for name, energy_j in (("a", 300.0), ("b", 200.0)):
        written(result([trial(1, reading(energy_j=energy_j))], name=name), tmp_path / "study" / name)
    done = report(tmp_path / "study", "-o", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<tr data-cell=") == 2


def test_the_ending_chooses_the_form(tmp_path: Path) -> None:
    """Markdown for a pull request; an unknown ending is refused with those that there are."""
    run = written(result(), tmp_path / "run")
    assert report(run, "-o", tmp_path / "t.md").returncode == 0
    assert "| GPU | 5.00 ± 0.29 |" in (tmp_path / "t.md").read_text(encoding="utf-8")
    refused = report(run, "-o", tmp_path / "t.docx")
    assert refused.returncode == 2
    assert "no report has the ending '.docx'" in refused.stderr
    assert ".html, .md, .tex, .csv, .svg, .png, .pdf" in refused.stderr


def test_a_directory_without_results_is_one_error(tmp_path: Path) -> None:
    """It names the directory and what to give instead."""
    done = report(tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path} holds no result.json" in done.stderr
    assert "fix: " in done.stderr
