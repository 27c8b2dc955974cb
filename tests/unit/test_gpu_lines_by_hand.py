"""Every sentence on whether the right GPUs were counted, with its level and the situation that it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.gpu_checks import gpu_findings, unknown_findings
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.gpu_choice import GpuBasis, GpuChoice
from ai_energy_benchmarks.domain.power import Device, Measurement, Samples, Series
from ai_energy_benchmarks.domain.result import Step, Trial
from tests.factories import CPU, measurement, reading, step, trial
from tests.unit.gauges_by_hand import Line, gauge, lines
from tests.unit.summary_by_hand import CPU_ENERGY, GPU_ENERGY, SUMMARY

A, B, C = Device("gpu", "GPU-A", "Alpha"), Device("gpu", "GPU-B", "Beta"), Device("gpu", "GPU-C")
NAMED = GpuChoice("device_ids")
FIX = "fix: name the engine's GPUs in backend.device_ids"


@frozen
class Seen:
    """One GPU: its power at rest, in each trial, and at rest afterwards, and its utilization at rest and at work."""

    device: Device
    rest_w: float | None
    trials_w: Sequence[float]
    counted: bool = False
    after_w: float | None = None
    percents: tuple[float, float] | None = None
    meter: str = "nvml"
    limit_w: float | None = 700.0


def run(
    *gpus: Seen, choice: GpuChoice | None = NAMED, served: bool = True, rests: bool = True, complete: int = 9
) -> list[Line]:
    """The findings on trials of 10 s from 20, 40 … s on, between rests of 10 s."""

    def seen(powers_w: Mapping[int, float | None], start_s: float) -> Measurement:
        readings = [
            reading(gpu.device, 10 * power_w, counted=gpu.counted, meter=gpu.meter)
            for gpu, power_w in zip(gpus, powers_w.values(), strict=True)
            if power_w is not None
        ]
        window = measurement(*readings, reading(CPU, 500.0), start_s=start_s)
        return evolve(window, gpu_choice=choice)

    trials: list[Trial] = []
    for number in range(1, len(gpus[0].trials_w) + 1 if gpus else 2):
        powers_w = {position: gpu.trials_w[number - 1] for position, gpu in enumerate(gpus)}
        trials.append(evolve(trial(number), measurement=seen(powers_w, 20.0 * number), complete=number <= complete))
    steps: list[Step] = []
    for name, start_s, of in (("resident idle", 0.0, "rest_w"), ("hot idle", 100.0, "after_w")):
        powers = {n: getattr(gpu, of) if getattr(gpu, of) is not None else gpu.rest_w for n, gpu in enumerate(gpus)}
        steps.append(evolve(step(name, start_s=start_s), measurement=seen(powers, start_s)))  # type: ignore[arg-type]
    series: list[Series] = []
    for gpu in gpus:
        if gpu.limit_w is not None:
            series.append(gauge("power_limit_w", (0.0, gpu.limit_w), device=gpu.device, meter=gpu.meter))
        if gpu.percents is not None:
            rest, work = gpu.percents
            rows = ((0.0, rest), (15.0, work), (95.0, rest), (120.0, rest))
            series.append(gauge("utilization_percent", *rows, device=gpu.device, meter=gpu.meter))
    return lines(gpu_findings(trials, steps if rests else [], Samples(tuple(series)), served=served))


@pytest.mark.parametrize(
    ("basis", "how"),
    [
        ("engine", "as the engine reports them"),
        ("device_ids", "as backend.device_ids names them"),
        ("processes", "as the driver lists the engine's processes on them"),
        ("activity", None),
        ("unknown", None),
        (None, None),
    ],
)
def test_gpus_that_count_and_worked_are_named_with_how_they_are_known(basis: GpuBasis | None, how: str | None) -> None:
    """In the order of the readings; a choice by activity has a line of its own."""
    choice = None if basis is None else GpuChoice(basis)
    worked = (Seen(C, 70.0, [600.0, 610.0], counted=True), Seen(A, 70.0, [640.0, 650.0], counted=True))
    passed = [("PASS", "GPUs counted", f"GPU-C, Alpha (GPU-A), {how}", "gpu")]
    assert run(*worked, choice=choice) == (passed if how else [])
    assert run(choice=choice) == []


IDLE = "is counted, but stayed idle in all trials"


@pytest.mark.parametrize(
    ("gpu", "did"),
    [
        (Seen(A, 70.0, [70.5, 71.0], counted=True), "70.8 W, at rest 70 W"),
        (
            Seen(A, 70.0, [71.0, 71.25], counted=True, percents=(0.0, 1.0)),
            "at most 1 % of utilization, 71.1 W, at rest 70 W",
        ),
        (Seen(C, None, [71.0, 72.0], counted=True, percents=(0.0, 0.6)), "at most 1 % of utilization, 71.5 W"),
    ],
)
def test_a_counted_gpu_that_stayed_idle_fails_with_what_it_did(gpu: Seen, did: str) -> None:
    """Another that worked leaves no PASS for all of them."""
    name = "Alpha (GPU-A)" if gpu.device == A else "GPU-C"
    failed = ("FAIL", "counted GPU idle", f"{name} {IDLE}: {did}; {FIX}", "gpu")
    assert run(gpu) == [failed]
    assert run(Seen(B, 70.0, [600.0, 600.0], counted=True), gpu) == [failed]


def test_a_counted_gpu_whose_power_stands_still_fails_with_what_it_did() -> None:
    """Its utilization says that it worked, so it is not idle, and it is counted as it was named."""
    stuck = Seen(A, 70.0, [70.5, 71.25], counted=True, percents=(0.0, 97.6))
    message = (
        "Alpha (GPU-A) reports the same power at full work as at rest: at most 98 % of utilization, 70.9 W, at rest "
        "70 W; its energy is not that of the work; fix: compare its power with nvidia-smi under load, restart the "
        "driver or take another meter, and measure again"
    )
    assert run(stuck) == [
        ("FAIL", "GPU power", message, "gpu"),
        ("PASS", "GPUs counted", "Alpha (GPU-A), as backend.device_ids names them", "gpu"),
    ]


WORKED = Seen(B, 70.0, [600.0, 620.0])
DID = "610 W, at rest 70 W"
LISTED = "; the driver lists processes of the engine on it"
BUSY = Seen(A, 70.0, [600.0, 600.0], counted=True)
QUIET = Seen(A, 70.0, [100.0, 100.0], counted=True)


@pytest.mark.parametrize(
    ("counted", "listed", "served", "level", "middle"),
    [
        (BUSY, True, True, "FAIL", f", but is not counted{LISTED}"),
        (BUSY, True, False, "WARN", f", but is not counted{LISTED}"),
        (BUSY, False, True, "WARN", ", but is not counted"),
        (BUSY, False, False, "WARN", ", but is not counted"),
        (QUIET, False, True, "FAIL", " and no counted GPU did, but is not counted"),
        (QUIET, True, True, "FAIL", f" and no counted GPU did, but is not counted{LISTED}"),
        (QUIET, False, False, "WARN", " and no counted GPU did, but is not counted"),
    ],
)
def test_a_gpu_that_worked_uncounted_has_a_level_by_whose_it_seems(
    counted: Seen, listed: bool, served: bool, level: str, middle: str
) -> None:
    """A FAIL is about the GPU's figure; a WARN is about the run, which it may have disturbed."""
    choice = evolve(NAMED, engine_gpus=("GPU-B", "GPU-X") if listed else ("GPU-X",))
    found = run(counted, WORKED, choice=choice, served=served)
    message = f"Beta (GPU-B) worked in the trials{middle}: {DID}; {FIX}"
    assert found[-1] == (level, "uncounted GPU worked", message, "gpu" if level == "FAIL" else None)
    assert [each[1] for each in found] == ["GPUs counted", "uncounted GPU worked"]


