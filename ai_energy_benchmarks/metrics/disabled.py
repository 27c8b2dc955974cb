"""The meter of a run that asked for none: it keeps the time, and energy is absent."""

from __future__ import annotations

import time
from types import TracebackType
from typing import ClassVar

from attrs import frozen

from ai_energy_benchmarks.domain.components import EXPECTED, Component
from ai_energy_benchmarks.domain.power import Mark, Measurement, Samples, Workload
from ai_energy_benchmarks.metrics.base import CollectorSettings


@frozen
class DisabledOptions:
    """No options."""


class DisabledCollector:
    """Used for ``metrics.enabled: false``."""

    Options: ClassVar[type] = DisabledOptions

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> DisabledCollector:
        return cls()

    def __enter__(self) -> DisabledCollector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def components(self) -> tuple[Component, ...]:
        return ()

    def attach(self, workload: Workload) -> None: ...

    def counted_devices(self) -> frozenset[str] | None:
        return frozenset()

    def guard_s(self) -> float:
        return 0.0

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return 0.0

    def mark(self) -> Mark:
        return Mark(time.perf_counter())

    def read(self, start: Mark, stop: Mark) -> Measurement:
        reason = "metrics.enabled is false"
        return Measurement(start.time_s, stop.time_s, (), dict.fromkeys(EXPECTED, reason))

    def samples(self) -> Samples:
        return Samples()

    def notes(self) -> tuple[str, ...]:
        return ()
