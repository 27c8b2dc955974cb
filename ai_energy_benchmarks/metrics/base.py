"""The contract of every meter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, runtime_checkable

from attrs import frozen

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Mark, Measurement, Samples, Workload
from ai_energy_benchmarks.errors import CollectorError

# The fix where no meter of a config works.
DOCTOR = "`ai-energy-benchmark doctor` shows which meters work here"


@frozen
class CollectorSettings:
    """What every collector is built from.

    Attributes:
        project_name: for meters that keep records of their own.
        region: for meters that compute carbon themselves.
        options: the collector's own frozen options class, already structured.
        output_dir: where a meter that writes files of its own puts them.
        environment: what this machine is; a modelled meter finds its rated power by it.
        hidden_gpus: read GPUs too that ``CUDA_VISIBLE_DEVICES`` hides from this process; a server that runs already may
            use them.
        country_iso_code: three letters, for meters that compute carbon themselves.
    """

    options: object
    environment: Environment
    project_name: str = "ai_energy_benchmarks"
    output_dir: Path = Path("emissions")
    country_iso_code: str | None = None
    region: str | None = None
    hidden_gpus: bool = False


@runtime_checkable
class MetricsCollector(Protocol):
    """A meter.

    Constructing one does nothing. ``with collector:`` opens the device and starts reading it, and
    raises ``CollectorError`` with the reason if it cannot; leaving stops and closes.
    """

    Options: ClassVar[type]

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> MetricsCollector:
        """A collector of these settings; nothing is opened or loaded yet."""
        ...

    def __enter__(self) -> MetricsCollector: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def components(self) -> tuple[Component, ...]:
        """What this meter can see; only while entered."""
        ...

    def attach(self, workload: Workload) -> None:
        """Say whose energy counts from now on. Until then every device counts."""
        ...

    def counted_devices(self) -> frozenset[str] | None:
        """Ids of the GPUs whose energy counts, as far as is known now; None while that is not known."""
        ...

    def guard_s(self) -> float:
        """How long the workload should rest on each side of a window, for the best estimate of its edges."""
        ...

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        """How much longer the workload should rest, because what was seen of its rest is not flat yet.

        Args:
            start: begin of the window that ``stop`` ends; None before a window.
            stop: since when the workload rests; its ``quiet_s`` says for how long.

        Returns:
            Seconds; 0 once it is enough, or nothing more is to be gained.
        """
        ...

    def mark(self) -> Mark:
        """Take one edge of a window; at most 20 µs."""
        ...

    def read(self, start: Mark, stop: Mark) -> Measurement:
        """The energy between two marks; may wait for the meter's next tick.

        Raises:
            CollectorError: the meter was lost, so that no device has a figure.
        """
        ...

    def samples(self) -> Samples:
        """All raw readings so far."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Sentences on what was picked and why; for the report."""
        ...


@runtime_checkable
class KeepsReadings(Protocol):
    """A meter that thins its oldest readings in a long run, and can be asked to leave some as they are."""

    def keep_readings(self, times_s: Sequence[float]) -> None:
        """Leave the raw readings around these moments, so that a figure made of them can be made again."""
        ...


@runtime_checkable
class KnowsLimits(Protocol):
    """A meter that may see less here than it can elsewhere; ``doctor`` shows what it lacks."""

    def limits(self) -> tuple[str, ...]:
        """What it does not see here, or sees in a worse way, each with the reason; only while entered."""
        ...


@runtime_checkable
class NeedsSetting(Protocol):
    """A meter with a setting that it cannot do without and that has no default; ``doctor`` says so."""

    def setting_needed(self) -> CollectorError | None:
        """The error with which entering ends for want of it; None if it is set."""
        ...


def keep_readings(collector: MetricsCollector, times_s: Sequence[float]) -> None:
    """Have a meter keep its readings around some moments, if it ever thins them."""
    if isinstance(collector, KeepsReadings):
        collector.keep_readings(times_s)
