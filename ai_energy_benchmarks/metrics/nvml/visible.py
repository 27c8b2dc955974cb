"""Which boards CUDA would show to this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import field, frozen

from ai_energy_benchmarks.domain.power import Device


class Board(Protocol):
    """What is asked of a board here."""

    device: Device

    def mig_slices(self) -> tuple[str, ...]: ...


@frozen
class Visible:
    """Which boards a process sees.

    Attributes:
        indices: positions in the list of boards, in CUDA's order.
        shared: position → why the board's energy is not the workload's alone.
        notes: what else the reader must know.
    """

    indices: tuple[int, ...]
    shared: Mapping[int, str] = field(factory=dict)
    notes: tuple[str, ...] = ()


def visible(boards: Sequence[Board], environment: Mapping[str, str]) -> Visible:
    """Read ``CUDA_VISIBLE_DEVICES`` as CUDA does: indices, UUIDs or prefixes of them, up to the first that is unknown.

    A MIG slice has no energy of its own: its board is visible, and ``shared`` says so.

    Args:
        boards: all boards, in the order of the PCI bus.
        environment: the environment variables.
    """
    wanted = environment.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        found: list[tuple[int, str | None]] = [(index, None) for index in range(len(boards))]
    else:
        found = _named(boards, [name.strip() for name in wanted.split(",")] if wanted.strip() else [])
    why = {index: _shared(boards[index], slice_id) for index, slice_id in found}
    shared = {index: reason for index, reason in why.items() if reason is not None}
    order = _order_note(boards, wanted, environment)
    return Visible(tuple(why), shared, () if order is None else (order,))


def _named(boards: Sequence[Board], names: Sequence[str]) -> list[tuple[int, str | None]]:
    found = []
    for name in names:
        match = _find(boards, name)
        if match is None:
            break
        found.append(match)
    return found


def _find(boards: Sequence[Board], name: str) -> tuple[int, str | None] | None:
    if name.isdecimal():
        return (int(name), None) if int(name) < len(boards) else None
    if name.startswith("MIG-GPU-"):  # older drivers: MIG-<UUID of the board>/<instance>/<instance>
        parent = name.removeprefix("MIG-").split("/")[0]
        return _only([(i, name) for i, board in enumerate(boards) if board.device.id == parent])
    if name.startswith("MIG-"):
        slices = [(i, each) for i, board in enumerate(boards) for each in board.mig_slices()]
        return _only([(i, each) for i, each in slices if each.startswith(name)])
    if name.startswith("GPU-"):
        return _only([(i, None) for i, board in enumerate(boards) if board.device.id.startswith(name)])
    return None


def whole_gpus(ids: Sequence[str], boards: Sequence[Board]) -> tuple[str, ...]:
    """UUIDs of GPUs, where an engine may have named MIG slices; an unknown one is left as it is.

    CUDA gives a slice a UUID of its own (``cuDeviceGetUuid_v2``), which frameworks hand on without a prefix.
    """
    parents = {mig.removeprefix("MIG-"): board.device.id for board in boards for mig in board.mig_slices()}
    return tuple(dict.fromkeys(parents.get(each.removeprefix("GPU-").removeprefix("MIG-"), each) for each in ids))


def _only(matches: Sequence[tuple[int, str | None]]) -> tuple[int, str | None] | None:
    """A prefix counts only if it is unique."""
    return matches[0] if len(matches) == 1 else None


def _shared(board: Board, slice_id: str | None) -> str | None:
    if slice_id is None and not board.mig_slices():
        return None
    part = f"MIG slice {slice_id}" if slice_id else "a MIG slice"
    return (
        f"shared_board: the energy of {part} cannot be read; the figure is that of its whole GPU {board.device.id}, "
        "with whatever else runs there"
    )


def _order_note(boards: Sequence[Board], wanted: str | None, environment: Mapping[str, str]) -> str | None:
    """By default CUDA counts the fastest board first, NVML by bus: of unlike boards an index may mean another one."""
    by_index = wanted is not None and any(name.strip().isdecimal() for name in wanted.split(","))
    unlike = len({board.device.label for board in boards}) > 1
    if not by_index or not unlike or environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return None
    return (
        "GPUs of different kinds are chosen by index, which CUDA and NVML may count differently; "
        "set CUDA_DEVICE_ORDER=PCI_BUS_ID or use UUIDs"
    )
