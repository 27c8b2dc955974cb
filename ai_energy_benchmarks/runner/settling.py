"""The waits before measuring: until the speed has converged, the GPUs are warm, their power has settled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

from attrs import define

from ai_energy_benchmarks.analysis.steadiness import Change, Speed, change, speed, watched
from ai_energy_benchmarks.config.model import ThermalGateConfig, WarmupConfig
from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.metrics.base import MetricsCollector

# docs/measurement.md, "The order of a benchmark": power may change by 1 % in 10 s before a baseline, or within its
# length if that is shorter.
_SETTLED_WITHIN_S = 10.0
_SETTLED = 0.01
# A standard error of more than this share within that time: power so uneven is not at rest, whatever its slope is.
_UNEVEN = 0.05
_LOOK_EVERY_S = 1.0

Probe = Callable[[], Awaitable[Sequence[Outcome]]]


@define
class Settling:
    """Watches one benchmark's GPUs and its clock.

    Attributes:
        boards: device ids of the workload's GPUs; None for all.
    """

    collector: MetricsCollector
    clock: Clock
    boards: Collection[str] | None

    def watches(self) -> bool:
        """Whether a meter reports the power of a GPU at all."""
        return watched(self.collector.samples(), self.boards)

    async def rest(self, baseline: str, window_s: float, cap_s: float) -> Finding:
        """Wait until the idle power has settled.

        Args:
            baseline: name of the idle that follows.
            window_s: its length; no longer time is looked at.
        """
        begin_s, looked_s = self.clock.now_s(), min(window_s, _SETTLED_WITHIN_S)
        while True:
            await self.clock.sleep(min(looked_s, _LOOK_EVERY_S))
            now_s = self.clock.now_s()
            seen = self._change(now_s - looked_s, now_s) if now_s - begin_s >= looked_s else None
            message = f"before the {baseline}: after {now_s - begin_s:.0f} s at rest {_per_minute(seen)}"
            uneven = seen is not None and seen.power.error * looked_s / 60 > _UNEVEN
            if seen is not None and not uneven and seen.power.surely * looked_s / 60 <= _SETTLED:
                return Finding("PASS", "idle settled", message, "gpu")
            message += ", too uneven for power at rest" if uneven else ""
            if now_s - begin_s >= cap_s:
                return Finding("WARN", "idle settled", f"{message}; protocol.settle_cap_s is over", "gpu")

    async def gate(self, config: ThermalGateConfig, load: Probe) -> Finding:
        """Generate until temperature and power are steady."""
        begin_s = self.clock.now_s()
        while True:
            await load()
            now_s = self.clock.now_s()
            whole = now_s - begin_s >= config.window_s
            seen = self._change(now_s - config.window_s, now_s) if whole else None
            message = f"after {now_s - begin_s:.0f} s under load {_per_minute(seen)}"
            if seen is not None and _is_steady(seen, config):
                return Finding("PASS", "thermal gate", message, "gpu")
            if now_s - begin_s >= config.cap_s:
                return Finding("WARN", "thermal gate", f"{message}; protocol.thermal_gate.cap_s is over", "gpu")

    async def converge(self, config: WarmupConfig, probe: Probe) -> Finding:
        """Repeat the probe until its time per output token is steady."""
        per_token_s: list[float] = []
        seen: Speed | None = None
        while len(per_token_s) < config.max_requests:
            begin_s = self.clock.now_s()
            outcomes = await probe()
            tokens = sum(each.output_tokens for each in outcomes if isinstance(each, Completion))
            per_token_s.append((self.clock.now_s() - begin_s) / max(1, tokens))
            seen = speed(per_token_s[-config.last :]) if len(per_token_s) >= config.last else None
            if seen is not None and seen.cv <= config.cv and not seen.drifts:
                return Finding("PASS", "warm-up", _converged(per_token_s, config, seen))
        return Finding("WARN", "warm-up", f"not steady: {_converged(per_token_s, config, seen)}")

    def _change(self, begin_s: float, end_s: float) -> Change | None:
        return change(self.collector.samples(), self.boards, begin_s, end_s)


def _is_steady(seen: Change, config: ThermalGateConfig) -> bool:
    cool = seen.celsius is None or seen.celsius.surely <= config.max_celsius_per_minute
    return cool and seen.power.surely <= config.max_power_change_per_minute


def _per_minute(seen: Change | None) -> str:
    if seen is None:
        return "the change of the GPUs is not known yet"
    power = f"{seen.power.per_minute:+.1%} ± {seen.power.error:.1%}"
    if seen.celsius is None:
        return f"the power of the GPUs changes by {power} a minute (± standard error)"
    celsius = f"{seen.celsius.per_minute:+.2f} ± {seen.celsius.error:.2f} °C"
    return f"the power of the GPUs changes by {power} and their temperature by {celsius} a minute (± standard error)"


def _converged(per_token_s: Sequence[float], config: WarmupConfig, seen: Speed | None) -> str:
    if seen is None:
        return f"{len(per_token_s)} probes"
    trend = ", with a trend" if seen.drifts else ""
    return (
        f"after {len(per_token_s)} probes the last {config.last} took {per_token_s[-1] * 1e3:.3g} ms per output token, "
        f"CV {seen.cv:.1%}{trend}"
    )
