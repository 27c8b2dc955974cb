"""A baseline that saw other devices than the trials gives no idle power, and the verdict says which and why."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.unchecked import unchecked_findings
from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import Step, StepName
from tests.factories import CPU, ENVIRONMENT, GPU, OTHER_GPU, reading, step, trial

TRIALS = tuple(trial(number, reading(GPU), reading(CPU, 40.0)) for number in (1, 2, 3))
RESIDENT = step("resident idle", reading(GPU, 50.0), reading(CPU, 20.0))
HOT = step("hot idle", reading(GPU, 60.0), reading(CPU, 20.0))
BOTH = (reading(GPU, 50.0), reading(OTHER_GPU, 50.0), reading(CPU, 20.0))
NO_IDLE = "no resident idle was measured for it"
ONE_IDLE = "it takes a resident idle before the trials and one after them"


def of_gpu(*steps: Step, baselines: tuple[StepName, ...] = ("resident idle", "hot idle")) -> dict[str, str]:
    """Check → what is said of it that was not made, of the idle power of the GPU."""
    found = unchecked_findings(
        (),
        environment=ENVIRONMENT,
        trials=TRIALS,
        steps=steps,
        summary=summarise(TRIALS, steps, baselines),
        samples=Samples(()),
        metrics_enabled=True,
    )
    lines = [each for each in found if each.component == "gpu" and each.check in ("idle share", "idle change")]
    return {line.check: line.message.removeprefix("not checked: GPU: ") for line in lines}


@pytest.mark.parametrize(
    ("steps", "share", "change"),
    [
        ((RESIDENT, HOT), None, None),
        ((), NO_IDLE, ONE_IDLE),
        ((RESIDENT,), None, ONE_IDLE),
        ((step("resident idle", reading(CPU, 20.0)),), NO_IDLE, ONE_IDLE),
        (
            (step("resident idle", *BOTH), HOT),
            None,
            "its resident idle saw GPU-0, GPU-1, the trials GPU-0",
        ),
        (
            (step("resident idle", reading(OTHER_GPU, 50.0)),),
            "its resident idle saw GPU-1, the trials GPU-0",
            "its resident idle saw GPU-1, the trials GPU-0",
        ),
        (
            (step("resident idle", *BOTH), step("hot idle", reading(OTHER_GPU, 50.0))),
            "its resident idle saw GPU-0, GPU-1, the trials GPU-0; its hot idle saw GPU-1, the trials GPU-0",
            "its resident idle saw GPU-0, GPU-1, the trials GPU-0; its hot idle saw GPU-1, the trials GPU-0",
        ),
        ((step("bare idle", reading(OTHER_GPU, 50.0)), RESIDENT), None, ONE_IDLE),
        ((step("bare idle", reading(OTHER_GPU, 50.0)),), NO_IDLE, ONE_IDLE),
    ],
)
def test_a_baseline_of_other_devices_is_named(steps: tuple[Step, ...], share: str | None, change: str | None) -> None:
    """With its devices and those of the trials; a baseline that saw none of the component was not measured for it."""
    known = {"idle share": share, "idle change": change}
    assert of_gpu(*steps) == {check: why for check, why in known.items() if why is not None}


@pytest.mark.parametrize(
    ("bare", "why"),
    [
        (step("bare idle", reading(OTHER_GPU, 50.0)), "its bare idle saw none of its devices, the trials GPU-0"),
        (step("bare idle", reading(CPU, 20.0)), "its bare idle saw none of its devices, the trials GPU-0"),
    ],
)
def test_a_bare_idle_that_re_analysis_takes_has_its_reason(bare: Step, why: str) -> None:
    """Though a resident idle would do; one that saw the trials' GPU among others is the baseline."""
    found = of_gpu(bare, RESIDENT, HOT, baselines=("bare idle",))
    assert found == {"idle share": why, "idle change": why}
    wide = step("bare idle", *BOTH)
    assert of_gpu(wide, RESIDENT, HOT, baselines=("bare idle",)) == {"idle change": ONE_IDLE}
