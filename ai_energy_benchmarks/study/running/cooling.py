"""The thermal gate between cells: rest until the GPUs are as cool as before the first one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from attrs import define, field

from ai_energy_benchmarks.study.plan.design import CoolingConfig
from ai_energy_benchmarks.study.running.stopping import StopRequests

_LOOK_S = 2.0
Temperatures = Callable[[], Mapping[str, float]]


@define
class Cooling:
    """Looks at the temperatures between cells, never while one runs.

    Attributes:
        temperatures: GPU → °C now; empty where none can be read.
    """

    config: CoolingConfig
    temperatures: Temperatures
    now_s: Callable[[], float] = time.monotonic
    _before_celsius: Mapping[str, float] = field(factory=dict)

    def remember(self) -> None:
        """Before the first cell."""
        self._before_celsius = self.temperatures()

    def wait(self, stop: StopRequests) -> str:
        """Rest until the GPUs are cool enough; what the manifest says of it."""
        if not self._before_celsius:
            return "skipped: no GPU temperature can be read"
        begun_s = self.now_s()
        while (excess_celsius := self._excess_celsius()) > self.config.within_celsius and not stop.finish:
            if self.now_s() - begun_s >= self.config.cap_s:
                return f"capped after {self.config.cap_s:g} s, {excess_celsius:.1f} °C warmer than at first"
            stop.wait(_LOOK_S)
        return f"open after {self.now_s() - begun_s:.0f} s, {excess_celsius:.1f} °C warmer than at first"

    def _excess_celsius(self) -> float:
        now = self.temperatures()
        pairs = [(now[name], celsius) for name, celsius in self._before_celsius.items() if name in now]
        return max((hot - cool for hot, cool in pairs), default=0.0)
