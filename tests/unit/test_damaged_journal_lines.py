"""The lines of a journal that a failing disk or an editor damaged: one error, and nothing is removed."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.runner.recovering import recover
from ai_energy_benchmarks.study.running.leftovers import settle
from tests.unit.test_survival import asked, bench, killed

Damage = Callable[[Path], None]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """The lines of a run that was killed in its second trial, with the first on the disk."""
    directory, _ = killed(tmp_path, at=5)
    (file,) = directory.glob("runs/*/journal/run.jsonl")
    return file


def files_of(directory: Path) -> dict[str, bytes]:
    """All that is on the disk, but for the lock of a process."""
    found = (path for path in directory.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def refused(lines: Path) -> ConfigError:
    """What recovering says; it changes nothing."""
    output_dir = lines.parents[3]
    before = files_of(output_dir)
    assert any(name.endswith("000001.parquet") for name in before)
    with pytest.raises(ConfigError) as error:
        list(recover(output_dir))
    assert files_of(output_dir) == before
    return error.value


def garbled(lines: Path, number: int, put: bytes = b"{") -> None:
    """One character of a line is another one."""
    content = lines.read_bytes().split(b"\n")
    line = content[number - 1]
    content[number - 1] = put + line[len(put) :] if put != b"{" else line[:1] + put + line[2:]
    lines.write_bytes(b"\n".join(content))


def line_of_trial(lines: Path) -> int:
    """The number of the line that holds the first trial."""
    return next(n for n, line in enumerate(lines.read_text().splitlines(), 1) if line.startswith('{"trial"'))


@pytest.mark.parametrize("size", [0, 1, 300])
def test_lines_that_are_cut_off_cost_no_rows(lines: Path, size: int) -> None:
    """Rows are there, so the run had begun: the error names the file and the fix, and everything stays."""
    os.truncate(lines, size)
    error = refused(lines)
    assert error.message == f"{lines} does not hold the start of a run"
    fix = "restore it from a copy; without its first line no trial can be recovered: then remove "
    assert error.remedy == f"{fix}{lines.parents[1]}"


def test_rows_whose_lines_are_cut_off_stay(lines: Path) -> None:
    """The first line is whole, the line of the only trial is cut: its rows are not removed for an empty report."""
    os.truncate(lines, lines.read_bytes().index(b'{"trial"') + 50)
    error = refused(lines)
    rows = lines.with_name("000001.parquet")
    assert error.message.startswith(f"{lines} holds no trial, and {rows.name} next to it the requests of one: ")
    assert (error.remedy or "").startswith("restore run.jsonl from a copy; if there is none, remove 000001.parquet: ")
    rows.unlink()
    [run] = recover(lines.parents[3])
    assert run.result.trials == ()


def test_a_damaged_first_line_is_named(lines: Path) -> None:
    """The run is not taken for one that had measured nothing."""
    garbled(lines, 1)
    error = refused(lines)
    assert error.message == f"line 1 of {lines} is damaged: no JSON from its character 2 on"
    fix = "restore the file from a copy, or correct the line; without it no trial can be recovered"
    assert error.remedy == fix


@pytest.mark.parametrize(("put", "why"), [(b"{", "no JSON from its character 2 on"), (b"\xff", "")])
def test_a_damaged_line_costs_no_later_one(lines: Path, put: bytes, why: str) -> None:
    """A line before the trial, or the trial's own: only a last line without its end is what a kill leaves."""
    intact = lines.read_bytes()
    trial = line_of_trial(lines)
    for number in (trial - 1, trial):
        lines.write_bytes(b"\n".join(intact.split(b"\n")[:trial]) + b"\n")
        garbled(lines, number, put)
        error = refused(lines)
        assert error.message.startswith(f"line {number} of {lines} is damaged: {why}")
        assert "removing it costs what it holds, the whole trial if it is the line of one" in (error.remedy or "")
    lines.write_bytes(intact)
    [run] = recover(lines.parents[3])
    assert len(run.result.trials) == 1


@pytest.mark.parametrize("text", ["", "{", '{"run": {"run_id": "x'])
def test_a_run_that_was_killed_in_its_first_line_leaves_nothing(tmp_path: Path, text: str) -> None:
    """It had measured nothing: the config and the part of a line go."""
    journal = tmp_path / "runs" / "x" / "journal"
    journal.mkdir(parents=True)
    (journal / "run.jsonl").write_text(text)
    (journal / "config.yaml").write_text("backend: {type: pytorch, model: m}\n")
    assert list(recover(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_it_and_exits_with_2(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not in silence with 0."""
    os.truncate(lines, 300)
    assert exit_code(["recover", str(lines.parents[3])]) == 2
    assert f"{lines} does not hold the start of a run" in capsys.readouterr().err


def test_reanalysis_names_where_the_report_of_a_killed_run_is(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before it is recovered the command that makes it, then its directory, with which re-analysis works."""
    output_dir, run_directory = lines.parents[3], lines.parents[1]
    assert exit_code(["reanalyze", str(output_dir)]) == 2
    assert f"fix: ai-energy-benchmark recover {output_dir} makes the report" in capsys.readouterr().err
    assert len(list(recover(output_dir))) == 1
    assert exit_code(["reanalyze", str(output_dir)]) == 2
    fix = f"fix: give {run_directory}, which holds the report of the run that did not complete"
    assert fix in capsys.readouterr().err
    assert exit_code(["reanalyze", str(run_directory)]) == 0


def test_the_next_run_and_a_study_leave_a_damaged_journal(lines: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Both name it; its rows and lines are the same afterwards."""
    output_dir, run_directory = lines.parents[3], lines.parents[1]
    os.truncate(lines, 300)
    before = files_of(run_directory)
    with caplog.at_level(logging.WARNING):
        assert settle(output_dir, cap_s=0.0).state == "interrupted"
        assert f"{lines} does not hold the start of a run" in caplog.text
        bench(asked(output_dir, trials=1)).runner.run()
    assert f"ai-energy-benchmark recover {output_dir}" in caplog.text
    assert json.loads((output_dir / "result.json").read_text())["ending"] == "completed"
    assert files_of(run_directory) == before
