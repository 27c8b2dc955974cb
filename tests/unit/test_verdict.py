"""What the verdict says, and with which figure."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.verdict import Planned
from ai_energy_benchmarks.domain.environment import Disturbance
from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.domain.result import Ending, Trial
from ai_energy_benchmarks.domain.verdict import Finding, Level, Verdict
from tests.factories import (
    CPU,
    ENGINE,
    ENVIRONMENT,
    GPU,
    OTHER_GPU,
    completion,
    failure,
    reading,
    step,
    trial,
    verdict,
)


def found(judged: Verdict, check: str) -> Finding:
    return next(each for each in judged.findings if each.check == check)


def level(judged: Verdict, check: str) -> Level:
    return found(judged, check).level


def five(energies_j: Sequence[float] = (100, 100.1, 99.9, 100.05, 99.95), device=GPU, **each):
    return [trial(i, reading(device, energy_j, **each)) for i, energy_j in enumerate(energies_j, start=1)]


def test_a_sound_run_passes():
    """Of five equal trials on a quiet board with the whole protocol every check passes that could be made."""
    steps = [step("resident idle", reading(energy_j=20)), step("hot idle", reading(energy_j=20))]
    judged = verdict(five(), steps, gpu=True)
    unmade = {each for each in judged.findings if each.message.startswith("not checked: ")}
    assert {each.level for each in judged.findings if each not in unmade} == {"PASS"}
    assert {each.level for each in unmade} == {"INFO"}
    assert judged.level == "PASS"


def test_the_worst_comes_first():
    """Findings are in order of badness, those of the caller among them."""
    extra = [Finding("INFO", "a", "a"), Finding("FAIL", "b", "b"), Finding("WARN", "c", "c")]
    levels = [each.level for each in verdict(five(), extra=extra, planned=Planned(warmup_requests=0)).findings]
    order = ["FAIL", "WARN", "INFO", "PASS"]
    assert levels == sorted(levels, key=order.index)
    assert levels[0] == "FAIL"


@pytest.mark.parametrize(("half_width_j", "expected"), [(5.0, "PASS"), (5.5, "WARN"), (20.0, "WARN"), (20.5, "FAIL")])
def test_wide_bounds_warn_and_very_wide_ones_fail(half_width_j: float, expected: Level):
    """Over 5 % of relative half-width is WARN, over 20 % FAIL, with the bounds in the message."""
    judged = verdict(five([100.0] * 5, half_width_j=half_width_j))
    finding = found(judged, "window resolved")
    assert finding.level == expected
    assert f"±{half_width_j:.1f}%" in finding.message


def test_no_energy_at_all_fails_with_every_reason():
    """A run whose meters saw nothing fails, and says of each component why."""
    judged = verdict([trial(1, absent={"gpu": "no NVML library", "cpu": "no RAPL", "dram": "no RAPL either"})])
    assert level(judged, "energy") == "FAIL"
    for reason in ("no NVML library", "no RAPL", "no RAPL either"):
        assert reason in found(judged, "energy").message


def test_disabled_metrics_are_no_failure():
    """Who asked for no meter is told that energy is absent, and nothing about idle."""
    judged = verdict(
        [trial(i) for i in range(1, 6)], metrics_enabled=False, planned=Planned(bare_idle_s=0, resident_idle_s=0)
    )
    assert level(judged, "energy") == "INFO"
    assert judged.level == "PASS"


def test_a_gpu_run_without_gpu_energy_fails():
    """CPU energy alone is not the energy of a model that ran on a board."""
    judged = verdict([trial(1, reading(CPU), absent={"gpu": "the board fell off the bus"})], gpu=True)
    assert level(judged, "energy") == "FAIL"
    assert "fell off the bus" in found(judged, "energy").message


@pytest.mark.parametrize("ending", ["stopped", "interrupted"])
def test_a_run_that_did_not_end_fails(ending):
    """Stopping early or being interrupted is FAIL, with how many trials there are."""
    judged = verdict(five()[:2], ending=ending, planned=Planned(5))
    assert level(judged, "ending") == "FAIL"
    assert "2 of 5 trials" in found(judged, "ending").message


def test_any_failed_request_warns():
    """One failure in 200 is half a percent: WARN, with the reason."""
    outcomes = [completion(i) for i in range(199)] + [failure(199, "timed out")]
    judged = verdict([trial(1, reading(), outcomes=outcomes)])
    assert level(judged, "requests") == "WARN"
    assert "1 of 200" in found(judged, "requests").message
    assert "timed out" in found(judged, "requests").message


def test_more_than_one_percent_of_failed_requests_fails():
    """Two failures in 100 are 2 %: FAIL."""
    outcomes = [completion(i) for i in range(98)] + [failure(98), failure(99)]
    assert level(verdict([trial(1, reading(), outcomes=outcomes)]), "requests") == "FAIL"


def test_nothing_succeeded_fails_with_the_last_reason():
    """A run without one success fails once, and quotes the last failure."""
    judged = verdict([trial(1, reading(), outcomes=[failure(0), failure(1, "no such device")])])
    assert level(judged, "requests") == "FAIL"
    assert "no such device" in found(judged, "requests").message
    assert not [each for each in judged.findings if each.check == "output tokens"]


def test_no_output_tokens_fails():
    """Requests that all ended at once have no energy per token."""
    assert level(verdict([trial(1, reading(), outcomes=[completion(0, output_tokens=0)])]), "output tokens") == "FAIL"


@pytest.mark.parametrize(
    ("device", "spread_j", "expected"),
    [
        (GPU, 1.5, "PASS"),
        (GPU, 3.0, "WARN"),
        (GPU, 6.0, "FAIL"),
        (CPU, 3.0, "PASS"),
        (CPU, 6.0, "WARN"),
        (CPU, 12.0, "FAIL"),
    ],
)
def test_scatter_has_limits_of_its_own_for_each_component(device, spread_j: float, expected: Level):
    """The CV may be 2 and 5 % on a board, 5 and 10 % on a CPU."""
    # Three values at -s, 0 and +s have the sample standard deviation s.
    judged = verdict(five([100 - spread_j, 100 + spread_j, 100.0], device))
    assert level(judged, "repeatability") == expected
    assert f"{spread_j:.1f}%" in found(judged, "repeatability").message


def test_a_drift_over_trials_warns():
    """Five values on a rising line of 2 % are a trend; the same values in disorder are not."""
    rising = [100.0, 100.5, 101.0, 101.5, 102.1]
    assert level(verdict(five(rising)), "trend") == "WARN"
    assert "n = 5" in found(verdict(five(rising)), "trend").message
    assert level(verdict(five([101.0, 100.0, 102.1, 100.5, 101.5])), "trend") == "PASS"


def test_a_sure_drift_of_less_than_a_percent_passes():
    """A straight line of half a percent is certain and does not matter."""
    assert level(verdict(five([100.0, 100.1, 100.2, 100.3, 100.4])), "trend") == "PASS"


@pytest.mark.parametrize(("n", "check"), [(1, "repeatability"), (2, "trend")])
def test_too_few_trials_say_so(n: int, check: str):
    """One trial has no scatter and two have no trend; the finding gives n."""
    finding = found(verdict(five([100.0] * n)), check)
    assert finding.level == "INFO"
    assert f"n = {n}" in finding.message


def test_a_changed_idle_power_warns():
    """Idle of 3.0 and 3.3 W differs by 3 J over a pass of 100 J: more than 2 %."""
    steps = [step("resident idle", reading(energy_j=30)), step("hot idle", reading(energy_j=33))]
    finding = found(verdict(five(), steps), "idle change")
    assert finding.level == "WARN"
    assert "3.0%" in finding.message
    steps = [step("resident idle", reading(energy_j=30)), step("hot idle", reading(energy_j=31.9))]
    assert level(verdict(five(), steps), "idle change") == "PASS"


def test_a_large_baseline_makes_net_energy_unreliable():
    """Idle of 6 W is 60 % of 100 J in 10 s."""
    steps = [step("resident idle", reading(energy_j=60)), step("hot idle", reading(energy_j=60))]
    finding = found(verdict(five(), steps), "idle share")
    assert finding.level == "WARN"
    assert "60%" in finding.message


def test_modelled_energy_cannot_be_ranked():
    """A modelled figure is a WARN that names the component."""
    finding = found(verdict(five(device=CPU, provenance="modelled", meter="modelled")), "modelled energy")
    assert finding.level == "WARN"
    assert "CPU" in finding.message
    assert "cannot be ranked" in finding.message


@pytest.mark.parametrize(("modelled", "level"), [(CPU, "FAIL"), (GPU, "WARN")])
def test_much_other_work_fails_where_the_energy_of_the_cpu_is_modelled(modelled: Device, level: str):
    """A third of the processor time: the model bills the waiting; a model of another component does not know of it."""
    readings = [reading(each, provenance="modelled" if each == modelled else "measured") for each in (GPU, CPU)]
    trials = [
        evolve(each, machine=Disturbance(0.0, None, 10.0, 20.0)) for each in (trial(1, *readings), trial(2, *readings))
    ]
    judged = verdict(trials, environment=evolve(ENVIRONMENT, cpu_threads=8))
    assert found(judged, "other work").level == level


def test_a_shortened_protocol_names_what_was_shortened():
    """Three trials, one warm-up request, no bare idle and 2 s of resident idle are named in one WARN."""
    judged = verdict(five()[:3], planned=Planned(3, 0, 2, 1))
    finding = found(judged, "protocol")
    assert finding.level == "WARN"
    for what in ("3 of 5 trials", "1 of 10 warm-up requests", "no bare idle", "2 of 10 s resident idle"):
        assert what in finding.message


def test_one_trial_is_no_shortened_protocol_where_cycles_repeat_it():
    """In a study the processes repeat each other; whatever else is shortened is still named."""
    whole = found(verdict(five()[:1], planned=Planned(1, cycles=True)), "protocol")
    assert whole.level == "PASS"
    assert whole.message.startswith("1 trial, repeated by the cycles of a study, 10 warm-up requests")
    short = found(verdict(five()[:1], planned=Planned(1, 0, cycles=True)), "protocol")
    assert short.message.startswith("shortened protocol: no bare idle; fix: ")


def test_a_skipped_warm_up_is_named():
    """Zero warm-up requests read as no warm-up, and nothing else is named."""
    message = found(verdict(five(), planned=Planned(warmup_requests=0)), "protocol").message
    assert message.startswith("shortened protocol: no warm-up; fix: ")


def test_truncated_prompts_warn_with_their_count():
    """Cut prompts are another workload than asked for."""
    outcomes = [completion(0, truncated_prompt_tokens=7), completion(1)]
    finding = found(verdict([trial(1, reading(), outcomes=outcomes)]), "truncation")
    assert finding.level == "WARN"
    assert "1 of 2" in finding.message


def test_retokenised_counts_warn():
    """Tokens counted from text are not surely those that were generated."""
    finding = found(verdict([trial(1, reading(), outcomes=[completion(token_source="retokenised")])]), "token counts")
    assert finding.level == "WARN"


def test_repeated_prompts_are_told():
    """Two of three requests with one rendered prompt are one repetition."""
    outcomes = [completion(i, rendered_sha256=each) for i, each in enumerate(("a", "b", "a"))]
    finding = found(verdict([trial(1, reading(), outcomes=outcomes)]), "repeated prompts")
    assert finding.level == "INFO"
    assert finding.message.startswith("1 ")


def test_unknown_hashes_are_no_repetition():
    """A backend that does not say what it sent is not accused of repeating it."""
    assert not [each for each in verdict(five()).findings if each.check == "repeated prompts"]


def test_notes_of_engine_and_meter_are_told():
    """What the engine changed and what the meter picked are INFO."""
    judged = verdict(five(), engine=evolve(ENGINE, notes=("eager attention",)), collector_notes=["picked nvml"])
    assert (found(judged, "engine").level, found(judged, "engine").message) == ("INFO", "eager attention")
    assert (found(judged, "meter").level, found(judged, "meter").message) == ("INFO", "picked nvml")


def test_notes_of_a_window_warn_once_with_their_trials():
    """The same note of two windows is one line that names both."""
    trials = [trial(i, reading(), notes=("a tick was missed",) if i != 2 else ()) for i in (1, 2, 3)]
    judged = verdict(trials)
    [message] = [each.message for each in judged.findings if each.check == "window"]
    assert message.startswith("a tick was missed (trial 1, 3); fix: ")
    assert level(judged, "window") == "WARN"


@pytest.mark.parametrize(("energy_j", "expected"), [(54.0, "PASS"), (56.0, "WARN")])
def test_a_busy_board_beside_ours_warns(energy_j: float, expected: Level):
    """A board of 5 W idle may draw a tenth more while we measure, not 5.6 W."""
    trials = [trial(1, reading(GPU), reading(OTHER_GPU, energy_j, counted=False))]
    steps = [step("resident idle", reading(GPU, 20), reading(OTHER_GPU, 50, counted=False))]
    finding = found(verdict(trials, steps), "other devices")
    assert finding.level == expected
    assert OTHER_GPU.label in finding.message


@pytest.mark.parametrize("second", [Device("gpu", "all-boards"), Device("cpu", "all-packages")], ids=lambda it: it.id)
def test_a_second_meter_of_the_workload_is_no_other_device(second: Device):
    """It reads the same devices again, which of course draw more while they work."""
    trials = [trial(1, reading(), reading(CPU), reading(second, meter="codecarbon", counted=False))]
    idle = step("resident idle", reading(energy_j=20), reading(second, 20, meter="codecarbon", counted=False))
    assert not [each for each in verdict(trials, [idle]).findings if each.check == "other devices"]


@pytest.mark.parametrize("lost", [GPU, CPU], ids=["board", "processor"])
def test_a_component_lost_in_the_middle_of_the_run_fails(lost: Device):
    """The rest of the energy would pass for all of it."""
    kept = CPU if lost == GPU else GPU
    whole = [trial(1, reading(GPU), reading(CPU)), trial(2, reading(GPU), reading(CPU))]
    judged = verdict([*whole, trial(3, reading(kept), absent={lost.component: "it was unplugged"})])
    assert level(judged, "energy") == "FAIL"
    assert found(judged, "energy").message.startswith(f"{lost.component.upper()} energy is missing")
    assert "it was unplugged" in found(judged, "energy").message


def test_a_component_that_a_meter_saw_at_rest_alone_fails():
    """Its meter worked under the model, but in none of the trials; before the model was loaded does not count."""
    trials = [trial(number, reading(GPU), absent={"cpu": "rapl: gone"}) for number in (1, 2)]
    judged = verdict(trials, [step("resident idle", reading(GPU, 20), reading(CPU, 20))])
    assert (found(judged, "energy").level, found(judged, "energy").component) == ("FAIL", "cpu")
    said = "CPU energy is missing, though a meter saw it in a part of the run: rapl: gone; fix: "
    assert found(judged, "energy").message.startswith(said)
    bare = verdict(trials, [step("bare idle", reading(GPU, 20), reading(CPU, 20))])
    assert not [each for each in bare.findings if each.check == "energy"]


def test_a_board_seen_before_the_model_is_not_missed():
    """The bare machine has boards; that this engine uses none is known only once it is there."""
    bare = step("bare idle", reading(GPU, 20), reading(CPU, 20))
    judged = verdict([trial(1, reading(GPU, counted=False), reading(CPU))], [bare])
    assert not [each for each in judged.findings if each.check == "energy"]


def test_a_governor_that_follows_the_load_is_told():
    """A CPU whose clocks follow the load is INFO; one that is pinned is not mentioned."""
    judged = verdict(five(), environment=evolve(ENVIRONMENT, cpu_governor="powersave"))
    assert "powersave" in found(judged, "cpu governor").message
    pinned = verdict(five(), environment=evolve(ENVIRONMENT, cpu_governor="performance"))
    assert not [each for each in pinned.findings if each.check == "cpu governor"]


@pytest.mark.parametrize("ending", ["stopped", "interrupted"])
@pytest.mark.parametrize("trials", [[], [trial(1, reading(), outcomes=[], complete=False)]])
def test_a_run_that_ended_before_its_first_request_is_blamed_on_nothing_else(ending: Ending, trials: list[Trial]):
    """The ending alone is FAIL: no server refused a request, and no meter failed."""
    judged = verdict(trials, engine=None, ending=ending, planned=Planned(5), gpu=True)
    assert {each.check for each in judged.findings if each.level == "FAIL"} == {"ending"}
    assert "0 of 5 trials complete" in found(judged, "ending").message
    assert "protocol" not in {each.check for each in judged.findings}


@pytest.mark.parametrize("ending", ["stopped", "interrupted"])
def test_a_run_that_ended_early_is_not_praised_for_its_protocol(ending: Ending) -> None:
    """What was asked of it was not done; what was asked too little is a WARN all the same."""
    assert "protocol" not in {each.check for each in verdict(five()[:2], ending=ending, planned=Planned(5)).findings}
    assert level(verdict(five()[:2], ending=ending, planned=Planned(2)), "protocol") == "WARN"


def test_a_run_that_stopped_at_failing_requests_names_them():
    """Requests that were sent are judged, whatever the ending."""
    broken = trial(1, reading(), outcomes=[failure(0, "connection refused")], complete=False)
    judged = verdict([broken], ending="stopped", planned=Planned(5))
    assert "no request succeeded of 1, the last because: connection refused" in found(judged, "requests").message


def test_boards_that_nobody_waited_for_are_told() -> None:
    """On a GPU the protocol has a thermal gate; elsewhere there is nothing to wait for."""
    cold = Planned(thermal_gate=False)
    boards = evolve(ENGINE, board_ids=("GPU-0",))
    assert found(verdict(five(), planned=cold, gpu=True, engine=boards), "protocol").message.startswith(
        "shortened protocol: no thermal gate; fix: "
    )
    assert level(verdict(five(), planned=cold), "protocol") == "PASS"
    hasty = Planned(gate_window_s=10.0)
    message = found(verdict(five(), planned=hasty, gpu=True, engine=boards), "protocol").message
    assert message.startswith("shortened protocol: thermal gate over 10 of 60 s; fix: ")


def test_energy_from_a_file_is_never_without_a_warning() -> None:
    """A trace may say of itself that it was measured; in this run it was not."""
    played = five(meter="replay")
    assert level(verdict(played), "replayed energy") == "WARN"
    assert "replayed energy" not in [each.check for each in verdict(five()).findings]


def test_the_protocol_says_how_the_warm_up_ended() -> None:
    """A number of requests, or a speed that is steady."""
    assert "10 warm-up requests" in found(verdict(five()), "protocol").message
    converged = found(verdict(five(), planned=Planned(warmup_requests=None)), "protocol").message
    assert "until the speed is steady" in converged


@pytest.mark.parametrize("requests", [3, 100_001])
def test_prompts_that_differ_are_no_repetition(requests: int) -> None:
    """Also where they are too many to be held in a set."""
    outcomes = [completion(i, output_tokens=1, rendered_sha256=f"{i:064x}"[::-1]) for i in range(requests)]
    judged = verdict([trial(1, reading(), outcomes=outcomes)])
    assert not [each for each in judged.findings if each.check == "repeated prompts"]
