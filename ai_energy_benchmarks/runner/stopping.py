"""Waiting until a server runs nothing, after the requests that kept its load up were cancelled."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from ai_energy_benchmarks.analysis.windows import COMPONENTS, counted
from ai_energy_benchmarks.backends.base import Backend, ShowsLoad
from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.power import Component, Mark, Measurement
from ai_energy_benchmarks.domain.verdict import Finding, Level
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import MetricsCollector

CHECK = "server stopped"
_WORST_FIRST: tuple[Level, ...] = ("FAIL", "WARN", "INFO", "PASS")
# A server that runs nothing so soon has rested from the end of the window on: checks of the rest see the remainder.
AT_ONCE_S = 0.1
_LOOK_EVERY_S = 0.05
_POWER_EVERY_S = 1.0
# Power is flat when it changes by this share of its fall from the load, as at the edges of a window.
_FLAT = 0.05
# Flat power is that of a server at rest when so little of the step from idle to load is left; where no idle power was
# measured, when it has fallen to this share of the load.
_LEFT, _FALLEN = 0.10, 0.90
# Below this share of the load above idle, a meter cannot tell work from rest.
_TELLS = 0.05


@define
class Stopping:
    """Looks at the server by its gauge of running requests, or else at the power that the meters see.

    Attributes:
        idle: what the meters saw of the resident idle; None if that was skipped.
        cap_s: how long it may take.
    """

    backend: Backend
    collector: MetricsCollector
    clock: Clock
    cap_s: float
    idle: Measurement | None = None

    async def wait(self, start: Mark, stop: Mark) -> Finding:
        """Return once the server runs nothing, or has gone on for ``cap_s``.

        Args:
            start, stop: marks of the window under load.

        Returns:
            PASS, FAIL if it went on, or WARN where neither a gauge nor a meter can tell.
        """
        begin_s = self.clock.now_s()
        last: float | None = None
        while isinstance(self.backend, ShowsLoad):
            gauges = await self.backend.gauges()
            if gauges is None or gauges.running_requests is None:
                break
            last = gauges.running_requests + (gauges.waiting_requests or 0.0)
            if not last:
                return _stopped(self.clock.now_s() - begin_s, "its gauge of running requests")
            if self.clock.now_s() - begin_s >= self.cap_s:
                return _went_on(f"its gauge still showed {last:g} requests after {self.cap_s:g} s")
            await self.clock.sleep(_LOOK_EVERY_S)
        return await self._by_power(begin_s, start, stop)

    async def _by_power(self, begin_s: float, start: Mark, stop: Mark) -> Finding:
        load = self._read(start, stop)
        component = next((each for each in COMPONENTS if load and counted(load, (each,))), None)
        load_w, idle_w = _power_w(load, component), _power_w(self.idle, component)
        if load_w is None or (idle_w is not None and load_w - idle_w < _TELLS * load_w):
            message = "no gauge of running requests and no meter can tell whether the server stopped after cancelling"
            return Finding("WARN", CHECK, message)
        before_w: float | None = None
        while self.clock.now_s() - begin_s < self.cap_s:
            mark = self.collector.mark()
            await self.clock.sleep(_POWER_EVERY_S)
            now_w = _power_w(self._read(mark, self.collector.mark()), component)
            if now_w is not None and before_w is not None and _rests(now_w, before_w, load_w, idle_w):
                return _stopped(self.clock.now_s() - begin_s, "flat power")
            before_w = now_w
        return _went_on(f"power had not come to rest after {self.cap_s:g} s")

    def _read(self, start: Mark, stop: Mark) -> Measurement | None:
        try:
            return self.collector.read(start, stop)
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
