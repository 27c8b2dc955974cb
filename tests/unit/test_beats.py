"""Steps that beat with a sensor that looks 25 ms of every 100 ms."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.beats import beat_findings, beating_steps
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.verdict import Finding
from tests.factories import GPU, completion, reading, trial


@pytest.mark.parametrize(
    ("step_s", "steps"),
    [(0.1, 1), (0.109, 1), (0.12, None), (0.05, 2), (0.046, 2), (0.033, 3), (0.025, 4), (0.02, 5), (0.01, None)],
)
def test_steps_that_share_the_period(step_s: float, steps: int | None) -> None:
    """100 ms, a half, a third, a quarter or a fifth of them, to within 10 %; shorter steps are averaged over."""
    assert beating_steps(step_s) == steps


def findings(name: str, step_s: float) -> list[Finding]:
    trials = [trial(1, reading(evolve(GPU, label=name)), outcomes=[completion(0, output_tokens=50, step_s=step_s)])]
    return list(beat_findings(summarise(trials, []), trials))


@pytest.mark.parametrize("name", ["NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3", "NVIDIA GH200 480GB"])
def test_a_gpu_with_such_a_sensor_has_a_line(name: str) -> None:
    """A token every 50 ms on these chips is INFO for the GPU, with the step and its share of the period."""
    (found,) = findings(name, 0.05)
    assert (found.level, found.check, found.component) == ("INFO", "sensor beat", "gpu")
    assert "a step of 50 ms is about 1/2 of that period" in found.message


def test_other_gpus_and_other_steps_have_none() -> None:
    """An L40S looks all the time; 70 ms share no small number of steps with 100 ms."""
    assert findings("NVIDIA L40S", 0.05) == []
    assert findings("NVIDIA H100 PCIe", 0.07) == []
    trials = [trial(1, reading(evolve(GPU, label="NVIDIA H100 PCIe")), outcomes=[completion(0, output_tokens=1)])]
    assert list(beat_findings(summarise(trials, []), trials)) == []
