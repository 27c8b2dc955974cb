"""The real meters of GPUs and processors, reading a simulated machine on a virtual clock instead of a driver."""

from __future__ import annotations

import random
from pathlib import Path
from types import TracebackType
from typing import Literal

from attrs import define, field, frozen

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY
from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Samples
from ai_energy_benchmarks.metrics.combined import CombinedCollector, CombinedMark
from ai_energy_benchmarks.metrics.nvml.board import WatchedBoard
from ai_energy_benchmarks.metrics.nvml.cadence import Cadence
from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector
from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard
from ai_energy_benchmarks.metrics.nvml.strangers import Strangers
from ai_energy_benchmarks.metrics.rapl.collector import RaplCollector
from ai_energy_benchmarks.metrics.recording import Recorder
from ai_energy_benchmarks.testing import VirtualClock
from tests.fake_proc import FakeProc
from tests.unit.virtual_gpu import BEGIN_S, Gpu

GPU_IDS = tuple(f"GPU-00000000-0000-0000-0000-00000000000{number}" for number in range(4))
# Above what the kernel numbers by default, so that they are nobody's on the machine of the tests.
ENGINE_PID, OTHER_PID = 4_194_400, 4_194_401
POLL_S, GAUGES_S, SLOW_GAUGES_S = 0.01, 0.1, 0.5
CALL_S = 5e-5
# So long the meter waits after a window for what is published late, and so often it looks for it.
LONGEST_WAIT_S, LOOK_S = 1.9, 0.02


class VirtualBoard(NvmlBoard):
    """What NVML would say of the simulated GPU."""

    def __init__(self, gpu: Gpu, clock: VirtualClock, device: Device, processes: frozenset[int] | None) -> None:
        self._gpu, self._clock = gpu, clock
        self._dice = random.Random(gpu.kind.seed)
        self._running = processes
        self.device = device
        self.counter_problem = self.power_problem = None
        self.power_average_s = 0.0
        self.supported_reasons = None
        self.power_limit_w = gpu.kind.work_w
        self.read_at_s = 0.0
        self.gauges = {
            "temperature_celsius": lambda: float(int(gpu.celsius(self.read_at_s))),
            "clock_hz": lambda: 1.755e9 if gpu.is_working(self.read_at_s) else 3.45e8,
            "throttle_reasons": lambda: float(gpu.kind.throttle_reasons if gpu.is_working(self.read_at_s) else 0x01),
            "utilization_percent": lambda: 100.0 * gpu.is_working(self.read_at_s),
            "power_limit_w": lambda: gpu.kind.work_w,
            "performance_state": lambda: 0.0,
            "average_power_w": lambda: gpu.energy_j(self.read_at_s) - gpu.energy_j(self.read_at_s - 1.0),
            "power_violation_s": lambda: gpu.worked_s(self.read_at_s) * bool(gpu.kind.throttle_reasons & 0x04),
            "thermal_violation_s": lambda: gpu.worked_s(self.read_at_s) * bool(gpu.kind.throttle_reasons & 0x60),
        }

    def energy_j(self) -> float:
        return self._gpu.shown_j(self.read_at_s)

    def power_w(self) -> float:
        return self._gpu.power_w(self.read_at_s) * (1 + self._dice.gauss(0, self._gpu.kind.noise))

    def process_ids(self) -> frozenset[int] | None:
        return self._running

    def mig_slices(self) -> tuple[str, ...]:
        return ()


