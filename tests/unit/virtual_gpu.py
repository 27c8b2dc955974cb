"""A GPU on a virtual clock: what it draws, how warm it gets, and what its driver shows of that, and when."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from itertools import pairwise

from attrs import define, field, frozen

COLD_CELSIUS = 35.0
# Virtual time lies far before the machine's own, so that no member ever waits for it in real time.
START_S = -1e5
BEGIN_S = START_S - 1e3

# The A100 PCIe of the recordings that the design's hardware data hold, after 6 s of work (share of the step from rest
# to work, by an external power meter): Z. Yang, GPU_Power_Benchmark, MIT licence, doi 10.5281/zenodo.13313030.
_A100 = (
    *((0.0, 1.0), (0.003, 0.87), (0.010, 0.85), (0.012, 0.60), (0.023, 0.52), (0.025, 0.17), (0.030, 0.06)),
    *((0.050, 0.033), (0.100, 0.022), (0.300, 0.018), (1.0, 0.013), (2.0, 0.010), (3.0, 0.003), (4.5, 0.0)),
)


@frozen
class Fall:
    """How power falls after work: shares of the step from rest to work, with straight lines between.

    Attributes:
        knots: seconds after the end of the work, and share; the last share is 0.
    """

    knots: tuple[tuple[float, float], ...] = _A100

    @classmethod
    def exponential(cls, time_constant_s: float) -> Fall:
        steps = [i / 10 * time_constant_s for i in range(120)]
        return cls((*((at_s, math.exp(-at_s / time_constant_s)) for at_s in steps), (12 * time_constant_s, 0.0)))

    def share(self, after_s: float) -> float:
        for (begin_s, begin), (end_s, end) in pairwise(self.knots):
            if after_s < end_s:
                return begin + (end - begin) * (after_s - begin_s) / (end_s - begin_s)
        return 0.0

    def integral_s(self, after_s: float) -> float:
        """Integral of the share from the end of the work on."""
        total_s = 0.0
        for (begin_s, begin), (end_s, end) in pairwise(self.knots):
            if after_s <= begin_s:
                break
            until_s = min(after_s, end_s)
            at_until = begin + (end - begin) * (until_s - begin_s) / (end_s - begin_s)
            total_s += (until_s - begin_s) * (begin + at_until) / 2
        return total_s


@frozen
class Kind:
    """What the GPU and its driver are like.

    Attributes:
        idle_w: at rest when cold; ``leak_w_per_celsius`` adds to it when warm.
        work_w: under load, which is its power limit.
        growth_per_minute: by how much that grows in a minute under load, as a share of it: 0 at a power limit.
        warm_celsius: temperature that it comes to under load.
        warming_s: with which time constant.
        tick_s: time between two values of the energy counter.
        delay_s: from a value's time to its publication.
        noise: relative standard deviation of single power readings.
        scatter: the same of the power under load from one stretch of work to the next.
        seed: of what is random.
        throttle_reasons: bits shown under load; 0x04 is the power limit.
    """

    idle_w: float = 70.0
    work_w: float = 700.0
    growth_per_minute: float = 0.0
    leak_w_per_celsius: float = 0.3
    warm_celsius: float = 68.0
    warming_s: float = 45.0
    fall: Fall = Fall()
    tick_s: float = 0.1
    delay_s: float = 0.03
    noise: float = 0.02
    scatter: float = 0.0
    seed: int = 1
    throttle_reasons: int = 0x04


@frozen
class _Phase:
    """From one change of the work to the next: state at its begin, and the strength of the work."""

    begin_s: float
    works: bool
    energy_j: float
    celsius: float
    power_w: float
    strength: float = 1.0
    worked_s: float = 0.0


@define
class Gpu:
    """Follows the work in order of time; before the first it rests, cold."""

    kind: Kind = field(factory=Kind)
    _phases: list[_Phase] = field(init=False)
    _dice: random.Random = field(init=False)

    @_dice.default
    def _seeded(self) -> random.Random:
        return random.Random(self.kind.seed)

    @_phases.default
    def _rests(self) -> list[_Phase]:
        return [_Phase(BEGIN_S, False, 0.0, COLD_CELSIUS, self.kind.idle_w)]

    def works(self, at_s: float, working: bool) -> None:
        """Take note that work begins or ends."""
        if self._phases[-1].works != working:
            state = self.energy_j(at_s), self.celsius(at_s), self.power_w(at_s)
            strength = 1 + self._dice.gauss(0, self.kind.scatter) if working else 1.0
            self._phases.append(_Phase(at_s, working, *state, strength, self.worked_s(at_s)))

    def _at(self, time_s: float) -> tuple[_Phase, float]:
        phase = self._phases[max(0, bisect_right(self._phases, time_s, key=lambda each: each.begin_s) - 1)]
        return phase, time_s - phase.begin_s

    def celsius(self, time_s: float) -> float:
        phase, since_s = self._at(time_s)
        target = self.kind.warm_celsius if phase.works else COLD_CELSIUS
        return target + (phase.celsius - target) * math.exp(-since_s / self.kind.warming_s)

    def power_w(self, time_s: float) -> float:
        phase, since_s = self._at(time_s)
        kind = self.kind
        if phase.works:
            return kind.work_w * phase.strength * (1 + kind.growth_per_minute * (time_s - START_S) / 60)
        warm_w = kind.leak_w_per_celsius * (self.celsius(time_s) - COLD_CELSIUS)
        return kind.idle_w + warm_w + self._step_w(phase) * kind.fall.share(since_s)

    def _step_w(self, phase: _Phase) -> float:
        return phase.power_w - self.kind.idle_w - self.kind.leak_w_per_celsius * (phase.celsius - COLD_CELSIUS)

    def energy_j(self, time_s: float) -> float:
        """All that it has drawn."""
        phase, since_s = self._at(time_s)
        kind = self.kind
        if phase.works:
            grown_s = kind.growth_per_minute / 60 * (phase.begin_s - START_S + since_s / 2) * since_s
            return phase.energy_j + kind.work_w * phase.strength * (since_s + grown_s)
        warm_w = kind.leak_w_per_celsius * (phase.celsius - COLD_CELSIUS)
        faded_s = kind.warming_s * (1 - math.exp(-since_s / kind.warming_s))
        rest_j = kind.idle_w * since_s + warm_w * faded_s
        return phase.energy_j + rest_j + self._step_w(phase) * kind.fall.integral_s(since_s)

    def worked_s(self, time_s: float) -> float:
        """How long it has worked."""
        phase, since_s = self._at(time_s)
        return phase.worked_s + since_s * phase.works

    def is_working(self, time_s: float) -> bool:
        return self._at(time_s)[0].works

    def shown_j(self, time_s: float) -> float:
        """What the driver's counter reads: whole mJ at its last tick that was published."""
        tick = math.floor((time_s - self.kind.delay_s) / self.kind.tick_s)
        while self._tick_s(tick) + self.kind.delay_s > time_s:
            tick -= 1
        return int(1000 * (1e6 + self.energy_j(self._tick_s(tick)))) / 1000

    def _tick_s(self, number: int) -> float:
        """Ticks come with 5 % of jitter, the same whoever asks."""
        jitter = (math.sin(number * 12.9898) * 43758.5453) % 1 - 0.5
        return (number + 0.37 + 0.05 * jitter) * self.kind.tick_s
