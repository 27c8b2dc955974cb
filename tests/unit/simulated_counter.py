"""A counter on a virtual clock: ticks with jitter, a delay, and readings that take time."""

from __future__ import annotations

import random
from bisect import bisect_right
from itertools import accumulate

from attrs import define, field

from ai_energy_benchmarks.domain.power import Device, Series
from ai_energy_benchmarks.metrics.cadence import Cadence
from ai_energy_benchmarks.metrics.recording import Recorder

Trace = list[tuple[float, float]]
IDLE_W = 80.0


@define
class Counter:
    """Counts what ``trace`` draws from time 0 on; before and after it, ``IDLE_W``."""

    dice: random.Random
    trace: Trace
    tick_s: float
    delay_s: float
    length_s: float
    jitter: float = 0.05
    visible_s: list[float] = field(init=False)
    values_j: list[float] = field(init=False)

    def __attrs_post_init__(self) -> None:
        phase_s = self.dice.random() * self.tick_s
        count = int(self.length_s / self.tick_s) + 8
        sampled_s = [phase_s + (k - 4 + self.jitter * (self.dice.random() - 0.5)) * self.tick_s for k in range(count)]
        self.visible_s = [at_s + self.delay_s for at_s in sampled_s]
        self.values_j = [int((1e6 + self.energy_j(at_s)) * 1000) / 1000 for at_s in sampled_s]

    def energy_j(self, time_s: float) -> float:
        """The true energy from 0 until ``time_s``."""
        ends_s = list(accumulate(seconds for seconds, _ in self.trace))
        sums_j = [0.0, *accumulate(seconds * watts for seconds, watts in self.trace)]
        step = bisect_right(ends_s, time_s) if time_s >= 0 else 0
        begin_s = ends_s[step - 1] if step else 0.0
        watts = self.trace[step][1] if 0 <= time_s < ends_s[-1] else IDLE_W
        return sums_j[step] + (time_s - begin_s) * watts

    def shown_j(self, time_s: float) -> float:
        return self.values_j[max(0, bisect_right(self.visible_s, time_s) - 1)]


@define
class Readings:
    """What a meter saw that followed a cadence, and how hard it worked for it."""

    series: Series
    polls: int
    tick_s: float | None


def read(counter: Counter, until_s: float, poll_s: float = 0.01) -> Readings:
    """Read the counter as the collector does, with calls of some 50 µs and a thread that wakes some 100 µs late."""
    dice = counter.dice
    recorder = Recorder(Device("gpu", "board"), "energy_j", "test")
    cadence = Cadence(poll_s, 0.0)
    time_s, previous_s, polls = 0.0, 0.0, 0
    while time_s < until_s:
        after_s = time_s + 3e-5 + dice.expovariate(1 / 2e-5)
        changed = recorder.add(time_s, after_s, counter.shown_j((time_s + after_s) / 2))
        due_s = cadence.seen(previous_s if changed else time_s, after_s, changed)
        previous_s, polls = time_s, polls + 1
        time_s = max(due_s, after_s) + dice.expovariate(1 / 1e-4)
    return Readings(recorder.series(), polls, cadence.tick_s)