def test_one_counted_gpu_that_worked_is_enough() -> None:
    """Though another did not, an uncounted one then disturbs and does not stand for all."""
    expected = (
        "WARN",
        "uncounted GPU worked",
        f"Beta (GPU-B) worked in the trials, but is not counted: {DID}; {FIX}",
        None,
    )
    assert (
        run(evolve(QUIET, device=C), BUSY, WORKED)[1:] == run(BUSY, evolve(QUIET, device=C), WORKED)[1:] == [expected]
    )


def uncounted(*gpus: Seen, choice: GpuChoice | None = NAMED, rests: bool = True) -> list[Line]:
    found = run(*gpus, choice=choice, rests=rests)
    return [each for each in found if each[1] in ("uncounted GPU worked", "other devices")]


NO_REST = "worked in the trials and no counted GPU did, but is not counted"


def test_without_a_rest_work_counts_against_the_choice_where_no_counted_gpu_worked() -> None:
    """Whether it rested before is not known; where a counted one worked it may be a neighbour's business."""
    busy, idle = Seen(B, None, [300.0, 300.0], percents=(0.0, 90.0)), Seen(B, None, [300.0, 300.0], percents=(0.0, 4.0))
    quiet, worked = (Seen(A, None, [300.0] * 2, counted=True, percents=(0.0, work)) for work in (3.0, 90.0))
    message = f"Beta (GPU-B) {NO_REST}: at most 90 % of utilization, 300 W; {FIX}"
    assert uncounted(quiet, busy, rests=False) == [("FAIL", "uncounted GPU worked", message, "gpu")]
    assert uncounted(quiet, idle, rests=False) == []
    assert uncounted(quiet, Seen(B, None, [300.0, 300.0]), rests=False) == []
    assert uncounted(worked, busy, rests=False) == []
    assert uncounted(quiet, worked, busy, rests=False) == []
    # One that worked at rest too works for others, whatever the counted ones did.
    restless = evolve(busy, rest_w=300.0, percents=(90.0, 90.0))
    drew = ("PASS", "other devices", "Beta (GPU-B), which is not counted, drew 300 W; at rest 300 W", None)
    assert uncounted(evolve(worked, rest_w=300.0), restless) == [drew]
    assert uncounted(QUIET, restless) == [drew]


