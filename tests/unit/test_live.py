"""What is shown while a run goes on: figures so far and lines of JSON, between windows only."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from ai_energy_benchmarks.analysis.so_far import SoFar
from ai_energy_benchmarks.cli.json_lines import JsonLines
from ai_energy_benchmarks.cli.live import LiveLines, LiveProgress, trial_lines
from ai_energy_benchmarks.domain.progress import FigureProgress, Silent
from ai_energy_benchmarks.runner.logged_progress import LoggedProgress
from ai_energy_benchmarks.runner.plain_progress import PlainProgress
from ai_energy_benchmarks.runner.record import Record
from tests.factories import CPU, ENVIRONMENT, completion, reading, step, trial


def test_energy_per_token_is_that_of_all_trials_and_power_that_of_the_last() -> None:
    """Two trials of 100 J and 300 J with 20 tokens each are 10 J/token; 300 J in 10 s are 30 W."""
    so_far = SoFar()
    so_far.add(trial(1, reading(energy_j=100)))
    so_far.add(trial(2, reading(energy_j=300)))
    so_far.add(trial(3, reading(energy_j=900), complete=False))
    [gpu] = so_far.components()
    assert (gpu.component, gpu.power_w, gpu.j_per_output_token) == ("gpu", 30.0, 10.0)
    assert so_far.last_tokens_per_s == 2.0


@pytest.mark.parametrize("half_width_j", [30.0, 200.0])
def test_energy_that_is_not_resolved_has_no_number(half_width_j: float) -> None:
    """Neither power nor energy per token is shown as a number."""
    so_far = SoFar()
    so_far.add(trial(1, reading(energy_j=100, half_width_j=half_width_j)))
    assert list(trial_lines(so_far))[1:] == ["GPU    power not resolved, energy not resolved (measured)"]


def test_modelled_energy_has_two_digits() -> None:
    """More would claim what no model knows."""
    so_far = SoFar()
    so_far.add(trial(1, reading(CPU, 123.456, provenance="modelled")))
    assert list(trial_lines(so_far))[1:] == ["CPU    12 W, 6.2 J/output token so far (modelled)"]


def test_a_component_that_one_trial_lacks_has_no_sum() -> None:
    """Energy of fewer trials over the tokens of all would be too low."""
    so_far = SoFar()
    so_far.add(trial(1, reading()))
    so_far.add(trial(2, reading(), reading(CPU)))
    figures = {part.component: part.j_per_output_token for part in so_far.components()}
    assert figures == {"gpu": 5.0, "cpu": None}


def test_the_runner_hands_on_each_step_and_trial_once() -> None:
    """Before the call that follows it, so that what is drawn then has its figures."""
    lines: list[str] = []
    record = Record(ENVIRONMENT)
    progress = LoggedProgress(LiveLines(PlainProgress(lines.append, lambda: 0.0)), record)
    progress.begin("resident idle")
    record.steps.append(step("resident idle", reading(energy_j=600)))
    progress.end()
    progress.begin("trials", 2)
    for number in (1, 2):
        record.trials.append(trial(number, reading()))
        progress.advance()
    progress.end()
    assert sum("60.00 W (measured)" in line or "60 W (measured)" in line for line in lines) == 1
    assert sum("J/output token so far" in line for line in lines) == 2
    assert not any("\x1b" in line for line in lines)


def test_figures_are_redrawn_in_place_below_their_stage() -> None:
    """Each redraw goes up over all lines that it replaces; nothing is drawn when a trial is only recorded."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None, legacy_windows=False)
    progress = LiveProgress(console, iter(range(100)).__next__)
    assert isinstance(progress, FigureProgress)
    assert isinstance(console.file, io.StringIO)
    progress.begin("trials", 2)
    for number in (1, 2):
        before = console.file.getvalue()
        progress.trial(trial(number, reading()))
        assert console.file.getvalue() == before
        progress.advance()
    progress.end()
    text = console.file.getvalue()
    assert text.count("\n") - text.count("\x1b[1A") == 3
    assert "left" in text
    assert "10.00 W, 5.000 J/output token so far (measured)" in text


def test_json_lines_have_the_shape_of_the_report() -> None:
    """One object a line; a reader that is gone costs nothing."""
    output = io.StringIO()
    progress = JsonLines(output, Silent())
    progress.step(step("load", reading()))
    progress.trial(trial(1, reading(), outcomes=[completion()]))
    first, second = map(json.loads, output.getvalue().splitlines())
    assert (first["event"], first["name"], first["energy"]["gpu"]["energy_j"]) == ("step", "load", 100.0)
    assert (second["event"], second["number"], second["output_tokens"]) == ("trial", 1, 4)
    output.close()
    progress.step(step("load", reading()))
    progress.step(step("load", reading()))
