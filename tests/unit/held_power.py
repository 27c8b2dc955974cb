"""A power sensor on a virtual clock that looks at ticks, shows its value late, and holds it until the next tick."""

from __future__ import annotations

import random
from bisect import bisect_right
from itertools import accumulate

from attrs import frozen

from ai_energy_benchmarks.domain.power import Device, Series
from ai_energy_benchmarks.metrics.recording import Recorder

DEVICE = Device("gpu", "gpu")
IDLE_W, LOAD_W, LEVELS_W = 80.0, 600.0, (90.0, 250.0, 450.0, 700.0)
REST_S, POLL_S = 2.0, 0.01


@frozen
class Work:
    """Idle power, work from ``start_s`` to ``stop_s``, idle power again.

    Attributes:
        steps: (seconds, watts) from time 0 on.
    """

    steps: tuple[tuple[float, float], ...]
    start_s: float
    stop_s: float

    def power_w(self, time_s: float) -> float:
        """Power at a moment."""
        ends_s = list(accumulate(seconds for seconds, _ in self.steps))
        return self.steps[min(max(0, bisect_right(ends_s, time_s)), len(self.steps) - 1)][1]

    @property
    def energy_j(self) -> float:
        """The true energy of the work."""
        return sum(seconds * watts for seconds, watts in self.steps[1:-1])


def make_work(dice: random.Random, length_s: float, *, jumping: bool) -> Work:
    """Constant work, or a random telegraph of 60 ms on average."""
    lead_s, seconds = REST_S + dice.random(), length_s * dice.uniform(0.95, 1.05)
    steps, left_s = [(lead_s, IDLE_W)], seconds
    while left_s > 0:
        step_s = min(dice.expovariate(1 / 0.06) + 1e-4, left_s) if jumping else left_s
        steps.append((step_s, dice.choice(LEVELS_W) if jumping else LOAD_W))
        left_s -= step_s
    return Work((*steps, (REST_S, IDLE_W)), lead_s, lead_s + seconds)


def readings(dice: random.Random, work: Work, update_s: float, delay_s: float, *, noise_w: float = 0.0) -> Series:
    """What polling the sensor gives; updates jitter by 5 %, calls take some 50 µs and come some 100 µs late."""
    end_s, phase_s = work.stop_s + REST_S, dice.random() * update_s
    looks_s = [
        phase_s + (number - 2 + 0.05 * (dice.random() - 0.5)) * update_s for number in range(int(end_s / update_s) + 4)
    ]
    shown_w = [round(work.power_w(at_s) + noise_w * dice.uniform(-1, 1), 3) for at_s in looks_s]
    recorder, time_s = Recorder(DEVICE, "power_w", "test"), 0.0
    while time_s < end_s:
        after_s = time_s + 3e-5 + dice.expovariate(1 / 2e-5)
        look = max(0, bisect_right(looks_s, (time_s + after_s) / 2 - delay_s) - 1)
        recorder.add(time_s, after_s, shown_w[look])
        time_s = after_s + POLL_S + dice.expovariate(1 / 1e-4)
    return recorder.series()
