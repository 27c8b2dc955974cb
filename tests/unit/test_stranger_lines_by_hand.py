"""The sentences on others on the workload's GPUs, and the witnesses that are given where they could not be seen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.stranger_checks import stranger_findings
from ai_energy_benchmarks.domain.power import Device, Reading, Samples, Series
from ai_energy_benchmarks.domain.result import Step, StepName, Trial
from ai_energy_benchmarks.domain.strangers import StrangerCheck
from tests.factories import CPU, measurement, reading, step, trial
from tests.unit.gauges_by_hand import Line, gauge, lines

A, B, Z = Device("gpu", "GPU-a"), Device("gpu", "GPU-b"), Device("gpu", "GPU-0")
ALONE = ("PASS", "foreign process", "no other process was seen on GPU GPU-a during the trials", "gpu")
UNSEEN = "whether other processes ran on GPU GPU-a could not be checked: the list is hidden"
HIDDEN = StrangerCheck("GPU-a", unchecked="the list is hidden")
OTHER = StrangerCheck("GPU-a", "process 7 ran on GPU-a")


def window(
    number: int, *checks: StrangerCheck, readings: Sequence[Reading] = (reading(A),), reported: tuple[str, ...] = ()
) -> Trial:
    one = measurement(*readings, start_s=20.0 * number)
    return evolve(trial(number), measurement=evolve(one, strangers=checks, foreign_processes=reported))


def found(*trials: Trial, steps: Sequence[Step] = (), series: Sequence[Series] = ()) -> list[Line]:
    return lines(stranger_findings(trials, steps, Samples(tuple(series))))


def failed(message: str) -> Line:
    return "FAIL", "foreign process", message, "gpu"


def warned(message: str) -> Line:
    return "WARN", "foreign process", message, "gpu"


NOTHING = StrangerCheck("GPU-a")
ZEUS = reading(A, meter="zeus")
NO_LIST = "whether other processes ran on GPU GPU-a could not be checked: {} has no list of processes"


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ((window(1, NOTHING), window(2, NOTHING)), [ALONE]),
        ((window(1, NOTHING), window(2, HIDDEN)), [warned(UNSEEN)]),
        ((window(1, NOTHING), window(2, OTHER), window(3, OTHER)), [failed("process 7 ran on GPU-a")]),
        (
            (window(1, OTHER), window(2, HIDDEN), window(3, StrangerCheck("GPU-a", "process 8 ran on GPU-a"))),
            [failed("process 7 ran on GPU-a"), failed("process 8 ran on GPU-a"), warned(UNSEEN)],
        ),
        # The first reason of several stands for all.
        ((window(1, HIDDEN), window(2, StrangerCheck("GPU-a", unchecked="no /proc"))), [warned(UNSEEN)]),
        # What the meter has reported itself has a line elsewhere, and is no pass.
        ((window(1, OTHER, reported=(OTHER.found or "",)),), []),
        ((window(1, NOTHING), window(2, OTHER, reported=(OTHER.found or "",)), window(3, NOTHING)), []),
        # Of a GPU that does not count, also where nothing was found or where it could not be looked for.
        ((window(1, StrangerCheck("GPU-b", "process 7 ran on GPU-b")),), []),
        ((window(1, StrangerCheck("GPU-b"), StrangerCheck("GPU-b", unchecked="hidden")),), []),
        ((window(1, NOTHING, readings=(reading(A, counted=False),)),), []),
        # Of one that lost its figure because of what was reported.
        ((window(1, OTHER, readings=(reading(A, counted=False),), reported=(OTHER.found or "",)),), []),
        (
            (
                window(1, OTHER, readings=(reading(A, counted=False),), reported=(OTHER.found or "",)),
                window(2, NOTHING),
            ),
            [],
        ),
        ((window(1), trial(2, measured=False)), []),
        # Meters without lists.
        ((window(1, readings=(ZEUS,)),), [warned(NO_LIST.format("zeus"))]),
        ((window(1, readings=(reading(A, meter="codecarbon"),)),), [warned(NO_LIST.format("codecarbon"))]),
        ((window(1, readings=(reading(A, meter="nvml"),)),), []),
        ((window(1, readings=(evolve(ZEUS, counted=False), reading(CPU, meter="zeus"))),), []),
        ((window(1, OTHER, readings=(ZEUS,)),), [failed("process 7 ran on GPU-a"), warned(NO_LIST.format("zeus"))]),
        # One line for each GPU.
        (
            (window(1, NOTHING, StrangerCheck("GPU-b", "process 9"), readings=(reading(A), reading(B))),),
            [ALONE, failed("process 9")],
        ),
    ],
)
def test_each_gpu_of_the_workload_has_its_lines(trials: Sequence[Trial], expected: list[Line]) -> None:
    """What was found, or that nothing was, or why that is not known."""
    assert found(*trials) == expected


def rest(name: StepName, power_w: float, start_s: float = 0.0, duration_s: float = 10.0, gpu: Device = A) -> Step:
    others = (reading(B, 5000.0), reading(Z, 4000.0), reading(CPU, 700.0))
    return step(name, *others, reading(gpu, power_w * duration_s), start_s=start_s, duration_s=duration_s)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((rest("bare idle", 70.4), rest("resident idle", 400.6)),
         "; at rest it drew 70 W without the model and 401 W with it"),
        ((rest("bare idle", 70.0), rest("bare idle", 76.0, duration_s=40.0), rest("resident idle", 90.0)),
         "; at rest it drew 73 W without the model and 90 W with it"),
        ((rest("bare idle", 70.0), rest("hot idle", 90.0)), ""),
        ((rest("load", 70.0), rest("resident idle", 90.0)), ""),
        ((rest("bare idle", 70.0, gpu=Device("gpu", "GPU-c")), rest("resident idle", 90.0)), ""),
        ((rest("bare idle", 0.0, duration_s=0.0), rest("resident idle", 90.0)), ""),
        ((evolve(rest("bare idle", 70.0), measurement=None), rest("resident idle", 90.0)), ""),
        ((rest("bare idle", 70.0, duration_s=0.5), rest("resident idle", 90.0)),
         "; at rest it drew 70 W without the model and 90 W with it"),
    ],
)  # fmt: skip
def test_the_power_of_both_rests_is_a_witness(steps: Sequence[Step], words: str) -> None:
    """The mean of each, of this GPU; both are needed."""
    assert found(window(1, HIDDEN), steps=steps) == [warned(UNSEEN + words)]


def busy(percent: str) -> str:
    return f"; it was busy {percent} % of the time, though no request was in flight"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        # The rests last from 0 to 10 s and from 120 to 130 s; of each the first second may show what was before.
        (((1.0, 5.0), (10.0, 5.25), (125.0, 5.5)), busy("5")),
        (((1.0, 4.75), (10.0, 5.25)), ""),
        (((1.0, 3.0), (10.0, 4.0)), ""),
        (((0.75, 90.0), (10.25, 90.0), (120.75, 90.0), (130.25, 90.0)), ""),
        (((0.75, 90.0), (1.0, 20.0), (121.0, 40.0), (130.0, 10.0), (130.25, 90.0)), busy("23")),
        (((55.0, 90.0), (75.0, 90.0)), ""),
    ],
)
def test_utilization_at_rest_is_a_witness(rows: Sequence[tuple[float, float]], words: str) -> None:
    """Of more than 5 % in the mean over the resident idles, by this GPU's own readings."""
    steps = [rest("resident idle", 90.0), rest("resident idle", 90.0, start_s=120.0), rest("hot idle", 90.0, 50.0)]
    steps.append(rest("warm-up", 300.0, 70.0))
    series = [
        gauge("utilization_percent", (5.0, 100.0), device=B),
        gauge("utilization_percent", (5.0, 100.0), device=Z),
        gauge("memory_used_bytes", (5.0, 100.0), device=A),
        gauge("utilization_percent", *rows, device=A),
    ]
    assert found(window(1, HIDDEN), steps=steps, series=series) == [warned(UNSEEN + words)]
