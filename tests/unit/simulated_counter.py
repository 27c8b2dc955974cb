"""A counter on a virtual clock: ticks with jitter, a delay, a sensor that lags, and readings that take time."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from itertools import accumulate

from attrs import define, field

from ai_energy_benchmarks.domain.power import Device, Series
from ai_energy_benchmarks.metrics.nvml.cadence import Cadence
from ai_energy_benchmarks.metrics.recording import Recorder

Trace = list[tuple[float, float]]
IDLE_W = 80.0
# An exponential fall is made of so many steps in each time constant, and over after so many time constants.
_STEPS, _CONSTANTS = 8, 9


def exponential(step_w: float, fall_s: float) -> Trace:
    """Power above idle that falls by the factor e in every ``fall_s``; its energy is step times constant."""
    if not fall_s:
        return []
    kept = math.exp(-1 / _STEPS)
    mean = _STEPS * (1 - kept)
    return [(fall_s / _STEPS, IDLE_W + step_w * mean * kept**number) for number in range(_STEPS * _CONSTANTS)]


def stepped(step_w: float, length_s: float) -> Trace:
    """Power above idle that falls in stages, as an RTX 3090 does."""
    return [(length_s / 3, IDLE_W + step_w * share) for share in (0.7, 0.4, 0.15)]


def plus(first: Trace, second: Trace) -> Trace:
    """The sum of what two traces draw above idle; what is over draws nothing above it."""
    ends_s = sorted({*accumulate(seconds for seconds, _ in first), *accumulate(seconds for seconds, _ in second)})
    begins_s = [0.0, *ends_s[:-1]]
    middles_s = [(begin + end) / 2 for begin, end in zip(begins_s, ends_s, strict=True)]
    return [
        (end - begin, _watts(first, middle) + _watts(second, middle) - IDLE_W)
        for begin, end, middle in zip(begins_s, ends_s, middles_s, strict=True)
    ]


def _watts(trace: Trace, time_s: float) -> float:
    for seconds, watts in trace:
        if time_s < seconds:
            return watts
        time_s -= seconds
    return IDLE_W


@define
class Counter:
    """Counts what ``trace`` draws from time 0 on; before and after it, ``IDLE_W``.

    Attributes:
        lag_s: time constant of the sensor's first-order lag.
    """

    dice: random.Random
    trace: Trace
    tick_s: float
    delay_s: float
    length_s: float
    jitter: float = 0.05
    lag_s: float = 0.0
    visible_s: list[float] = field(init=False)
    _sampled_s: list[float] = field(init=False)
    _values_j: dict[int, float] = field(init=False, factory=dict)
    _ends_s: list[float] = field(init=False)
    _sums_j: list[float] = field(init=False)
    _seen_w: list[float] = field(init=False)

    def __attrs_post_init__(self) -> None:
        phase_s = self.dice.random() * self.tick_s
        count = int(self.length_s / self.tick_s) + 8
        self._sampled_s = [
            phase_s + (k - 4 + self.jitter * (self.dice.random() - 0.5)) * self.tick_s for k in range(count)
        ]
        self.visible_s = [at_s + self.delay_s for at_s in self._sampled_s]
        self._prepare()

    def _prepare(self) -> None:
        """Ends and sums of all steps, and what a sensor that lags sees at their begins."""
        self._ends_s = list(accumulate(seconds for seconds, _ in self.trace))
        self._sums_j = [0.0, *accumulate(seconds * watts for seconds, watts in self.trace)]
        self._seen_w = [IDLE_W]
        for seconds, watts in self.trace if self.lag_s else ():
            self._seen_w.append(watts + (self._seen_w[-1] - watts) * math.exp(-seconds / self.lag_s))

    def work_at(self, time_s: float, work: Trace) -> None:
        """From a time on that no reading has reached yet, draw this."""
        before: Trace = []
        for seconds, watts in [*self.trace, (time_s, IDLE_W)]:
            left_s = time_s - sum(each_s for each_s, _ in before)
            before.append((min(seconds, left_s), watts))
            if seconds >= left_s:
                break
        self.trace = [*before, *work]
        self._prepare()

    def energy_j(self, time_s: float) -> float:
        """What was drawn from 0 until ``time_s``."""
        return self._sums_j[self._step(time_s)] + self._within_s(time_s) * self._now_w(time_s)

    def counted_j(self, time_s: float) -> float:
        """What the sensor has seen of it: less by its lag times the power that it does not show yet."""
        if not self.lag_s or time_s < 0:
            return self.energy_j(time_s)
        now_w = self._now_w(time_s)
        seen_w = now_w + (self._seen_w[self._step(time_s)] - now_w) * math.exp(-self._within_s(time_s) / self.lag_s)
        return self.energy_j(time_s) - self.lag_s * (seen_w - IDLE_W)

    def _step(self, time_s: float) -> int:
        return bisect_right(self._ends_s, time_s) if time_s >= 0 else 0

    def _within_s(self, time_s: float) -> float:
        step = self._step(time_s)
        return time_s - (self._ends_s[step - 1] if step else 0.0)

    def _now_w(self, time_s: float) -> float:
        return self.trace[self._step(time_s)][1] if 0 <= time_s < self._ends_s[-1] else IDLE_W

    def shown_j(self, time_s: float) -> float:
        row = max(0, bisect_right(self.visible_s, time_s) - 1)
        if row not in self._values_j:
            self._values_j[row] = int((1e6 + self.counted_j(self._sampled_s[row])) * 1000) / 1000
        return self._values_j[row]


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
