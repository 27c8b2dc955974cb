"""Boards in the snapshot and in the doctor's report, through the real binding."""

from __future__ import annotations

from pathlib import Path

import pynvml
import pytest

from ai_energy_benchmarks.environment.boards import look_for_boards
from ai_energy_benchmarks.environment.doctor import examine
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, Refusal

A, B = "GPU-aaaa1111-0000-0000-0000-000000000000", "GPU-bbbb2222-0000-0000-0000-000000000000"


def test_boards_are_described(simulate: Simulate) -> None:
    """Name, identity, limit and counter of each board, and the driver's version."""
    simulate(Board(A, name="First", limit_w=350.0), Board(B, name="Second", counter=False))
    seen = take_snapshot()
    assert [(board.id, board.index, board.name) for board in seen.boards] == [(A, 0, "First"), (B, 1, "Second")]
    assert [board.has_energy_counter for board in seen.boards] == [True, False]
    assert seen.boards[0].power_limit_w == 350.0
    assert all(board.memory_bytes for board in seen.boards)
    assert seen.driver_version
    assert seen.cuda_version == "12.4"  # 12040, as the simulated driver tells it
    assert seen.boards[0].default_power_limit_w == 350.0


def test_the_library_is_closed_again(simulate: Simulate) -> None:
    """What was opened for the look is closed, so that a collector finds NVML as it was."""
    simulate(Board(A))
    assert look_for_boards().problem is None
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetCount()


def test_a_board_that_answers_nothing_is_no_exception(simulate: Simulate) -> None:
    """What a board refuses to tell is None; the others are described all the same."""
    simulate(Board(A, refusals=(Refusal(0.0, 1e6),)), Board(B))
    boards = {board.id: board for board in look_for_boards().boards}
    assert boards[B].has_energy_counter
    assert all(
        board.memory_bytes is None and not board.has_energy_counter for board in boards.values() if board.id != B
    )


def test_the_doctor_finds_the_counter(simulate: Simulate, tmp_path: Path) -> None:
    """A board with a counter makes the nvml meter ready; one without makes it limited."""
    simulate(Board(A))
    assert _nvml(tmp_path) == "ready"
    simulate(Board(A), Board(B, counter=False))
    assert _nvml(tmp_path) == "limited"


def _nvml(root: Path) -> str:
    (state,) = (line.state for line in examine(root).meters if line.subject == "nvml")
    return state
