"""A run shows what it does: in the log, and to whoever asks from a library."""

from __future__ import annotations

import logging

import pytest

from ai_energy_benchmarks import BenchmarkRunner, ConfigError, create_benchmark
from ai_energy_benchmarks.domain.progress import Silent
from tests.unit.test_runner_order import Bench

MAPPING = {"backend": {"type": "pytorch", "model": "org/name"}, "output_dir": "out"}


def test_a_run_logs_its_steps_trials_and_verdict(caplog: pytest.LogCaptureFixture) -> None:
    """Each step, each trial with its tokens and energy, and what the verdict comes from; the rest for debugging."""
    caplog.set_level(logging.DEBUG, "ai_energy_benchmarks")
    Bench().runner.measure()
    informed = [each.getMessage() for each in caplog.records if each.levelno == logging.INFO]
    assert any(line.startswith("run ") and "with" in line for line in informed)
    assert "engine fake engine on cpu, dtype not known" in informed
    assert any(line.startswith("trials (") for line in informed)
    assert any(line.startswith("trial 1: ") and " output tokens in " in line and "GPU " in line for line in informed)
    assert any(line.startswith("trials: done in ") for line in informed)
    assert any("; verdict " in line for line in informed)
    debugged = [each.getMessage() for each in caplog.records if each.levelno == logging.DEBUG]
    assert any(line.startswith("the config as used:") for line in debugged)
    assert any(line.startswith("PASS ") for line in debugged)


def test_nothing_is_logged_at_the_level_of_warnings(caplog: pytest.LogCaptureFixture) -> None:
    """A sound run is silent unless somebody listens."""
    caplog.set_level(logging.WARNING, "ai_energy_benchmarks")
    Bench().runner.measure()
    assert caplog.records == []


def test_a_library_gets_lines_or_brings_a_progress_of_its_own() -> None:
    """``progress=print`` is enough; an object with the three methods is used as it is."""
    lines: list[str] = []
    runner = create_benchmark(config=MAPPING, progress=lines.append)
    assert runner._progress is not None
    runner._progress.begin("trials", 2)
    assert lines == ["[00:00] trials"]
    mine = Silent()
    assert create_benchmark(config=MAPPING, progress=mine)._progress is mine
    assert create_benchmark(config=MAPPING)._progress is None


def test_a_benchmark_from_a_mapping() -> None:
    """With the keys of a file, dotted ones and overrides too; it prints no report."""
    runner = create_benchmark(config={**MAPPING, "protocol.trials": 2}, overrides={"scenario.num_samples": 7})
    assert isinstance(runner, BenchmarkRunner)
    assert (runner.config.protocol.trials, runner.config.scenario.num_samples) == (2, 7)
    assert "console" not in {each.type for each in runner.config.reporters}
    with pytest.raises(ConfigError, match="did you mean 'model'"):
        create_benchmark(config={"backend": {"type": "pytorch", "modle": "m"}})
    with pytest.raises(ConfigError, match="one of the two"):
        create_benchmark("a.yaml", config=MAPPING)
