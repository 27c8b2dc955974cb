"""``import`` as a command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.unit.test_foreign import DECODE, PREFILL, WINDOW, report, smi, steady


def imported(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command, run as users run it."""
    command = [sys.executable, "-m", "ai_energy_benchmarks", "import", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_wrong_comes_first(tmp_path: Path) -> None:
    """The level, the bad measures, then the means of the good ones; --strict makes it an exit code."""
    file = tmp_path / "benchmark_report.json"
    file.write_text(json.dumps(report(PREFILL, DECODE)))
    done = imported(file)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "optimum-benchmark report: FAIL"
    assert "FAIL measures: decode: measure 5: gpu is -0.080 kWh, and energy is never negative" in lines
    assert any(line.startswith("| decode gpu | 246,240") for line in lines)
    assert imported(file, "--strict").returncode == 3


def test_a_window_may_be_given_as_dates(tmp_path: Path) -> None:
    """Unix seconds and dates name the same window."""
    log = smi(tmp_path, steady())
    seconds = imported(log, "--from", WINDOW[0], "--to", WINDOW[1])
    dates = imported(log, "--from", "2025-11-26T00:00:05", "--to", "2025-11-26T00:00:15Z")
    assert seconds.returncode == 0, seconds.stderr
    assert seconds.stdout == dates.stdout
    assert "| total |" in seconds.stdout


def test_no_interval_holds_negative_energy(tmp_path: Path) -> None:
    """Two measures that differ by a third have a mean, and no ± that reaches below 0."""
    file = tmp_path / "benchmark_report.json"
    file.write_text(json.dumps(report([0.06, 0.08], [0.0684, 0.0684])))
    [line] = [line for line in imported(file).stdout.splitlines() if line.startswith("| prefill gpu")]
    assert "± over 100 %" in line