@define
class _Poller:
    """Reads a board as the collector's thread does: around each tick, with gauges between."""

    watched: WatchedBoard
    board: VirtualBoard
    dice: random.Random = field(factory=lambda: random.Random(11))
    cadence: Cadence = field(init=False, factory=lambda: Cadence(POLL_S, 0.0))
    due_s: float = 0.0
    gauges_due_s: float = 0.0
    slow_due_s: float = 0.0
    polled_s: float = 0.0
    shown_j: float | None = None

    def until(self, now_s: float) -> None:
        """Make all readings that are due."""
        while self.due_s + 20 * CALL_S < now_s:
            self._poll(self.due_s)

    def _poll(self, at_s: float) -> None:
        known = self.cadence.tick_s is not None
        energy_j = self._read("energy_j", at_s)
        changed = self.shown_j is not None and energy_j != self.shown_j
        due_s = self.cadence.seen(self.polled_s if changed else at_s, at_s + CALL_S, changed)
        if self.cadence.tick_s is not None and not known:
            self.watched.tick(self.cadence.tick_s)
        self.shown_j, self.polled_s = energy_j, at_s
        if at_s >= self.gauges_due_s and (changed or not known or at_s >= self.gauges_due_s + GAUGES_S):
            self.gauges_due_s = at_s + GAUGES_S
            self._read("power_w", at_s + 2 * CALL_S)
            if at_s >= self.slow_due_s:
                self.slow_due_s = at_s + SLOW_GAUGES_S
                for name in self.board.gauges:
                    self._read(name, at_s + 4 * CALL_S)
                self.watched.processes(at_s, self.board.process_ids())
        self.due_s = max(due_s, at_s + 20 * CALL_S) + self.dice.expovariate(1e4)

    def _read(self, quantity, at_s: float) -> float:  # type: ignore[no-untyped-def] # any quantity of a board
        self.board.read_at_s = at_s + CALL_S / 2
        calls = {"energy_j": self.board.energy_j, "power_w": self.board.power_w}
        value: float = (calls.get(quantity) or self.board.gauges[quantity])()
        self.watched.reading(quantity, at_s, at_s + CALL_S, value)
        return value


class VirtualNvml(NvmlCollector):
    """The collector of NVIDIA boards with simulated ones; only opening, marking and waiting are others."""

    def __init__(self, clock: VirtualClock, boards: tuple[VirtualBoard, ...], proc: Path) -> None:
        super().__init__()
        self._clock, self._given, self._pollers, self._proc = clock, boards, tuple[_Poller, ...](), proc

    def __enter__(self) -> VirtualNvml:
        self._boards = tuple(WatchedBoard(each, UNKNOWN_DELAY, None) for each in self._given)
        self._pollers = tuple(_Poller(watched, each) for watched, each in zip(self._boards, self._given, strict=True))
        self._strangers = Strangers(self._proc)
        for poller in self._pollers:
            poller.due_s = poller.gauges_due_s = poller.slow_due_s = self._clock.now_s()
            poller.cadence = Cadence(POLL_S, self._clock.now_s())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._catch_up()

    def _catch_up(self) -> None:
        for poller in self._pollers:
            poller.until(self._clock.now_s())

    def guard_s(self) -> float:
        self._catch_up()
        return super().guard_s()

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        self._catch_up()
        return super().further_rest_s(start, stop)

    def mark(self) -> Mark:
        return Mark(self._clock.now_s())

    def read(self, start: Mark, stop: Mark) -> Measurement:
        latest_s = max(self._clock.time_s, stop.time_s) + LONGEST_WAIT_S
        self._catch_up()
        while not all(board.settled(start, stop) for board in self._boards) and self._clock.time_s < latest_s:
            self._clock.time_s += LOOK_S
            self._catch_up()
        return super().read(start, stop)

    def samples(self) -> Samples:
        self._catch_up()
        return super().samples()


@frozen
class VirtualZone:
    """A RAPL zone whose power follows the work of the GPU."""

    device: Device
    gpu: Gpu
    idle_w: float
    work_w: float
    reset_s: float = float("inf")
    whole: bool = False

    def energy_j(self, time_s: float) -> float:
        """Linear in what the GPU has drawn; a reset looks like a wrap to who reads it."""
        kind = self.gpu.kind
        work_s = (self.gpu.energy_j(time_s) - kind.idle_w * (time_s - BEGIN_S)) / (kind.work_w - kind.idle_w)
        jump_j = 262_000.0 if time_s >= self.reset_s else 0.0
        return 5e5 + self.idle_w * (time_s - BEGIN_S) + (self.work_w - self.idle_w) * work_s + jump_j


