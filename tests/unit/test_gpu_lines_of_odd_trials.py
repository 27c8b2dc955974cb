"""What the lines on the right GPUs say of trials that saw a GPU in part, without length, or without a choice."""

from __future__ import annotations

from attrs import evolve

from ai_energy_benchmarks.analysis.gpu_checks import gpu_findings
from ai_energy_benchmarks.domain.gpu_choice import GpuChoice
from ai_energy_benchmarks.domain.power import Device, Reading, Samples
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import measurement, reading, step, trial
from tests.unit.gauges_by_hand import gauge, lines

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