@pytest.mark.parametrize(
    ("basis", "listed", "warned"),
    [
        ("device_ids", True, True),
        ("device_ids", False, False),
        ("processes", True, False),
        ("activity", True, False),
        ("engine", True, False),
        ("unknown", True, False),
        (None, False, False),
    ],
)
def test_a_gpu_of_the_engine_that_was_not_named_is_said_though_it_rested(
    basis: GpuBasis | None, listed: bool, warned: bool
) -> None:
    """Only where the config named others; elsewhere its power is what there is to say."""
    rested = Seen(B, 70.0, [75.0, 76.0])
    choice = None if basis is None else GpuChoice(basis, ("GPU-B",) if listed else ())
    message = (
        f"the driver lists processes of the engine on Beta (GPU-B), which is not counted: 75.5 W, at rest 70 W; {FIX}"
    )
    expected = (
        ("WARN", "uncounted GPU worked", message, "gpu")
        if warned
        else ("PASS", "other devices", "Beta (GPU-B), which is not counted, drew 75.5 W; at rest 70 W", None)
    )
    assert uncounted(BUSY, rested, choice=choice) == [expected]


@pytest.mark.parametrize(
    ("rest_w", "after_w", "trials_w", "level", "figures"),
    [
        (10.0, 10.0, [11.0, 11.0], "PASS", "11 W; at rest 10 W"),
        (10.0, 10.0, [11.0, 11.25], "WARN", "11.1 W; at rest 10 W"),
        # The mean of both rests and of all trials.
        (10.0, 14.0, [13.0, 13.25], "PASS", "13.1 W; at rest 12 W"),
        (14.0, 10.0, [13.0, 13.5], "WARN", "13.2 W; at rest 12 W"),
        (10.0, 10.0, [2.0, 3.0], "PASS", "2.5 W; at rest 10 W"),
    ],
)
def test_another_gpu_may_draw_a_tenth_more_than_at_rest(
    rest_w: float, after_w: float, trials_w: Sequence[float], level: str, figures: str
) -> None:
    """With both powers; one whose rest is not known has no line."""
    other = Seen(B, rest_w, trials_w, after_w=after_w)
    message = f"Beta (GPU-B), which is not counted, drew {figures}"
    assert uncounted(BUSY, other) == [(level, "other devices", message, None)]
    assert uncounted(BUSY, other, rests=False) == []


def test_the_lines_are_those_of_the_meter_that_counts() -> None:
    """A second meter of the same GPUs, or one of others, adds none; where none counts, the first one's are enough."""
    zeus = [Seen(A, 70.0, [600.0] * 2, meter="zeus"), Seen(B, 70.0, [71.0] * 2, meter="zeus")]
    nvml = [Seen(A, 70.0, [600.0] * 2, counted=True), Seen(B, 70.0, [72.0] * 2)]
    passed = ("PASS", "GPUs counted", "Alpha (GPU-A), as backend.device_ids names them", "gpu")
    assert run(*zeus, *nvml) == [
        passed, ("PASS", "other devices", "Beta (GPU-B), which is not counted, drew 72 W; at rest 70 W", None)
    ]  # fmt: skip
    none = [evolve(each, counted=False) for each in nvml]
    first, second = Seen(B, 70.0, [71.0] * 2, meter="zeus"), none[1]
    assert run(first, second) == [
        ("PASS", "other devices", "Beta (GPU-B), which is not counted, drew 71 W; at rest 70 W", None)
    ]


def test_only_trials_that_count_are_looked_at() -> None:
    """A trial that was cut short says nothing of what a GPU did in the others."""
    idle = Seen(A, 70.0, [70.0, 70.0, 650.0], counted=True)
    assert [each[1] for each in run(idle, complete=2)] == ["counted GPU idle"]
    assert [each[1] for each in run(idle)] == ["GPUs counted"]


@pytest.mark.parametrize(
    ("absent", "why"),
    [({}, "no meter sees one"), ({"gpu": "it cannot be opened", "dram": "no RAPL"}, "it cannot be opened")],
)
def test_a_server_that_may_use_a_gpu_is_said_where_none_counts(absent: Mapping[Component, str], why: str) -> None:
    """With the reason, and both ways to make it known."""
    message = (
        f"it is not known whether the openai server uses a GPU ({why}); if it does, its energy is missing in the "
        "total, the emissions and the cost; fix: name its GPUs in backend.device_ids, or set backend.device: cpu if it "
        "uses none"
    )
    alone = evolve(SUMMARY, components=(CPU_ENERGY,), absent=absent)
    assert lines(unknown_findings(alone, "openai")) == [("WARN", "GPU use", message, None)]
    assert lines(unknown_findings(evolve(alone, components=()), "openai")) == [("WARN", "GPU use", message, None)]
    assert lines(unknown_findings(evolve(alone, components=(CPU_ENERGY, GPU_ENERGY)), "openai")) == []
