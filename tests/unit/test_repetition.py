"""Scatter, trends and outliers over trials: sure ones are named, chance is not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.repetition import repetition_findings
from ai_energy_benchmarks.analysis.trend import holm, trend
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyState, SteadyTrial
from tests.factories import CPU, DRAM, GPU, measurement, reading, trial

DEVICES: dict[Component, Device] = {"gpu": GPU, "cpu": CPU, "dram": DRAM}


def run(**energies_j: Sequence[float]) -> list[Trial]:
    """One trial for each value, of all components named."""
    rows = zip(*energies_j.values(), strict=True)
    return [
        trial(i, *(reading(DEVICES[name], each) for name, each in zip(energies_j, row, strict=True)))  # type: ignore[index] # names of components
        for i, row in enumerate(rows, start=1)
    ]


def warned(trials: Sequence[Trial], *components: Component) -> list[tuple[Component | None, str]]:
    """Component and check of the WARN lines that are tests of significance."""
    findings = repetition_findings(components, trials)
    return [(each.component, each.check) for each in findings if each.level == "WARN" and each.check != "repeatability"]


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ((0.04,), (True,)),
        ((0.04, 0.9), (False, False)),
        ((0.9, 0.02, 0.04), (False, False, False)),
        ((0.9, 0.016, 0.02), (False, True, True)),
        ((), ()),
    ],
)
def test_holm_steps_down(p_values: Sequence[float], expected: tuple[bool, ...]) -> None:
    """The smallest of n is held against α/n, the next against α/(n − 1), until one is not below."""
    assert holm(p_values, 0.05) == expected


def test_chance_alone_warns_in_at_most_one_run_of_twenty() -> None:
    """Five trials of three components at 1.5 % scatter: six lines together keep their 5 %."""
    dice = random.Random(3)
    runs = 400
    alarms = 0
    for _ in range(runs):
        values = {name: [dice.gauss(100, 1.5) for _ in range(5)] for name in DEVICES}
        alarms += bool(warned(run(**values), *DEVICES))
    assert 0 < alarms / runs <= 0.075  # 5 % with the scatter of 400 runs


def test_a_sure_drift_of_one_component_warns_for_it_alone() -> None:
    """A line of 3 % among three components is found; the others are not accused."""
    steady = [100.0, 100.4, 99.7, 100.2, 99.9]
    trials = run(gpu=[100.0, 100.8, 101.5, 102.3, 103.0], cpu=steady, dram=steady)
    assert warned(trials, "gpu", "cpu", "dram") == [("gpu", "trend")]


def test_a_sure_drift_warns_from_one_percent_on() -> None:
    """A line without residuals, on both sides of the limit."""
    assert warned(run(gpu=[100.0, 100.25, 100.5, 100.75, 101.0]), "gpu") == []
    assert warned(run(gpu=[100.0, 100.3, 100.6, 100.9, 101.2]), "gpu") == [("gpu", "trend")]


@pytest.mark.parametrize(("scatter_j", "p_value", "expected"), [(1.0, 0.022, [("gpu", "trend")]), (1.2, 0.038, [])])
def test_two_tests_of_a_run_share_five_percent(
    scatter_j: float, p_value: float, expected: list[tuple[Component | None, str]]
) -> None:
    """A trend and an outlier: the smaller chance is held against 2.5 %."""
    values = [98.0, 99 + scatter_j, 100 - scatter_j / 2, 101 - scatter_j / 3, 102 + scatter_j / 6]
    line = trend(values)
    assert line is not None
    assert line.p_value == pytest.approx(p_value, abs=5e-4)
    assert warned(run(gpu=values), "gpu") == expected


def test_a_trial_that_surely_stands_apart_warns() -> None:
    """5 % off where the others agree within 0.1 %; it stays in the mean."""
    trials = run(gpu=[100.0, 100.1, 105.0, 99.9, 100.05])
    assert warned(trials, "gpu") == [("gpu", "outliers")]
    messages = [each.message for each in repetition_findings(["gpu"], trials) if each.check == "outliers"]
    assert "trial 3" in messages[0]


def test_effects_below_a_percent_are_never_told() -> None:
    """However sure they are."""
    assert warned(run(gpu=[100.0, 100.2, 100.4, 100.6, 100.8]), "gpu") == []
    assert warned(run(gpu=[100.0, 100.0, 100.0, 100.0, 100.9]), "gpu") == []


def test_a_line_without_residuals_is_measured_from_end_to_end() -> None:
    """Its drift is the change from the first to the last value, over the mean."""
    line = trend([99.0, 100.0, 101.0])
    assert line is not None
    assert line.drift == pytest.approx(0.02)
    assert line.p_value == 0.0


def test_under_concurrency_the_steady_state_must_repeat() -> None:
    """Passes that cost the same do not hide steady windows that drift: those are the headline."""
    trials = []
    for number, energy_j in enumerate([50.0, 50.5, 51.0, 51.5, 52.0], start=1):
        whole = trial(number, reading(GPU, 100.0))
        window = SteadyWindow(whole.start_s, whole.stop_s, 2, measurement(reading(GPU, energy_j)))
        trials.append(evolve(whole, steady=window))
    of_trials = tuple(SteadyTrial(each.number, 10.0, Bounds.exact(10.0), (5.0, 5.0), 10.0) for each in trials)
    steady = SteadyState(of_trials, 2, 10.0, 10.0, 1.0, (), {}, None, "", 4.0, 5.0, 0.0, 0.0)
    assert warned(trials, "gpu") == []
    warnings = [each.check for each in repetition_findings(["gpu"], trials, steady) if each.level == "WARN"]
    assert warnings == ["trend"]
