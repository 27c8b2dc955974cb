"""The sentences on the power limit and the clock that a GPU was set to, and the conditions that they come from."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.gpu_conditions import GpuConditions, gpu_conditions
from ai_energy_benchmarks.analysis.gpu_state_checks import GpuState, gpu_state_findings
from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.domain.power import Device, Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import CPU, GPU, OTHER_GPU, reading, trial
from tests.unit.gauges_by_hand import gauge, lines

# From 20 to 30 s and from 40 to 50 s; the third was cut short.
TRIALS = [trial(1, reading()), trial(2, reading()), trial(3, reading(OTHER_GPU), complete=False)]
LIMIT = gauge("power_limit_w", (15.0, 300.0), (35.0, 290.0), (55.0, 290.0))
CLOCK = gauge("clock_hz", (15.0, 1001e6), (25.0, 960e6), (55.0, 960e6))
BOARD = Board(GPU.id, 0, "GPU", default_power_limit_w=400.0, graphics_clock_max_hz=1960e6)
UNKNOWN = Board(GPU.id, 0, "GPU")
NO_LIMIT = "not checked: Test board 0: its power limit was set, but its driver does not report"
NO_CLOCK = "not checked: Test board 0: its SM clock was set, but its driver does not report"
CLOCKED = "a mean SM clock of 970.2 MHz in the trials, set to"
DURING, DEFAULT, HIGHEST = "it during the trials", "its default", "its highest one"


@pytest.mark.parametrize(
    ("wanted", "board", "series", "level", "message"),
    [
        # 300 W in one trial and 290 W in the other; 1001 MHz for a quarter of the time, then 960 MHz.
        (GpuState(limit_w=296.0), BOARD, LIMIT, "PASS", "a mean power limit of 295 W in the trials, set to 296 W"),
        (GpuState(limit_w=294.0), BOARD, LIMIT, "PASS", "a mean power limit of 295 W in the trials, set to 294 W"),
        (GpuState(limit_w=296.25), BOARD, LIMIT, "WARN", "a mean power limit of 295 W in the trials, set to 296.2 W"),
        (GpuState(limit_w=293.75), BOARD, LIMIT, "WARN", "a mean power limit of 295 W in the trials, set to 293.8 W"),
        (GpuState(limit_share=0.75), BOARD, LIMIT, "WARN", "a mean power limit of 295 W in the trials, set to 300 W"),
        (GpuState(limit_w=295.0), None, LIMIT, "PASS", "a mean power limit of 295 W in the trials, set to 295 W"),
        (GpuState(limit_w=295.0), UNKNOWN, LIMIT, "PASS", "a mean power limit of 295 W in the trials, set to 295 W"),
        (GpuState(limit_share=0.75), UNKNOWN, LIMIT, "INFO", f"{NO_LIMIT} {DEFAULT}"),
        (GpuState(limit_share=0.75), None, LIMIT, "INFO", f"{NO_LIMIT} {DEFAULT}"),
        (GpuState(limit_share=0.75), BOARD, None, "INFO", f"{NO_LIMIT} {DURING}"),
        (GpuState(limit_w=300.0), BOARD, None, "INFO", f"{NO_LIMIT} {DURING}"),
        (GpuState(limit_share=0.75), None, None, "INFO", f"{NO_LIMIT} {DEFAULT}"),
        (GpuState(clock_hz=953.5e6), BOARD, CLOCK, "PASS", f"{CLOCKED} 953.5 MHz"),
        (GpuState(clock_hz=949e6), BOARD, CLOCK, "WARN", f"{CLOCKED} 949 MHz"),
        (GpuState(clock_hz=989e6), BOARD, CLOCK, "PASS", f"{CLOCKED} 989 MHz"),
        (GpuState(clock_hz=991e6), BOARD, CLOCK, "WARN", f"{CLOCKED} 991 MHz"),
        (GpuState(clock_share=0.5), BOARD, CLOCK, "PASS", f"{CLOCKED} 980 MHz"),
        (GpuState(clock_hz=970e6), None, CLOCK, "PASS", f"{CLOCKED} 970 MHz"),
        (GpuState(clock_hz=970e6), UNKNOWN, CLOCK, "PASS", f"{CLOCKED} 970 MHz"),
        (GpuState(clock_share=0.5), UNKNOWN, CLOCK, "INFO", f"{NO_CLOCK} {HIGHEST}"),
        (GpuState(clock_share=0.5), None, CLOCK, "INFO", f"{NO_CLOCK} {HIGHEST}"),
        (GpuState(clock_share=0.5), BOARD, None, "INFO", f"{NO_CLOCK} {DURING}"),
        (GpuState(clock_hz=970e6), BOARD, None, "INFO", f"{NO_CLOCK} {DURING}"),
        (GpuState(clock_share=0.5), None, None, "INFO", f"{NO_CLOCK} {HIGHEST}"),
    ],
)
def test_each_sentence_has_its_situation(
    wanted: GpuState, board: Board | None, series: Series | None, level: str, message: str
) -> None:
    """In watts and hertz or by share: kept to 1 W and 2 %, not kept, or not known and why."""
    samples = Samples(() if series is None else (series,))
    boards = [Board(OTHER_GPU.id, 1, "GPU", default_power_limit_w=1.0), *([board] if board is not None else [])]
    said = message if level == "INFO" else f"Test board 0: {message}"
    assert lines(gpu_state_findings(wanted, boards, samples, TRIALS)) == [(level, "GPU state", said, "gpu")]


def test_what_held_the_clock_down_is_said_where_it_was_not_kept() -> None:
    """All of it, in the order of the bits: a hardware slowdown, heat, and the power limit."""
    reasons = gauge("throttle_reasons", (15.0, 0x4C), (45.0, 0.0), (55.0, 0.0))
    held = "held down by a hardware slowdown, the hardware's thermal limit, the power limit"
    for clock_hz, why in ((1000e6, f"; {held}"), (970e6, "")):
        ((*_, message, _),) = lines(
            gpu_state_findings(GpuState(clock_hz=clock_hz), [BOARD], Samples((CLOCK, reasons)), TRIALS)
        )
        assert message == (
            f"Test board 0: a mean SM clock of 970.2 MHz in the trials, set to {clock_hz / 1e6:.0f} MHz{why}"
        )
    (clear,) = lines(gpu_state_findings(GpuState(clock_hz=1000e6), [BOARD], Samples((CLOCK,)), TRIALS))
    assert clear[2].endswith("set to 1000 MHz")


@pytest.mark.parametrize(
    "trials", [[], [trial(1, reading(CPU))], [trial(1, reading(), complete=False)], [trial(1, reading(counted=False))]]
)
def test_without_a_gpu_that_counts_in_a_complete_trial_a_setting_was_not_checked(trials: list[Trial]) -> None:
    """And where none was set there is no line."""
    why = "not checked: no energy of a GPU counted in a complete trial"
    for wanted in (GpuState(limit_w=300.0), GpuState(clock_share=0.5)):
        assert lines(gpu_state_findings(wanted, [BOARD], Samples((LIMIT,)), trials)) == [
            ("INFO", "GPU state", why, "gpu")
        ]
    assert lines(gpu_state_findings(GpuState(), [BOARD], Samples((LIMIT,)), trials)) == []


def test_each_setting_of_each_gpu_has_its_line_in_the_order_of_ids() -> None:
    """The limit first; each by its own readings and its own default."""
    first = Device("gpu", "GPU-", "Zeta")
    trials = [trial(1, reading(), reading(first)), trial(2, reading(), reading(first))]
    other = gauge("power_limit_w", (15.0, 200.0), (55.0, 200.0), device=first)
    boards = [BOARD, Board(first.id, 1, "GPU", default_power_limit_w=250.0)]
    wanted = GpuState(limit_share=0.8, clock_hz=970e6)
    assert [each[2] for each in lines(gpu_state_findings(wanted, boards, Samples((LIMIT, CLOCK, other)), trials))] == [
        "Zeta: a mean power limit of 200 W in the trials, set to 200 W",
        "not checked: Zeta: its SM clock was set, but its driver does not report it during the trials",
        "Test board 0: a mean power limit of 295 W in the trials, set to 320 W",
        "Test board 0: a mean SM clock of 970.2 MHz in the trials, set to 970 MHz",
    ]


def test_conditions_are_weighted_by_the_time_of_complete_trials() -> None:
    """Of trials of different length, without what lies between them, with the share of what held the clocks down."""
    trials = [evolve(TRIALS[0], stop_s=36.0), TRIALS[1], evolve(TRIALS[1], number=3, complete=False)]
    warmth = gauge("temperature_celsius", (15.0, 50.0), (24.0, 60.0), (42.0, 80.0), (55.0, 0.0))
    reasons = gauge("throttle_reasons", (15.0, 4.0), (29.0, 0.0), (49.0, 8.0), (55.0, 0.0))
    empty = gauge("clock_hz"), gauge("throttle_reasons", device=OTHER_GPU), LIMIT
    (gpu,) = gpu_conditions(Samples((warmth, reasons, *empty)), trials)
    # 4 s of 50, 12 s and 2 s of 60, and 8 s of 80 degrees; 15 s and then 10 s of 300 and 1 s and 10 s of 290 W.
    assert gpu == GpuConditions(
        GPU.id, "Test board 0", None, pytest.approx((4 * 50 + 14 * 60 + 8 * 80) / 26),
        pytest.approx((15 * 300 + 11 * 290) / 26), {"a hardware slowdown": 1 / 26, "the power limit": 9 / 26},
    )  # fmt: skip


def test_a_gauge_that_ends_early_or_reports_nothing_has_no_mean() -> None:
    """Nor has one of trials without length."""
    early = gauge("temperature_celsius", (15.0, 50.0), (45.0, 60.0))
    zeros = gauge("clock_hz", (15.0, 0.0), (55.0, 0.0))
    (gpu,) = gpu_conditions(Samples((early, zeros)), TRIALS)
    assert (gpu.temperature_celsius, gpu.sm_clock_hz, gpu.throttled) == (None, None, {})
    (gpu,) = gpu_conditions(Samples((LIMIT,)), [evolve(TRIALS[0], stop_s=TRIALS[0].start_s + 0.5)])
    assert gpu.power_limit_w == 300.0
    instant = [evolve(each, stop_s=each.start_s) for each in TRIALS]
    (gpu,) = gpu_conditions(Samples((LIMIT,)), instant)
    assert gpu.power_limit_w is None