class VirtualRapl(RaplCollector):
    """The collector of processor packages with simulated zones, ten readings a second and one after each mark."""

    def __init__(self, clock: VirtualClock, zones: tuple[VirtualZone, ...]) -> None:
        super().__init__()
        self._clock, self._given = clock, zones
        self._due_s = 0.0

    def __enter__(self) -> VirtualRapl:
        self._grew, self._lost = False, None
        self._zones = self._given  # type: ignore[assignment] # only what is read of a zone
        self._series = tuple(Recorder(zone.device, "energy_j", "rapl") for zone in self._given)
        self._due_s = self._clock.now_s()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sample()

    def _sample(self) -> None:
        while self._due_s < self._clock.now_s():
            self._read_all(self._due_s)
            self._due_s += 0.1

    def _read_all(self, at_s: float) -> None:
        for zone, series in zip(self._given, self._series, strict=True):
            series.add(at_s, at_s + CALL_S, zone.energy_j(at_s + CALL_S / 2))

    def mark(self) -> Mark:
        self._sample()
        now_s = self._clock.now_s()
        self._read_all(now_s + 1e-4)
        return Mark(now_s)

    def read(self, start: Mark, stop: Mark) -> Measurement:
        self._clock.time_s = max(self._clock.time_s, stop.time_s + 0.01)
        self._sample()
        self._read_all(self._clock.now_s())
        return super().read(start, stop)

    def samples(self) -> Samples:
        self._sample()
        return super().samples()


class VirtualMeters(CombinedCollector):
    """Several meters on the virtual clock."""

    def __init__(self, clock: VirtualClock, *members: NvmlCollector | RaplCollector) -> None:
        super().__init__(members)
        self._clock = clock

    def mark(self) -> CombinedMark:
        return CombinedMark(self._clock.now_s(), 0.0, tuple(member.mark() for member in self._members))


@frozen
class Meters:
    """What of the machine the meters see.

    Attributes:
        gpus: what the GPUs do that NVML sees, in its order: one that works does so for the server.
        processes: those that the driver lists on the GPUs that work.
        reset_s: when the processors' counters are reset.
    """

    gpus: tuple[Literal["works", "rests"], ...] = ("works",)
    processes: frozenset[int] = frozenset({ENGINE_PID})
    reset_s: float = float("inf")


def meters(clock: VirtualClock, gpu: Gpu, wanted: Meters, proc: Path) -> VirtualMeters:
    """NVML and RAPL of a server with one GPU; a package at 150 W and memory at 24 W draw nearly as much at rest.

    Args:
        proc: where its processes are to be seen; that of the host is made here.
    """
    host = FakeProc(proc)
    for pid in (ENGINE_PID, OTHER_PID):
        host.add(pid, 1, "python3")
    host.be(1)
    boards = []
    for gpu_id, does in zip(GPU_IDS, wanted.gpus, strict=False):
        device = Device("gpu", gpu_id, "NVIDIA H100 80GB HBM3")
        works = does == "works"
        processes = wanted.processes if works else frozenset()
        boards.append(VirtualBoard(gpu if works else Gpu(gpu.kind), clock, device, processes))
    named: tuple[tuple[Component, float, float], ...] = (("cpu", 150.0, 180.0), ("dram", 24.0, 26.0))
    zones = tuple(
        VirtualZone(Device(component, f"{component}-0"), gpu, idle_w, work_w, wanted.reset_s)
        for component, idle_w, work_w in named
    )
    of_gpu = [VirtualNvml(clock, tuple(boards), proc)] if boards else []
    return VirtualMeters(clock, *of_gpu, VirtualRapl(clock, zones))
