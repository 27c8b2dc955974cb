"""What meters share whose values one thread reads now and then: the raw series, the marks and the choice of GPUs."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from threading import Lock
from types import TracebackType
from typing import Protocol

from ai_energy_benchmarks.domain.components import EXPECTED, Component, shown
from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Quantity, Reading, Samples, Series, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.gpu_choice import Counted, Gpu, chosen_gpus, counted
from ai_energy_benchmarks.metrics.recording import Recorder, keep_around, keep_at, thinning
from ai_energy_benchmarks.metrics.sampler import Sampler

_WAIT_POLL_S = 0.02

ReadValues = Callable[[], Mapping[str, float]]


class Source(Protocol):
    """One value that is read: a counter, or a power."""

    @property
    def device(self) -> Device: ...


# What a reader of a device may raise, its HTTP and JSON included; the thread that reads goes on.
_OF_DEVICES = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    HTTPException,
)


class PolledSeries(ABC):
    """Reads all sources together, every ``poll_s`` seconds and right after each mark.

    Args:
        meter: what readings call this collector.
        poll_s: time between two readings.
        sources: at least one.
        unseen: why other components have no figure.
        read: the value of each source by the id of its device; a device that is missing has no new value. It raises
            ``CollectorError``, ``OSError`` or ``ValueError`` where nothing can be read, and what Python's own
            libraries raise counts as these do; a window that ends so has no figure.
        look_back_s: how far before a window readings have a part in its figure.
        longest_wait_s: how long the end of a window is waited for, at most.
        later_s: so long after a mark values are read again.
        longest_gap_s: times without a value of a device that are longer are remembered.
        gpus: what is known of the GPUs among the devices; by default their ids alone.
        visible: device id at each index as this process counts GPUs; by default ``gpus`` in their order.
    """

    quantity: Quantity

    def __init__(
        self,
        meter: str,
        sources: Sequence[Source],
        unseen: str,
        read: ReadValues,
        poll_s: float,
        *,
        look_back_s: float,
        longest_wait_s: float,
        later_s: float = 0.0,
        longest_gap_s: float = math.inf,
        gpus: Sequence[Gpu] | None = None,
        visible: Sequence[str | None] | None = None,
    ) -> None:
        self._unseen = unseen
        self._absent: str | None = None
        self._meter = meter
        self._devices = tuple(source.device for source in sources)
        self._read = read
        self._poll_s, self._look_back_s, self._longest_wait_s = poll_s, look_back_s, longest_wait_s
        self._series = {device.id: Recorder(device, self.quantity, meter) for device in self._devices}
        self._longest_gap_s = longest_gap_s
        self._latest_s: dict[str, float] = {device.id: -math.inf for device in self._devices}
        self._gaps_s: dict[str, list[tuple[float, float]]] = {device.id: [] for device in self._devices}
        self._lock = Lock()
        known = (device for device in self._devices if device.component == "gpu")
        self._gpus = tuple(Gpu(gpu.id, gpu.label) for gpu in known) if gpus is None else tuple(gpus)
        self._visible = visible
        self._counted = Counted()
        self._workload: Workload | None = None
        self._lost: CollectorError | None = None
        self.sample()
        if self._lost is not None:
            raise self._lost
        self._sampler = Sampler(self.sample, poll_s, meter)
        self._sampler.again_s = self._later_s = later_s

    def stop(self) -> None:
        """Read no more."""
        self._sampler.stop()

    def components(self) -> tuple[Component, ...]:
        """What the sources are of."""
        return tuple(dict.fromkeys(device.component for device in self._devices))

    def attach(self, workload: Workload) -> None:
        """Choose the GPUs that count, by the rule of all meters.

        Args:
            workload: whose energy counts.
        """
        self._absent = workload.elsewhere
        self._workload, self._counted = workload, Counted()
        self._choose()

    def counted_devices(self) -> frozenset[str] | None:
        """Ids of the GPUs that count; None while that is not known."""
        self._choose()
        return self._counted.known

    def _choose(self) -> None:
        """Again while it is unknown: a server may load its model with the first request."""
        if self._workload is not None and self._gpus and (self._counted.choice is None or self._counted.open):
            self._counted = counted(self._workload, self._gpus, self._visible)

    def sample(self) -> None:
        """Read all sources now."""
        with self._lock:
            before_s = time.perf_counter()
            try:
                values = self._read()
                self._refuse_impossible(values)
            except CollectorError as error:
                self._lost = error
                return
            except _OF_DEVICES as error:
                why = str(error) if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {error}"
                self._lost = CollectorError(
                    f"{self._meter} cannot be read: {why}", remedy="check that the device answers"
                )
                return
            self._lost = None
            after_s = time.perf_counter()
            for device_id, value in values.items():
                self._keep(device_id, before_s, after_s, value)

    def _refuse_impossible(self, values: Mapping[str, float]) -> None:
        for device_id, value in values.items():
            if device_id not in self._series:
                raise ValueError(f"{device_id!r} is none of the devices {list(self._series)}")
            if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{device_id} reports {value!r}, which is neither energy nor power")

    def _keep(self, device_id: str, before_s: float, after_s: float, value: float) -> None:
        earlier_s = self._latest_s[device_id]
        if math.isfinite(earlier_s) and before_s - earlier_s > self._longest_gap_s:
            self._gaps_s[device_id].append((earlier_s, before_s))
        self._series[device_id].add(before_s, after_s, value)
        self._latest_s[device_id] = before_s

    def keep_readings(self, times_s: Sequence[float]) -> None:
        """Leave the readings around these moments when older ones are thinned.

        Args:
            times_s: moments next to which every reading is kept, on the monotonic clock.
        """
        keep_at(self._series.values(), times_s)

    def mark(self) -> Mark:
        """One edge of a window; the sources are read right after it, by the thread."""
        mark = Mark(time.perf_counter())
        self._sampler.poke()
        return mark

    def measure(self, start: Mark, stop: Mark) -> Measurement:
        """The energy of every device between two marks; waits until late values have come.

        A component of which one device has no figure has none: a sum of the others would pass for the whole. A GPU
        that does not count is only missing itself.

        Args:
            start: one edge of the window.
            stop: the other.

        Raises:
            CollectorError: the sources cannot be read any more.
        """
        if self._absent is not None:
            return Measurement(start.time_s, stop.time_s, (), dict.fromkeys(shown(self.components()), self._absent))
        self._wait_for_the_end(stop)
        keep_around(self._series.values(), start, stop)
        if self._lost is not None:
            raise self._lost
        self._choose()
        reasons = {device: self._why_lost(device, start, stop) for device in self._devices}
        lost = {device: reason for device, reason in reasons.items() if reason is not None}
        absent: dict[Component, str] = {each: self._unseen for each in EXPECTED if each not in self.components()}
        absent |= {
            device.component: reason
            for device, reason in lost.items()
            if device.component != "gpu" or self._counted.has(device.id)
        }
        readings = tuple(
            self._reading(device, start, stop)
            for device in self._devices
            if device not in lost and device.component not in absent
        )
        measurement = Measurement(start.time_s, stop.time_s, readings, absent)
        return measurement if "gpu" in absent else chosen_gpus(measurement, self._counted)

    def _wait_for_the_end(self, stop: Mark) -> None:
        time.sleep(max(0.0, stop.time_s + self._later_s - time.perf_counter()))
        self.sample()
        give_up_s = time.perf_counter() + self._longest_wait_s
        while not all(self._settled(device, stop) for device in self._devices) and time.perf_counter() < give_up_s:
            time.sleep(min(self._poll_s, _WAIT_POLL_S))
            self.sample()

    def _since(self, device: Device, mark: Mark) -> Series:
        """The readings that have a part in what happens from a mark on."""
        return self._series[device.id].series(mark.time_s - self._look_back_s)

    def _counts(self, device: Device) -> bool:
        return device.component != "gpu" or self._counted.has(device.id)

    @abstractmethod
    def _settled(self, device: Device, stop: Mark) -> bool:
        """Whether all that happened until a mark has been read."""

    @abstractmethod
    def _why_lost(self, device: Device, start: Mark, stop: Mark) -> str | None:
        """Why a device has no figure for the window; None if it has."""

    @abstractmethod
    def _reading(self, device: Device, start: Mark, stop: Mark) -> Reading:
        """The energy of a device between two marks."""

    def samples(self) -> Samples:
        """All raw readings so far."""
        return Samples(tuple(series.series() for series in self._series.values()))

    def notes(self) -> tuple[str, ...]:
        """What became of old readings."""
        return thinning(self._series.values(), self._meter)


class PolledCollector:
    """What collectors of polled values have in common; entering one sets ``polled``."""

    polled: PolledSeries

    def components(self) -> tuple[Component, ...]:
        return self.polled.components()

    def attach(self, workload: Workload) -> None:
        self.polled.attach(workload)

    def counted_devices(self) -> frozenset[str] | None:
        return self.polled.counted_devices()

    def guard_s(self) -> float:
        return 0.0

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return 0.0

    def keep_readings(self, times_s: Sequence[float]) -> None:
        self.polled.keep_readings(times_s)

    def mark(self) -> Mark:
        return self.polled.mark()

    def read(self, start: Mark, stop: Mark) -> Measurement:
        return self.polled.measure(start, stop)

    def samples(self) -> Samples:
        return self.polled.samples()

    def notes(self) -> tuple[str, ...]:
        return self.polled.notes()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.polled.stop()
