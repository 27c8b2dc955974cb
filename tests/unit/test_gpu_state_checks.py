"""Whether GPUs kept the power limit and the clock that they were set to, and the means behind that."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.gpu_conditions import gpu_conditions
from ai_energy_benchmarks.analysis.gpu_state_checks import GpuState, gpu_state_findings
from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.domain.power import Quantity, Samples
from tests.factories import CPU, GPU, OTHER_GPU, reading, series, trial

# From 20 to 30 s and from 40 to 50 s.
TRIALS = [trial(1, reading(), reading(CPU)), trial(2, reading(), reading(CPU))]
BOARD = Board(GPU.id, 0, "GPU", default_power_limit_w=400.0, graphics_clock_max_hz=1980e6)


def samples(limit_w: float = 300.0, clock_hz: float = 1000e6, throttled: float = 0.0) -> Samples:
    """The same readings in both trials; between them and on another GPU they are others."""
    told: dict[Quantity, float] = {"power_limit_w": limit_w, "clock_hz": clock_hz, "throttle_reasons": throttled}
    times_s = (15.0, 31.0, 39.0, 55.0)
    return Samples(
        (
            *(series(GPU, quantity, times_s, (value, 7 * value, value, value)) for quantity, value in told.items()),
            *(series(OTHER_GPU, quantity, times_s, (1.0, 1.0, 1.0, 1.0)) for quantity in told),
        )
    )


def levels(wanted: GpuState, seen: Samples, boards: tuple[Board, ...] = (BOARD,)) -> list[str]:
    """One for each setting of the GPU that counts."""
    findings = list(gpu_state_findings(wanted, boards, seen, TRIALS))
    assert {(each.check, each.component) for each in findings} <= {("GPU state", "gpu")}
    return [each.level for each in findings]


@pytest.mark.parametrize(("limit_w", "level"), [(300.9, "PASS"), (301.1, "WARN"), (299.1, "PASS"), (298.9, "WARN")])
def test_a_power_limit_is_kept_to_a_watt(limit_w: float, level: str) -> None:
    """In watts, or as a share of the maker's: 75 % of 400 W."""
    assert levels(GpuState(limit_w=300.0), samples(limit_w)) == [level]
    assert levels(GpuState(limit_share=0.75), samples(limit_w)) == [level]


@pytest.mark.parametrize(("clock_hz", "level"), [(1009e6, "PASS"), (1011e6, "WARN"), (971e6, "PASS"), (969e6, "WARN")])
def test_a_clock_is_kept_to_two_percent(clock_hz: float, level: str) -> None:
    """In hertz, or as a share of the highest: a half of 1,980 MHz."""
    assert levels(GpuState(clock_hz=990e6), samples(clock_hz=clock_hz)) == [level]
    assert levels(GpuState(clock_share=0.5), samples(clock_hz=clock_hz)) == [level]


def test_the_line_says_what_was_set_and_what_held_it_down() -> None:
    """The reason is named only where the clock was not kept: bit 3 is a hardware brake (NVML API reference)."""
    wanted = GpuState(limit_w=300.0, clock_hz=990e6)
    limit, clock = gpu_state_findings(wanted, (BOARD,), samples(290.0, 900e6, throttled=8.0), TRIALS)
    assert limit.message == f"{GPU.label}: a mean power limit of 290 W in the trials, set to 300 W"
    assert clock.message.startswith(
        f"{GPU.label}: a mean SM clock of 900 MHz in the trials, set to 990 MHz; held down by "
    )
    _, kept = gpu_state_findings(wanted, (BOARD,), samples(300.0, 990e6, throttled=8.0), TRIALS)
    assert kept.message.endswith("set to 990 MHz")


def test_what_was_not_set_has_no_line_and_what_is_not_known_was_not_checked() -> None:
    """A share of a limit that the driver does not report, a GPU without readings, a config that sets nothing."""
    assert levels(GpuState(), samples()) == []
    assert levels(GpuState(limit_w=300.0, clock_hz=990e6), Samples()) == ["INFO", "INFO"]
    for boards in ((), (Board(GPU.id, 0, "GPU"),), (evolve(BOARD, id=OTHER_GPU.id),)):
        wanted = GpuState(limit_share=0.75, clock_share=0.5)
        assert levels(wanted, samples(), boards) == ["INFO", "INFO"]
        assert all("not checked" in each.message for each in gpu_state_findings(wanted, boards, samples(), TRIALS))
    assert levels(GpuState(limit_share=0.75), samples(), (evolve(BOARD, graphics_clock_max_hz=None),)) == ["PASS"]
    assert levels(GpuState(clock_share=0.5), samples(), (evolve(BOARD, default_power_limit_w=None),)) == ["PASS"]


def test_conditions_are_means_over_the_complete_trials() -> None:
    """Of the GPU that counts, weighted with time; a trial that was cut short does not count."""
    readings = series(GPU, "temperature_celsius", (20.0, 27.5, 40.0, 45.0, 50.0), (40.0, 80.0, 60.0, 70.0, 70.0))
    (gpu,) = gpu_conditions(Samples((readings,)), TRIALS)
    # 7.5 s of 40 and 2.5 s of 80 degrees, then 5 s of 60 and 5 s of 70.
    assert gpu.temperature_celsius == pytest.approx((7.5 * 40 + 2.5 * 80 + 5 * 60 + 5 * 70) / 20, abs=1e-2)
    assert (gpu.id, gpu.sm_clock_hz, gpu.power_limit_w, gpu.throttled) == (GPU.id, None, None, {})
    (first,) = gpu_conditions(Samples((readings,)), [TRIALS[0], evolve(TRIALS[1], complete=False)])
    assert first.temperature_celsius == pytest.approx(50.0, abs=1e-2)
