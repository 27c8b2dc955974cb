"""Waiting until a server runs nothing, after the requests that kept its load up were cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from attrs import define

from ai_energy_benchmarks.analysis.windows import counted
from ai_energy_benchmarks.backends.base import Backend, ShowsLoad
from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.components import COMPONENTS, Component
from ai_energy_benchmarks.domain.power import Mark, Measurement
from ai_energy_benchmarks.domain.serving import ServerGauges
from ai_energy_benchmarks.domain.verdict import Finding, Level
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import MetricsCollector

CHECK = "server stopped"
_WORST_FIRST: tuple[Level, ...] = ("FAIL", "WARN", "INFO", "PASS")
# A server that runs nothing so soon has rested from the end of the window on: checks of the rest see the remainder.
AT_ONCE_S = 0.1
_LOOK_EVERY_S = 0.05
_WITNESS_EVERY_S = 1.0
# A server's own pages are renewed once a second or more often while it works.
_FROZEN_S = 2.0
# Power is flat when it changes by this share of its fall from the load, as at the edges of a window.
_FLAT = 0.05
# Flat power is that of a server at rest when so little of the step from idle to load is left; where no idle power was
# measured, when it has fallen to this share of the load.
_LEFT, _FALLEN = 0.10, 0.90
# Below this share of the load above idle, a meter cannot distinguish work from rest.
_TELLS = 0.05


@define
class Stopping:
    """Looks at the server by its gauge of running requests, or else at the power that the meters see.

    vLLM renews what it reports in its steps, and takes none once all requests have been cancelled: its gauge then goes
    on showing the last of them (vllm-project/vllm issues 22545 and 29928). A gauge that no longer changes therefore
    needs a second witness: the server's counter of output tokens stands still, or power is that of rest.

    Attributes:
        idle: what the meters saw of the resident idle; None if that was skipped.
        cap_s: how long it may take.
        gauge_moved: False if the gauge showed no request in the window either, so that it proves nothing.
    """

    backend: Backend
    collector: MetricsCollector
    clock: Clock
    cap_s: float
    idle: Measurement | None = None
    gauge_moved: bool = True

    async def wait(self, start: Mark, stop: Mark) -> Finding:
        """Return once the server runs nothing, or has gone on for ``cap_s``.

        Args:
            start, stop: marks of the window under load.

        Returns:
            PASS, FAIL if it went on, or WARN where neither a gauge nor a meter can tell.
        """
        begin_s = since_s = self.clock.now_s()
        gauges = await self._gauges()
        witness: _Power | _Counter | None = None
        sought = False
        while True:
            shown = None if gauges is None else (gauges.running_requests or 0.0) + (gauges.waiting_requests or 0.0)
            waited_s = self.clock.now_s() - begin_s
            if shown == 0:
                return _stopped(waited_s, "its gauge of running requests")
            if waited_s >= self.cap_s:
                showed = "power had not come to rest" if shown is None else f"its gauge still showed {shown:g} requests"
                return _went_on(f"{showed} after {self.cap_s:g} s")
            doubted = shown is None or self.clock.now_s() - since_s >= _FROZEN_S
            if doubted and not sought:
                witness, sought = self._witness(start, stop, counts=shown is not None), True
            if doubted and witness is not None:
                if await witness.rests(self.clock):
                    frozen = "" if shown is None else f", though its gauge goes on showing {shown:g} requests"
                    return _stopped(self.clock.now_s() - begin_s, f"{witness.NAME}{frozen}")
                if isinstance(witness, _Power) and witness.absent:
                    witness = None
            elif shown is None:
                message = "no gauge of running requests and no meter can show whether the server stopped"
                return Finding("WARN", CHECK, f"{message} after cancelling")
            else:
                await self.clock.sleep(_LOOK_EVERY_S)
            latest = await self._gauges()
            if latest != gauges:
                gauges, since_s = latest, self.clock.now_s()

    async def _gauges(self) -> ServerGauges | None:
        shown = self.gauge_moved and isinstance(self.backend, ShowsLoad)
        gauges = await self.backend.gauges() if shown and isinstance(self.backend, ShowsLoad) else None
        return None if gauges is None or gauges.running_requests is None else gauges

    def _witness(self, start: Mark, stop: Mark, *, counts: bool) -> _Power | _Counter | None:
        if counts and _output_tokens(self.backend) is not None:
            return _Counter(self.backend)
        load = _read(self.collector, start, stop)
        component = next((each for each in COMPONENTS if load and counted(load, (each,))), None)
        load_w, idle_w = _power_w(load, component), _power_w(self.idle, component)
        if load_w is None or (idle_w is not None and load_w - idle_w < _TELLS * load_w):
            return None
        return _Power(self.collector, component, load_w, idle_w)


@define
class _Counter:
    """The server's counter of output tokens, where its gauge no longer changes."""

    NAME: ClassVar[str] = "its counter of output tokens, which stands still"

    backend: Backend

    async def rests(self, clock: Clock) -> bool:
        before = _output_tokens(self.backend)
        await clock.sleep(_WITNESS_EVERY_S)
        return before is not None and _output_tokens(self.backend) == before


@define
class _Power:
    """Power that no longer changes and is near that of rest.

    Attributes:
        absent: whether the meter reported none at the last look: it had power under load and has no more.
    """

    NAME: ClassVar[str] = "flat power"

    collector: MetricsCollector
    component: Component | None
    load_w: float
    idle_w: float | None
    absent: bool = False
    _before_w: float | None = None

    async def rests(self, clock: Clock) -> bool:
        mark = self.collector.mark()
        await clock.sleep(_WITNESS_EVERY_S)
        now_w = _power_w(_read(self.collector, mark, self.collector.mark()), self.component)
        before_w, self._before_w, self.absent = self._before_w, now_w, now_w is None
        return now_w is not None and before_w is not None and _rests(now_w, before_w, self.load_w, self.idle_w)


def _output_tokens(backend: Backend) -> int | None:
    counters = backend.counters()
    return None if counters is None else counters.output_tokens


def _read(collector: MetricsCollector, start: Mark, stop: Mark) -> Measurement | None:
    try:
        return collector.read(start, stop)
    except CollectorError:
        return None


def worst_of(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The worst finding of all trials, as one line; none if there is none."""
    return (min(findings, key=lambda each: _WORST_FIRST.index(each.level)),) if findings else ()


def _stopped(after_s: float, means: str) -> Finding:
    return Finding("PASS", CHECK, f"the server ran nothing {after_s:.1f} s after cancelling, by {means}")


def _went_on(why: str) -> Finding:
    return Finding("FAIL", CHECK, f"the server went on after cancelling: {why}")


def _power_w(measurement: Measurement | None, component: Component | None) -> float | None:
    if measurement is None or component is None or measurement.duration_s <= 0:
        return None
    readings = counted(measurement, (component,))
    return sum(each.energy_j for each in readings) / measurement.duration_s if readings else None


def _rests(now_w: float, before_w: float, load_w: float, idle_w: float | None) -> bool:
    flat = abs(now_w - before_w) <= _FLAT * max(0.0, load_w - now_w)
    if idle_w is None:
        return flat and now_w <= _FALLEN * load_w
    return flat and now_w - idle_w <= _LEFT * (load_w - idle_w)
