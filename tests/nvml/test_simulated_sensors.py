"""The simulated GPU itself: what its counter and its power show of a known power, at chosen moments."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pynvml
import pytest

from tests.nvml import recorded
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, Machine, Trace, Violation, until_j
from tests.nvml.traces import exponential_fall, pulse, raised, stepped_fall

STEP: Trace = ((5.0, 100.0), (15.0, 500.0), (10.0, 100.0))
# Between writing the file and reading a value.
LATE_S = 0.15
Handle = object


@pytest.fixture
def at(simulate: Simulate, tmp_path: Path) -> Callable[[Board, float], Handle]:
    """A board whose time is so far along when it is opened."""

    def make(board: Board, time_s: float) -> Handle:
        simulate(board)
        Machine((board,), time.perf_counter() - time_s).write(tmp_path / "boards")
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetHandleByIndex(0)

    return make


def counted_j(handle: Handle, board: Board) -> float:
    """What the counter shows, without where it began."""
    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) - board.offset_mj) / 1000


def power_w(handle: Handle, field: int = 186) -> float:
    (found,) = pynvml.nvmlDeviceGetFieldValues(handle, [field])
    return float(found.value.uiVal) / 1000


def test_a_sensor_that_lags_holds_energy_back(at: Callable[[Board, float], Handle]) -> None:
    """First order: the counter lacks lag times the power that it has not caught up with; power creeps up."""
    board = Board("GPU-0", STEP, tick_s=0.001, delay_s=0.0, lag_s=0.5)
    handle = at(board, 5.5)
    assert 100 + 400 * 0.6 <= power_w(handle) <= 100 + 400 * 0.75
    handle = at(board, 12.0)
    expected_j = board.drawn_j(0, 12.0) - 0.5 * 400
    assert expected_j - 1 <= counted_j(handle, board) <= expected_j + 500 * LATE_S
    assert power_w(handle) == pytest.approx(500, abs=1)


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.3])
def test_values_are_shown_late(at: Callable[[Board, float], Handle], delay_s: float) -> None:
    """The counter shows the energy of so long ago, up to 300 ms."""
    board = Board("GPU-0", ((100.0, 400.0),), tick_s=0.001, delay_s=delay_s)
    seen_j = counted_j(at(board, 10.0), board)
    assert 400 * (10 - delay_s) - 1 <= seen_j <= 400 * (10 - delay_s + LATE_S)


@pytest.mark.parametrize("counts_shown", [False, True])
def test_another_trace_is_shown_and_may_be_counted(at: Callable[[Board, float], Handle], counts_shown: bool) -> None:
    """Power fields play what a driver showed; the counter integrates that, or what the board draws."""
    board = Board(
        "GPU-0", ((100.0, 400.0),), shown=((100.0, 380.0),), counts_shown=counts_shown, tick_s=0.001, delay_s=0.0
    )
    handle = at(board, 10.0)
    assert power_w(handle) == pytest.approx(380)
    seen_j, watts = counted_j(handle, board), 380 if counts_shown else 400
    assert board.energy_j(0, 10) == pytest.approx(10 * watts)
    assert board.drawn_j(0, 10) == pytest.approx(4000)
    assert 10 * watts - 1 <= seen_j <= (10 + LATE_S) * watts


def test_a_sensor_that_looks_a_quarter_of_the_time_is_fooled_by_its_own_period(
    at: Callable[[Board, float], Handle],
) -> None:
    """Work of 100 ms period: 25 of each 100 ms see all of it or none, depending on the phase."""
    square: Trace = ((0.05, 700.0), (0.05, 100.0))
    counted = {
        phase_s: counted_j(at(board, 20.0), board)
        for phase_s in (0.04, 0.09)
        if (board := Board("GPU-0", square, tick_s=0.1, jitter=0, phase_s=phase_s, delay_s=0.0, duty=0.25))
    }
    assert counted[0.04] == pytest.approx(700 * 20, rel=0.02)
    assert counted[0.09] == pytest.approx(100 * 20, rel=0.02)


def test_violation_counters_grow_while_the_clock_is_held_down(at: Callable[[Board, float], Handle]) -> None:
    """Nanoseconds of each policy until now; a board without them refuses."""
    board = Board("GPU-0", violations=(Violation(1, 2.0, 2.5), Violation(0, 1.0, 4.0)))
    handle = at(board, 10.0)
    assert pynvml.nvmlDeviceGetViolationStatus(handle, 1).violationTime == 500_000_000
    assert pynvml.nvmlDeviceGetViolationStatus(handle, 0).violationTime == 3_000_000_000
    assert pynvml.nvmlDeviceGetViolationStatus(handle, 3).violationTime == 0
    without = at(Board("GPU-0", violations=None), 10.0)
    with pytest.raises(pynvml.NVMLError, match="Not Supported"):
        pynvml.nvmlDeviceGetViolationStatus(without, 1)


@pytest.mark.parametrize("tau_s", [0.02, 0.1, 0.5])
def test_an_exponential_fall_keeps_its_energy(tau_s: float) -> None:
    """The step times the time constant, to within what is left after seven of them."""
    fall = exponential_fall(600.0, 100.0, tau_s)
    above_j = sum(seconds * (watts - 100.0) for seconds, watts in fall)
    assert above_j == pytest.approx(500.0 * tau_s, rel=2e-3)
    assert all(later[1] < earlier[1] for earlier, later in pairwise(fall))


def test_falls_in_stages_and_raised_idle_are_traces() -> None:
    """Each stage holds its share of the step; idle is raised for the time given and then the rest's power."""
    trace = pulse(110.0, 600.0, 1.0, 2.0, after=raised(stepped_fall(600.0, 110.0, 0.12), 15.0, 3.0, 110.0))
    assert [watts for _, watts in trace] == [110.0, 600.0, *(110 + 490 * x for x in (0.7, 0.45, 0.2)), 125.0, 110.0]
    assert until_j(trace, 3.0) == pytest.approx(110 + 1200)


@pytest.fixture(scope="session")
def recordings() -> tuple[recorded.Recording, ...]:
    folder = recorded.shared_folder()
    if folder is None:
        pytest.skip(f"the recordings of real GPUs are not here; {recorded.VARIABLE} names their directory")
    return recorded.load(folder)


def test_a_recording_is_played(
    at: Callable[[Board, float], Handle], recordings: tuple[recorded.Recording, ...]
) -> None:
    """What a real card drew is what the simulated one draws; its fields show what the real driver showed."""
    recording = max(recordings, key=lambda each: each.work_s[0][1] - each.work_s[0][0])
    begin_s, until_s = recording.begin_s, recording.until_s
    driver = recording.driver[recording.best_column]
    board = Board(
        "GPU-0",
        recording.external.steps(begin_s, until_s),
        shown=driver.steps(begin_s, until_s),
        tick_s=0.001,
        delay_s=0.0,
    )
    truth_j = recording.external.energy_j(begin_s, until_s)
    assert until_j(board.trace, until_s - begin_s - 1e-9) == pytest.approx(truth_j, rel=1e-4)
    handle = at(board, recording.work_s[0][1] - 1.0 - begin_s)
    assert power_w(handle) == pytest.approx(driver.at_w(recording.work_s[0][1] - 0.95), rel=0.05)
    seen_j = counted_j(handle, board)
    assert seen_j == pytest.approx(recording.external.energy_j(begin_s, recording.work_s[0][1] - 1.0), rel=0.1)
