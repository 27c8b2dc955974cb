"""Steps that beat with a sensor that looks 25 ms of every 100 ms."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.beats import beat_findings, beating_steps
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.verdict import Finding
from tests.factories import GPU, OTHER_GPU, completion, reading, trial


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


@pytest.mark.parametrize(
    ("step_s", "steps"),
    [(0.1099, 1), (0.1101, None), (0.0901, 1), (0.0899, None), (0.0549, 2), (0.0551, None), (0.0451, 2),
     (0.0366, 3), (0.0368, None), (0.0301, 3), (0.0299, None), (0.0274, 4), (0.0276, None), (0.0226, 4),
     (0.0221, None), (0.0219, 5), (0.0181, 5), (0.0179, None), (0.0167, None), (0.0143, None), (0.2, None),
     (0.0, None)],
)  # fmt: skip
def test_each_share_of_the_period_has_its_limits(step_s: float, steps: int | None) -> None:
    """A tenth on either side of 100, 50, 33.3, 25 and 20 ms; a sixth is one too many."""
    assert beating_steps(step_s) == steps


@pytest.mark.parametrize("chip", ["A100", "A30", "A800", "H100", "H200", "H800", "H20", "GH200"])
@pytest.mark.parametrize(
    ("step_s", "in_ms", "share"), [(0.1, "100", "that period"), (0.03371, "33.7", "1/3 of that period")]
)
def test_the_whole_line(chip: str, step_s: float, in_ms: str, share: str) -> None:
    """The GPUs, the step, its share, and what follows."""
    message = (
        f"NVIDIA {chip} PCIe: its power sensor samples 25 ms of every 100 ms, and a step of {in_ms} ms is about "
        f"{share}: it may see the same part of each step, which no interval here includes"
    )
    assert findings(f"NVIDIA {chip} PCIe", step_s) == [Finding("INFO", "sensor beat", message, "gpu")]


@pytest.mark.parametrize("name", ["NVIDIA A10", "NVIDIA A1000", "NVIDIA A300", "NVIDIA H2000", "RTX A8000", "B200", ""])
def test_a_name_that_only_begins_alike_is_another_gpu(name: str) -> None:
    """The name of the chip is a word of its own."""
    assert findings(name, 0.05) == []


def test_gpus_that_do_not_count_and_chunks() -> None:
    """GPUs of the workload are named once, in order; steps are those between events, whatever these carry."""
    one, two = (evolve(gpu, label=label) for gpu, label in ((GPU, "H200 b"), (OTHER_GPU, "H100 a")))
    chunks = [evolve(completion(0, output_tokens=50, step_s=0.05), output_tokens=200)]
    trials = [trial(number, reading(one), reading(two), outcomes=chunks) for number in (1, 2)]
    summary = summarise(trials, [])
    assert summary.itl_s is None
    (found,) = beat_findings(summary, trials)
    assert found.message.startswith("H100 a, H200 b: its power sensor")
    idle = [trial(1, reading(one, counted=False), reading(evolve(two, label="L40S")), outcomes=chunks)]
    assert list(beat_findings(summary, idle)) == []
    # The median leads, not the mean: fifty steps of 70 ms between two of a second.
    slow = completion(0, output_tokens=50, step_s=0.07)
    late = evolve(slow, token_times_s=[*slow.token_times_s[:-1], slow.token_times_s[-1] - 0.07 + 1.0])
    trials = [trial(1, reading(one), outcomes=[late])]
    assert list(beat_findings(summarise(trials, []), trials)) == []
