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
    seconds = imported(log, "--from", WINDOW[0], "--to", WINDOW[1], "--timezone", "UTC")
    dates = imported(log, "--from", "2025-11-26T00:00:05", "--to", "2025-11-26T00:00:15")
    assert seconds.returncode == 0, seconds.stderr
    assert seconds.stdout == dates.stdout
    assert "| total |" in seconds.stdout


def test_no_interval_holds_negative_energy(tmp_path: Path) -> None:
    """Two measures that differ by a third have a mean, and no ± that reaches below 0."""
    file = tmp_path / "benchmark_report.json"
    file.write_text(json.dumps(report([0.06, 0.08], [0.0684, 0.0684])))
    [line] = [line for line in imported(file).stdout.splitlines() if line.startswith("| prefill gpu")]
    assert "± over 100 %" in line


def test_the_zone_of_a_log_is_an_option(tmp_path: Path) -> None:
    """Without it an absolute window is refused; an unknown one is named."""
    window = (smi(tmp_path, steady()), "--from", WINDOW[0], "--to", WINDOW[1])
    refused, unknown = imported(*window), imported(*window, "--timezone", "Mars/Base")
    assert refused.returncode == unknown.returncode == 2
    assert "--timezone Europe/Berlin" in refused.stderr
    assert "--timezone 'Mars/Base' is unknown" in unknown.stderr
