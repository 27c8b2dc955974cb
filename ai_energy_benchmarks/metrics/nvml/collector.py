"""The meter of NVIDIA boards: their total-energy counters, or power over time where there is no counter."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from threading import Lock, Thread
from types import TracebackType
from typing import ClassVar

from attrs import evolve, field, frozen, validators

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import Mark, Measurement, Samples, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.nvml import Nvml, open_nvml, shut_down
from ai_energy_benchmarks.metrics.base import DOCTOR, CollectorSettings
from ai_energy_benchmarks.metrics.gpu_choice import Counted, Gpu, chosen_gpus, counted
from ai_energy_benchmarks.metrics.nvml.board import METER, GpuFigure, RestLimits, WatchedBoard
from ai_energy_benchmarks.metrics.nvml.library import board_at
from ai_energy_benchmarks.metrics.nvml.own_threads import OwnThreads
from ai_energy_benchmarks.metrics.nvml.poller import BoardPoller, WakeUps, shortest_tick_s
from ai_energy_benchmarks.metrics.nvml.process import RemoteSampler
from ai_energy_benchmarks.metrics.nvml.strangers import Strangers
from ai_energy_benchmarks.metrics.nvml.visible import visible, whole_gpus
from ai_energy_benchmarks.metrics.options import chosen

# NVML is polled by one collector of a process at a time: two would disturb each other and what they measure.
_LOST = "see whether nvidia-smi still lists the GPUs, and measure again"
_OWNER = Lock()
# A reading takes milliseconds; a driver that hangs may hold one for ever, and the run must end all the same.
_PATIENCE_S = 10.0


@frozen
class NvmlOptions:
    """How the boards are read.

    Attributes:
        poll_s: seconds between two readings where a GPU's ticks are not known; where they are, a few readings
            are placed around each tick.
        delay_low_s, delay_high_s: bounds of the time from a sample to its publication, where it is known for
            the model of GPU; the default holds for all that is unknown.
        settle_s: how long a reading may wait after a window for the counter to move.
        flat_within: changes of power in a rest that count as flat, over the step between rest and work.
        max_delay_s: where a rest is not flat at once, the maximum delay that the bounds allow for.
        max_rest_s: maximum length of the rest next to a window while it is not flat.
    """

    poll_s: float = field(default=0.01, validator=validators.gt(0))
    delay_low_s: float = field(default=0.0, validator=validators.ge(0))
    delay_high_s: float = field(default=0.055, validator=validators.ge(0))
    settle_s: float = field(default=2.0, validator=validators.gt(0))
    flat_within: float = field(default=0.05, validator=validators.gt(0))
    max_delay_s: float = field(default=1.0, validator=validators.gt(0))
    max_rest_s: float = field(default=3.0, validator=validators.gt(0))


class NvmlCollector:
    """The energy counters of NVIDIA GPUs, or their power where there are none.

    Args:
        options: its settings; the defaults where none are given.
        hidden_gpus: read those too that ``CUDA_VISIBLE_DEVICES`` hides from this process.
    """

    Options: ClassVar[type] = NvmlOptions
    AUTO: ClassVar[Mapping[Component, int]] = {"gpu": 10}

    def __init__(self, options: NvmlOptions | None = None, *, hidden_gpus: bool = False) -> None:
        self._options = options or NvmlOptions()
        self._hidden_gpus = hidden_gpus
        self._visible: tuple[str, ...] = ()
        self._workload: Workload | None = None
        self._stack = ExitStack()
        self._boards: tuple[WatchedBoard, ...] = ()
        self._counted = Counted()
        self._strangers = Strangers()
        self._notes: list[str] = []
        self._limits: tuple[str, ...] = ()
        self._leaving = False
        self._may_move = os.name == "posix"
        self._thread: Thread | None = None
        self._remote: RemoteSampler | None = None

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> NvmlCollector:
        return cls(chosen(settings, NvmlOptions), hidden_gpus=settings.hidden_gpus)

    def __enter__(self) -> NvmlCollector:
        with ExitStack() as stack:
            if not _OWNER.acquire(blocking=False):
                raise CollectorError(
                    "another NVML collector of this process is open",
                    remedy="name `nvml` or `auto` once in metrics.collectors",
                )
            stack.callback(_OWNER.release)
            nvml = open_nvml()
            stack.callback(self._shut_down, nvml)
            try:
                self._boards = self._find_boards(nvml)
                reachable = frozenset(watched.board.device.id for watched in self._boards if watched.board.reachable)
                self._counted = Counted(reachable.intersection(self._visible) or None)
            except nvml.NVMLError as error:
                raise CollectorError(f"NVML does not list its GPUs: {error}", remedy=_LOST) from error
            pollers = [BoardPoller(nvml, watched.board, self._options.poll_s, watched) for watched in self._boards]
            for poller in pollers:
                poller.poll()
            self._strangers.begin()
            self._leaving = False
            self._thread = Thread(target=self._keep_reading, args=[pollers], name=METER, daemon=True)
            self._thread.start()
            stack.callback(self._thread.join, _PATIENCE_S)
            stack.callback(self._leave)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _shut_down(self, nvml: Nvml) -> None:
        # While a call hangs in the driver, the library would wait for it here.
        if self._thread is None or not self._thread.is_alive():
            shut_down(nvml)

    def _leave(self) -> None:
        self._leaving = True
        remote = self._remote
        if remote is not None:
            remote.end()

    def _find_boards(self, nvml: Nvml) -> tuple[WatchedBoard, ...]:
        boards = [board_at(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        visible_gpus = visible(boards, os.environ)
        if not boards:
            raise CollectorError("NVML sees no GPU", remedy="check that `nvidia-smi -L` lists one")
        if not visible_gpus.indices and not self._hidden_gpus:
            shown = os.environ.get("CUDA_VISIBLE_DEVICES")
            raise CollectorError(
                f"CUDA_VISIBLE_DEVICES={shown!r} shows none of the {len(boards)} GPUs",
                remedy="unset CUDA_VISIBLE_DEVICES, or name GPUs as `nvidia-smi -L` does",
            )
        options = self._options
        delay = Delay(options.delay_low_s, options.delay_high_s)
        limits = RestLimits(options.flat_within, options.max_delay_s, options.max_rest_s)
        self._visible = tuple(boards[index].device.id for index in visible_gpus.indices)
        # Where an index may mean another board to CUDA than to NVML, the engine may use one that seems hidden.
        hidden = (
            [i for i in range(len(boards)) if i not in visible_gpus.indices]
            if self._hidden_gpus or visible_gpus.notes
            else []
        )
        watched = tuple(
            WatchedBoard(boards[i], delay, visible_gpus.shared.get(i), limits) for i in (*visible_gpus.indices, *hidden)
        )
        if all(board.lost is not None for board in watched):
            raise CollectorError(
                f"no GPU can be measured: {'; '.join(_why(board) for board in watched)}",
                remedy=f"name another meter in metrics.collectors; {DOCTOR}",
            )
        self._notes = [
            *visible_gpus.notes,
            *visible_gpus.shared.values(),
            *(_why(board) for board in watched if board.lost),
        ]
        self._limits = tuple(
            f"{board.board.device.id} has no energy counter ({board.board.counter_problem}): its power is integrated"
            for board in watched
            if board.integrates and not board.lost
        )
        self._notes += self._limits
        return watched

    def _keep_reading(self, pollers: Sequence[BoardPoller]) -> None:
        """Read here; where this process is too busy for that, in a child."""
        with OwnThreads(list(pollers)) as threads:
            self._read_with(threads, pollers)

    def _read_with(self, threads: OwnThreads, pollers: Sequence[BoardPoller]) -> None:
        wakes = WakeUps()
        while not self._leaving:
            threads.poll(wakes)
            if self._remote is not None and self._remote.ready():
                threads.end()
                self._forward(self._remote)
                self._remote = None
            elif self._may_move and wakes.starved(shortest_tick_s(pollers)):
                self._may_move = False
                readable = {watched.board.device.id: watched for watched in self._boards if watched.lost is None}
                self._remote = RemoteSampler(readable, self._options.poll_s)
        if self._remote is not None:
            self._remote.close()

    def _forward(self, remote: RemoteSampler) -> None:
        """Take the child's readings until it ends or we leave."""
        if remote.forward_one():
            self._notes.append("this process was too busy to read the GPUs in time: a child process read them")
        while not self._leaving and remote.forward_one():
            pass
        remote.close()

    def components(self) -> tuple[Component, ...]:
        return ("gpu",)

    def limits(self) -> tuple[str, ...]:
        return self._limits

    def attach(self, workload: Workload) -> None:
        if workload.board_ids is not None:
            named = whole_gpus(workload.board_ids, [watched.board for watched in self._boards])
            workload = evolve(workload, board_ids=named)
        self._workload = workload
        self._counted = self._choose(workload)
        self._strangers.attach(workload)

    def _choose(self, workload: Workload) -> Counted:
        boards = [watched.board for watched in self._boards]
        gpus = [Gpu(board.device.id, board.device.label, board.device.id, board.process_ids) for board in boards]
        return counted(workload, gpus, self._visible)

    def counted_devices(self) -> frozenset[str] | None:
        self._choose_again()
        return self._counted.known

    def guard_s(self) -> float:
        return max(board.guard_s for board in self._boards)

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        counted_boards = (board for board in self._boards if self._counted.open or self._counted.has(board.id))
        return max((board.further_rest_s(start, stop) for board in counted_boards), default=0.0)

    def keep_readings(self, times_s: Sequence[float]) -> None:
        for board in self._boards:
            board.keep_readings(times_s)

    def mark(self) -> Mark:
        return Mark(time.perf_counter())

    def read(self, start: Mark, stop: Mark) -> Measurement:
        self._wait_until_settled(start, stop)
        self._choose_again()
        figures = self._figures(start, stop)
        readings = tuple(figure.reading for figure in figures if figure.reading is not None)
        if not readings:
            raise CollectorError("; ".join(figure.note for figure in figures if figure.note), remedy=_LOST)
        measurement = Measurement(start.time_s, stop.time_s, readings, {}, _notes(figures))
        measurement = chosen_gpus(measurement, self._counted, (figure.board.id for figure in figures))
        return self._strangers.added_to(measurement, self._workloads(), chosen=not self._counted.open)

    def _wait_until_settled(self, start: Mark, stop: Mark) -> None:
        """Until the readings that the window needs have come, and see that they stay."""
        give_up_s = max(time.perf_counter(), stop.time_s) + self._options.settle_s
        while not all(board.settled(start, stop) for board in self._boards) and time.perf_counter() < give_up_s:
            time.sleep(self._options.poll_s)
        for board in self._boards:
            board.keep_around(start, stop)

    def _choose_again(self) -> None:
        """While it is unknown which GPUs count: a server may load its model with the first request."""
        if self._counted.open and self._workload is not None:
            self._counted = self._choose(self._workload)

    def _figures(self, start: Mark, stop: Mark) -> tuple[GpuFigure, ...]:
        """What each GPU gives for the window, of those that can be spoken to."""
        reachable = (board for board in self._boards if board.board.reachable)
        return tuple(board.measure(start, stop, self._counted.has(board.id)) for board in reachable)

    def _workloads(self) -> list[WatchedBoard]:
        """The GPUs that are or may be the workload's."""
        counts = self._counted
        return [board for board in self._boards if board.lost is None and (counts.open or counts.has(board.id))]

    def samples(self) -> Samples:
        return Samples(tuple(series for board in self._boards for series in board.series()))

    def notes(self) -> tuple[str, ...]:
        return (*dict.fromkeys(self._notes), *(note for board in self._boards for note in board.notes()))


def _notes(figures: Sequence[GpuFigure]) -> tuple[str, ...]:
    """What the reader must know of the figures."""
    shared = (
        figure.board.shared
        for figure in figures
        if figure.board.shared and figure.reading is not None and figure.reading.counted
    )
    return (*(figure.note for figure in figures if figure.note), *shared)


def _why(board: WatchedBoard) -> str:
    return f"{board.board.device.id} cannot be measured: {board.lost}"
