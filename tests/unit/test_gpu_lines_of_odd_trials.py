"""What the lines on the right GPUs say of trials that saw a GPU in part, without length, or without a choice."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.gpu_checks import gpu_findings, unknown_findings
from ai_energy_benchmarks.analysis.gpu_decision import decide
from ai_energy_benchmarks.analysis.gpu_use import gpu_uses
from ai_energy_benchmarks.analysis.stranger_checks import stranger_findings
from ai_energy_benchmarks.domain.gpu_choice import GpuChoice
from ai_energy_benchmarks.domain.power import Device, Reading, Samples
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import measurement, reading, step, trial
from tests.unit.gauges_by_hand import gauge, lines
from tests.unit.summary_by_hand import CPU_ENERGY, GPU_ENERGY, SUMMARY

A, B = Device("gpu", "GPU-A", "Alpha"), Device("gpu", "GPU-B", "Beta")
REST = step("resident idle", reading(A, 700.0), reading(B, 700.0))


def chosen(number: int, *readings: Reading, choice: GpuChoice | None = None) -> Trial:
    """A trial of ten seconds whose meter knows which GPUs count."""
    window = measurement(*readings, start_s=20.0 * number)
    return evolve(trial(number), measurement=evolve(window, gpu_choice=choice or GpuChoice("device_ids")))


def listed(one: Trial) -> Trial:
    """The same with processes of the engine on GPU B, which the config does not name."""
    assert one.measurement is not None
    return evolve(one, measurement=evolve(one.measurement, gpu_choice=GpuChoice("device_ids", ("GPU-B",))))


def test_the_highest_utilization_of_all_trials_is_said_and_the_mean_of_their_powers() -> None:
    """80 and 70 %, at the power of rest."""
    utilized = gauge("utilization_percent", (0.0, 0.0), (15.0, 80.0), (35.0, 0.0), (55.0, 70.0), (75.0, 0.0), device=A)
    for first, second in ((1, 3), (3, 1)):
        trials = [trial(first, reading(A, 700.0)), trial(second, reading(A, 710.0))]
        ((_, check, message, _),) = lines(gpu_findings(trials, [REST], Samples((utilized,)), served=True))
        assert (check, message.partition("; ")[0]) == (
            "GPU power",
            "Alpha (GPU-A) reports the same power at full work as at rest: at most 80 % of utilization, 70.5 W, at "
            "rest 70 W",
        )


def test_a_trial_that_did_not_see_a_gpu_is_in_no_mean_of_its_power() -> None:
    """Neither one that was not measured, nor one whose meter lost it."""
    other = [chosen(number, reading(A, energy_j, counted=False)) for number, energy_j in ((1, 900.0), (3, 910.0))]
    trials = [other[0], chosen(2, reading(B, 6000.0)), trial(4, measured=False), other[1]]
    limit = Samples(tuple(gauge("power_limit_w", (0.0, 700.0), device=gpu) for gpu in (A, B)))
    found = lines(gpu_findings(trials, [REST], limit, served=True))
    assert ("WARN", "other devices", "Alpha (GPU-A), which is not counted, drew 90.5 W; at rest 70 W", None) in found


def test_trials_without_length_say_nothing_of_a_gpu() -> None:
    """Neither of one that counts nor of another: no power, no utilization and no line."""
    readings = reading(A), reading(B, counted=False)
    instant = [evolve(trial(number), measurement=measurement(*readings, duration_s=0.0)) for number in (1, 2)]
    assert lines(gpu_findings(instant, [REST], Samples(), served=True)) == []
    utilized = gauge("utilization_percent", (0.0, 90.0), (90.0, 90.0), device=A)
    assert lines(gpu_findings(instant, [], Samples((utilized,)), served=True)) == []
    *_, (*_, message, _) = lines(gpu_findings([listed(each) for each in instant], [REST], Samples(), served=True))
    assert message.startswith(
        "the driver lists processes of the engine on Beta (GPU-B), which is not counted: at rest 70 W;"
    )


def test_the_last_trial_that_knows_says_how_the_gpus_were_chosen() -> None:
    """Later ones without a choice, or without a measurement, change nothing."""
    window = measurement(reading(A, 6000.0), start_s=20.0)
    choices = [GpuChoice("engine"), GpuChoice("processes"), None]
    trials = [
        evolve(trial(number), measurement=evolve(window, gpu_choice=choice)) for number, choice in enumerate(choices, 1)
    ]
    trials.append(trial(4, measured=False))
    rest = evolve(step("resident idle"), measurement=measurement(reading(A, 700.0)))
    assert [each[2] for each in lines(gpu_findings(trials, [rest], Samples(), served=True))] == [
        "Alpha (GPU-A), as the driver lists the engine's processes on them"
    ]


@pytest.mark.parametrize("meters", [("nvml", "zeus"), ("zeus", "nvml")])
def test_two_meters_of_one_gpu_are_kept_apart(meters: tuple[str, str]) -> None:
    """Each has its own power, in either order; after the trials the GPUs of the first that saw one work count."""
    first, second = meters
    watts = ((A, first, 600.0), (A, second, 620.0), (B, second, 640.0), (B, first, 660.0))
    seen = [reading(gpu, 10 * power_w, meter=meter, counted=False) for gpu, meter, power_w in watts]
    open_choice = GpuChoice("unknown", why="no list", by_activity=True)
    trials = [chosen(number, *seen, choice=open_choice) for number in (1, 2)]
    uses = gpu_uses(trials, [], Samples())
    assert {(use.device, use.meter, use.trials[0].power_w) for use in uses} == set(watts)
    rest = step("resident idle", *(reading(gpu, 700.0, meter=meter, counted=False) for gpu, meter, _ in watts))
    decided = decide(trials, [rest], Samples())
    assert [each.message.partition(" worked")[0] for each in decided.findings] == [
        "by activity: Alpha (GPU-A), Beta (GPU-B)"
    ]
    assert decided.trials[0].measurement is not None
    assert [(one.device, one.meter) for one in decided.trials[0].measurement.readings if one.counted] == [
        (A, first), (B, first)
    ]  # fmt: skip


def test_a_meter_of_the_whole_machine_is_none_of_a_gpu() -> None:
    """Its reading counts as before, names no meter of GPUs, has no line, and why it is absent elsewhere stays."""
    plug = reading(Device("system", "plug"), 9000.0, meter="plug")
    last = chosen(2, plug, reading(A, 6000.0, meter="zeus"), choice=GpuChoice("processes"))
    opened = chosen(1, plug, reading(A, 6000.0, meter="zeus"), choice=GpuChoice("unknown", by_activity=True))
    assert opened.measurement is not None
    why = {"gpu": "open", "system": "no outlet", "dram": "no RAPL"}
    opened = evolve(opened, measurement=evolve(opened.measurement, absent=why))
    marked = decide([opened, last], [], Samples()).trials[0].measurement
    assert marked is not None
    assert [one.counted for one in marked.readings] == [True, True]
    assert marked.absent == {"system": "no outlet", "dram": "no RAPL"}
    assert [use.device for use in gpu_uses([opened, last], [], Samples())] == [A]
    assert lines(stranger_findings([chosen(1, evolve(plug, meter="zeus"))], [], Samples())) == []
    system = evolve(GPU_ENERGY, component="system")
    for components in ((system,), (CPU_ENERGY, system)):
        of_server = lines(unknown_findings(evolve(SUMMARY, components=components), "openai"))
        assert [each[1] for each in of_server] == ["GPU use"]
