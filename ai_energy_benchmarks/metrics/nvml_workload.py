"""Which boards are the workload's."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.metrics.nvml_library import NvmlBoard
from ai_energy_benchmarks.metrics.processes import listed_as


@frozen
class Counted:
    """Whose energy counts.

    Attributes:
        board_ids: UUIDs of the workload's boards; None: all that are visible.
        absent: why none counts; None if some do.
        doubt: why more may count than should; None if nothing speaks for it.
        process_ids: the engine's first processes; empty if they are unknown.
    """

    board_ids: frozenset[str] | None = None
    absent: str | None = None
    doubt: str | None = None
    process_ids: tuple[int, ...] = ()

    def has(self, board: NvmlBoard) -> bool:
        """Whether the board is the workload's."""
        return self.board_ids is None or board.device.id in self.board_ids


def counted(workload: Workload, boards: Sequence[NvmlBoard]) -> Counted:
    """The engine's own word first, then the user's, then the driver's list of processes; in doubt all boards."""
    pids = workload.process_ids
    if workload.elsewhere is not None:
        return Counted(frozenset(), absent=workload.elsewhere)
    if workload.board_ids is not None:
        return Counted(frozenset(workload.board_ids), process_ids=pids)
    if workload.device_ids is not None:
        return _asked(workload.device_ids, pids, boards)
    if not pids:
        return Counted(doubt="the engine's processes are unknown: all visible boards count")
    holding = frozenset(board.device.id for board in boards if listed_as(pids, board.process_ids() or ()))
    if not holding:
        return Counted(
            doubt="no board tells that it runs the engine's processes: all visible boards count", process_ids=pids
        )
    return Counted(holding, process_ids=pids)


def _asked(indices: Sequence[int], pids: tuple[int, ...], boards: Sequence[NvmlBoard]) -> Counted:
    missing = [index for index in indices if index >= len(boards)]
    if missing:
        absent = f"backend.device_ids names board {missing[0]}, but only {len(boards)} can be seen, counted from 0"
        return Counted(frozenset(), absent=absent, process_ids=pids)
    return Counted(frozenset(boards[index].device.id for index in indices), process_ids=pids)
