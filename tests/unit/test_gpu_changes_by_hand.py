"""Temperature, clocks and settings of GPUs over the trials: every sentence, its level, and what leaves it out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.board_checks import board_findings, unchecked_board_findings
from ai_energy_benchmarks.domain.power import Device, Quantity, Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import GPU, OTHER_GPU, reading, trial
from tests.unit.gauges_by_hand import Line, gauge, lines

# Ten seconds each from 20, 40, 60 and 80 s on.
TRIALS = [trial(number, reading()) for number in range(1, 5)]
# One reading before the first trial, one in the middle of each, and one after the last.
TIMES_S = (15.0, 25.0, 45.0, 65.0, 85.0, 95.0)


def read(quantity: Quantity, *values: float, device: Device = GPU) -> Series:
    return gauge(quantity, *zip(TIMES_S, values, strict=True), device=device)


def found(*series: Series, trials: Sequence[Trial] = TRIALS) -> list[Line]:
    return lines(board_findings(Samples(series), trials))


def cut_short(number: int, trials: Sequence[Trial] = TRIALS) -> list[Trial]:
    return [evolve(each, complete=each.number != number and each.complete) for each in trials]


@pytest.mark.parametrize(
    ("values", "trials", "level", "message"),
    [
        # Half of each trial is at the value of the reading before it.
        ((60, 60, 99, 62, 64, 0), TRIALS, "PASS", "+3.0 °C from the first trial to the last, to 63 °C"),
        ((60, 60, 99, 62, 64.125, 0), TRIALS, "WARN", "+3.1 °C from the first trial to the last, to 63 °C"),
        ((60, 60, 99, 58, 56, 0), TRIALS, "PASS", "-3.0 °C from the first trial to the last, to 57 °C"),
        ((60, 60, 99, 58, 55.75, 0), TRIALS, "WARN", "-3.1 °C from the first trial to the last, to 57 °C"),
        ((60, 60, 60, 62, 99, 0), cut_short(4), "PASS", "+1.0 °C from the first trial to the last, to 61 °C"),
        ((60, 90, 99, 95, 97, 0), cut_short(1), "PASS", "+1.5 °C from the first trial to the last, to 96 °C"),
        ((50, 90, 60, 62, 99, 0), cut_short(4, cut_short(1)), "WARN", "-14.0 °C from the first trial to the last, to "
         "61 °C"),
    ],
)  # fmt: skip
def test_warmth_is_that_of_the_last_complete_trial_against_the_first(
    values: Sequence[float], trials: Sequence[Trial], level: str, message: str
) -> None:
    """By more than 3 °C either way; what lies between them does not count."""
    readings = read("temperature_celsius", *values)
    assert found(readings, trials=trials) == [(level, "temperature", f"Test board 0: {message}", "gpu")]


@pytest.mark.parametrize(
    ("values_mhz", "level", "message"),
    [
        ((1000, 1000, 500, 1000, 1038, 0), "PASS", "+1.9% from the first trial to the last, to 1019 MHz"),
        ((1000, 1000, 500, 1000, 1042, 0), "WARN", "+2.1% from the first trial to the last, to 1021 MHz"),
        ((1000, 1000, 500, 1000, 962, 0), "PASS", "-1.9% from the first trial to the last, to 981 MHz"),
        ((1000, 1000, 500, 1000, 958, 0), "WARN", "-2.1% from the first trial to the last, to 979 MHz"),
        ((0, 0, 1000, 1000, 1000, 0), None, ""),
    ],
)
def test_clocks_are_those_of_the_last_trial_against_the_first(
    values_mhz: Sequence[float], level: str | None, message: str
) -> None:
    """By more than 2 % either way; against a clock of nothing there is no change to tell."""
    readings = read("clock_hz", *(1e6 * value for value in values_mhz))
    expected = [] if level is None else [(level, "clocks", f"Test board 0: mean clock {message}", "gpu")]
    assert found(readings) == expected


@pytest.mark.parametrize("quantity", ["temperature_celsius", "clock_hz"])
def test_a_change_needs_means_of_two_complete_trials(quantity: Quantity) -> None:
    """Both covered by readings, and neither without length; two are enough."""
    steady = read(quantity, *[50.0] * 6)
    check = {"temperature_celsius": "temperature", "clock_hz": "clocks"}[quantity]
    assert [each[:2] for each in found(steady, trials=TRIALS[:2])] == [("PASS", check)]
    assert found(steady, trials=TRIALS[:1]) == []
    assert found(steady, trials=cut_short(2, TRIALS[:2])) == []
    late, early = (gauge(quantity, *((time_s, 50.0) for time_s in times_s)) for times_s in (TIMES_S[1:], TIMES_S[:5]))
    assert found(late) == found(early) == []
    for position in (0, -1):
        instant = list(TRIALS)
        instant[position] = evolve(instant[position], stop_s=instant[position].start_s)
        assert found(steady, trials=instant) == []


DURING = "during the trials"


@pytest.mark.parametrize(
    ("quantity", "values", "expected"),
    [
        ("power_limit_w", (300,) * 6, ("PASS", "power limit was 300 W in all trials")),
        ("power_limit_w", (300, 300, 250.5, 300, 300, 1), ("WARN", f"power limit changed {DURING}: 250.5 W and 300 W")),
        ("power_limit_w", (300, 32, 9, 32, 32, 1), ("WARN", f"power limit changed {DURING}: 9 W and 32 W and 300 W")),
        ("power_limit_w", (32,) * 6, ("PASS", "power limit was 32 W in all trials")),
        ("performance_state", (2,) * 6, ("PASS", "performance state was 2 in all trials")),
        ("performance_state", (0, 0, 2, 0, 0, 1), ("WARN", f"performance state changed {DURING}: 0 and 2")),
        # 32 is the word of NVML for a state that it does not know.
        ("performance_state", (0, 32, 2, 0, 0, 1), ("WARN", f"performance state changed {DURING}: 0 and 2")),
        ("performance_state", (0, 32, 0, 0, 0, 1), None),
        ("performance_state", (32,) * 6, None),
    ],
)  # fmt: skip
def test_settings_are_the_same_in_all_trials_or_are_listed(
    quantity: Quantity, values: Sequence[float], expected: tuple[str, str] | None
) -> None:
    """With their unit, the lowest first; what is unknown at times is neither a change nor the same."""
    what = "power limit" if quantity == "power_limit_w" else "performance state"
    sentence = [] if expected is None else [(expected[0], what, f"Test board 0: its {expected[1]}", "gpu")]
    assert found(read(quantity, *values)) == sentence
    if expected is not None and expected[0] == "WARN":
        # Seen in a trial that was cut short too, and where the readings end early.
        assert found(read(quantity, *values), trials=cut_short(2)) == sentence
        assert found(gauge(quantity, *zip(TIMES_S[:5], values[:5], strict=True))) == sentence
    else:
        assert found(gauge(quantity, *zip(TIMES_S[:4], values[:4], strict=True))) == []


def test_trials_without_length_and_series_without_readings_show_nothing() -> None:
    """No line, and no error."""
    quantities: tuple[Quantity, ...] = (
        "temperature_celsius", "clock_hz", "power_limit_w", "performance_state", "throttle_reasons", "energy_j",
        "supported_throttle_reasons", "thermal_violation_s",
    )  # fmt: skip
    assert found(*(gauge(quantity) for quantity in quantities)) == []
    instant = [evolve(each, stop_s=each.start_s) for each in TRIALS]
    assert found(*(read(quantity, *[5.0] * 6) for quantity in quantities[:4]), trials=instant) == []


def test_each_gpu_of_the_workload_has_its_own_lines() -> None:
    """By its own readings; those of GPUs that do not count have none."""
    third = Device("gpu", "GPU-2")
    both = [trial(number, reading(), reading(third), reading(OTHER_GPU, counted=False)) for number in (1, 2)]
    series = (
        read("power_limit_w", *[300.0] * 6),
        read("power_limit_w", *[200.0] * 6, device=OTHER_GPU),
        read("power_limit_w", *[100.0] * 6, device=third),
    )
    assert [each[2] for each in found(*series, trials=both)] == [
        "Test board 0: its power limit was 300 W in all trials",
        "GPU-2: its power limit was 100 W in all trials",
    ]


def unchecked(*series: Series, trials: Sequence[Trial] = TRIALS) -> list[Line]:
    return lines(unchecked_board_findings(Samples(series), trials))


UNREPORTED = "neither the GPU's driver nor the meter reports it"
ALL = ("throttling", "temperature", "clocks", "power limit", "performance state")


def test_what_was_not_read_was_not_checked() -> None:
    """One line for each check, and none for readings that are there."""
    assert unchecked() == [("INFO", check, f"not checked: {UNREPORTED}", "gpu") for check in ALL]
    assert unchecked(trials=[]) == []
    every: tuple[Quantity, ...] = (
        "throttle_reasons", "temperature_celsius", "clock_hz", "power_limit_w", "performance_state"
    )  # fmt: skip
    assert unchecked(*(read(quantity, *[4.0] * 6) for quantity in every)) == []
    assert [each[1] for each in unchecked(*(read(quantity, *[4.0] * 6) for quantity in every[:3]))] == list(ALL[3:])


@pytest.mark.parametrize(
    ("times_s", "trials", "changes", "settings"),
    [
        (TIMES_S, cut_short(1), None, None),
        ((35.0, 95.0), TRIALS, "no readings cover all of trial 1", "no readings cover all of trial 1"),
        ((35.0, 95.0), cut_short(1), None, "no readings cover all of trial 1"),
        ((15.0, 75.0), TRIALS, "no readings cover all of trial 4", "no readings cover all of trial 4"),
        ((15.0, 75.0), cut_short(4), None, "no readings cover all of trial 4"),
        ((15.0, 35.0), TRIALS, "no readings cover all of trial 4", "no readings cover all of trial 2, 3, 4"),
        ((15.0, 95.0), TRIALS[:2], None, None),
        ((15.0, 95.0), TRIALS[:1], "a change needs two complete trials", None),
        ((15.0, 95.0), cut_short(1, TRIALS[:2]), "a change needs two complete trials", None),
        ((15.0, 35.0), TRIALS[:2], "no readings cover all of trial 2", "no readings cover all of trial 2"),
    ],
)
def test_changes_need_the_first_and_the_last_complete_trial_and_settings_all(
    times_s: Sequence[float], trials: Sequence[Trial], changes: str | None, settings: str | None
) -> None:
    """With the reason that is true of each."""
    quantities: tuple[Quantity, ...] = ("temperature_celsius", "clock_hz", "power_limit_w", "performance_state")
    series = [gauge(quantity, *((time_s, 4.0) for time_s in times_s)) for quantity in quantities]
    whys = dict(zip(ALL[1:], (changes, changes, settings, settings), strict=True))
    expected = [("INFO", check, f"not checked: {why}", "gpu") for check, why in whys.items() if why is not None]
    assert [each for each in unchecked(*series, trials=trials) if each[1] != "throttling"] == expected


def test_gpus_are_named_where_not_all_lack_it() -> None:
    """In the order of their ids, by label, or by id where they have none; all of them need no names."""
    first, bare = Device("gpu", "GPU-00", "Zeta"), Device("gpu", "GPU-2")
    trials = [
        trial(number, reading(OTHER_GPU), reading(bare), reading(first), reading(GPU, counted=False))
        for number in (1, 2)
    ]
    series = [read("power_limit_w", *[300.0] * 6, device=OTHER_GPU)]
    which = {"power limit": " (Zeta, GPU-2)"}
    assert {each[1]: each[2] for each in unchecked(*series, trials=trials)} == {
        check: f"not checked: {UNREPORTED}{which.get(check, '')}" for check in ALL
    }
