"""Who else runs on the workload's GPUs: by the driver's process list, or by how it differs from before loading.

The list is read with the slow gauges, so that it also shows who came and went within a window.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from attrs import define, evolve, field

from ai_energy_benchmarks.domain.power import Measurement, Workload
from ai_energy_benchmarks.domain.strangers import StrangerCheck
from ai_energy_benchmarks.machine.namespaces import counts_as_host, listed_as
from ai_energy_benchmarks.machine.processes import PROC, hold_gpu, name_of, processes, tree

Listed = frozenset[int] | None
# The server of NVIDIA's Multi-Process Service works for its clients, which are listed themselves (docs.nvidia.com/
# deploy/mps). The kernel keeps 15 characters of nvidia-cuda-mps-server.
_SERVICES = ("nvidia-cuda-mps",)
# A driver without a client reserves some hundred MiB of a GPU for itself.
_OWN_OF_THE_DRIVER_BYTES = 2**30
_HIDDEN = "processes of other containers are hidden from this one"


@define
class Listings:
    """The process lists of one GPU over time, one row for each change.

    Attributes:
        memory_before_bytes: memory in use when the meter was opened; None if it is not known.
    """

    rows: list[tuple[float, Listed]] = field(factory=list)
    memory_before_bytes: float | None = None

    def add(self, time_s: float, listed: Listed) -> None:
        """Take note of a list."""
        if not self.rows or self.rows[-1][1] != listed:
            self.rows.append((time_s, listed))

    @property
    def before(self) -> Listed:
        """The first list: that of the time before the model was loaded, if the meter was open by then."""
        return self.rows[0][1] if self.rows else None

    def since(self, start_s: float) -> list[Listed]:
        """The list that held at a time, and all later ones."""
        earlier = [listed for time_s, listed in self.rows if time_s <= start_s]
        return [*earlier[-1:], *(listed for time_s, listed in self.rows if time_s > start_s)]


class Gpu(Protocol):
    """What the checks need of a GPU."""

    @property
    def id(self) -> str: ...

    @property
    def shared(self) -> str | None: ...

    @property
    def listings(self) -> Listings: ...

    def process_ids(self) -> Listed: ...


class Strangers:
    """Looks for processes that are not the workload's."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._own_before = 0
        self._workload = Workload(())

    def begin(self) -> None:
        """Take note of the time before the model is loaded."""
        # An engine in this process may have used a GPU before.
        self._own_before = self._holders([os.getpid()])

    def attach(self, workload: Workload) -> None:
        """Say whose processes are no strangers."""
        self._workload = workload

    def added_to(self, measurement: Measurement, gpus: Sequence[Gpu], *, chosen: bool = True) -> Measurement:
        """With the checks of the workload's GPUs; where others use a slice of one, no energy is the workload's.

        Args:
            chosen: whether these GPUs are the workload's; if that is found out later, the checks are of all of them.
        """
        checks = tuple(self._checks(gpus, measurement.start_s))
        if not chosen:
            return evolve(measurement, strangers=checks)
        found = tuple(check.found for check in checks if check.found is not None)
        measurement = evolve(measurement, foreign_processes=found, strangers=checks)
        split = {gpu.id for gpu in gpus if gpu.shared is not None}
        busy = next((check.found for check in checks if check.found is not None and check.gpu in split), None)
        if busy is None:
            return measurement
        readings = (
            evolve(each, counted=each.counted and each.device.component != "gpu") for each in measurement.readings
        )
        why = f"the energy of a MIG slice cannot be separated from that of the slices next to it: {busy}"
        return evolve(measurement, readings=tuple(readings), absent={**measurement.absent, "gpu": why})

    def _checks(self, gpus: Iterable[Gpu], start_s: float) -> Iterator[StrangerCheck]:
        """One check for each of the workload's GPUs, from the beginning of a window until now."""
        for gpu in gpus:
            lists = [*gpu.listings.since(start_s), gpu.process_ids()]
            known = [listed for listed in lists if listed is not None]
            if len(known) < len(lists):
                yield StrangerCheck(gpu.id, unchecked="the driver does not list its processes")
            else:
                yield self._check(gpu, known)

    def _check(self, gpu: Gpu, lists: Sequence[frozenset[int]]) -> StrangerCheck:
        roots, running = self._workload.process_ids, frozenset[int]().union(*lists)
        if not running:  # as on WSL 2, and on virtual GPUs
            return StrangerCheck(gpu.id, unchecked="the driver lists no process on it, not even the engine's")
        own = listed_as(roots, running, self._proc) if roots else None
        if own is None:
            return self._by_number(gpu, lists, running)
        names = {pid: name_of(pid, self._proc) for pid in sorted(running - own)}
        others = ", ".join(f"{pid} ({name})" for pid, name in names.items() if not name.startswith(_SERVICES))
        if others:
            return StrangerCheck(gpu.id, f"process {others} is not of the workload, but ran on GPU {gpu.id}")
        return StrangerCheck(gpu.id, unchecked=None if counts_as_host(self._proc) else self._hidden(gpu.listings))

    def _hidden(self, listings: Listings) -> str | None:
        """Why those that the driver does not show here may be there; None if memory says that they are not."""
        used_bytes = listings.memory_before_bytes
        if self._workload.by_port or used_bytes is None:
            return _HIDDEN
        if used_bytes < _OWN_OF_THE_DRIVER_BYTES:
            return None
        return f"{_HIDDEN}, and {used_bytes / 2**30:.1f} GiB of its memory were in use before the model was loaded"

    def _by_number(self, gpu: Gpu, lists: Sequence[frozenset[int]], running: frozenset[int]) -> StrangerCheck:
        """In a container the driver may use the host's numbers, which mean nothing here; how many there are does."""
        roots = self._workload.process_ids
        known = bool(roots) and not self._workload.by_port
        stayed = (gpu.listings.before or frozenset()) & running if known else frozenset()
        came = running - lists[0]
        most = self._holders(roots) or len(tree(roots, processes(self._proc)))
        if len(stayed) > self._own_before:
            return StrangerCheck(
                gpu.id, f"{len(stayed)} processes ran on GPU {gpu.id} before the model was loaded, and still do"
            )
        if came:
            return StrangerCheck(gpu.id, f"{len(came)} processes came to GPU {gpu.id} while requests were in flight")
        if roots and len(running) > most:
            return StrangerCheck(gpu.id, f"{len(running)} processes run on GPU {gpu.id}, but the workload has {most}")
        if known:
            return StrangerCheck(gpu.id)
        why = "the driver counts processes as the host does, which cannot be matched here; fix: share the host's PID "
        why += "namespace (docker run --pid=host)"
        return StrangerCheck(gpu.id, unchecked=why if roots else "the engine's processes are unknown")

    def _holders(self, roots: Collection[int]) -> int:
        """How many processes of a tree have a GPU open; 0 also where that is not shown."""
        return sum(bool(hold_gpu([pid], self._proc)) for pid in tree(roots, processes(self._proc)))
