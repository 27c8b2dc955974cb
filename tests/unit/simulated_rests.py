"""A GPU that takes time to calm down, measured between rests on a virtual clock by the collector's own code."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

from attrs import define, evolve, field, frozen

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY, Delay
from ai_energy_benchmarks.domain.power import Device, Mark, Reading, Series
from ai_energy_benchmarks.metrics.nvml.board import WatchedBoard
from ai_energy_benchmarks.metrics.nvml.cadence import Cadence
from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard
from tests.unit.simulated_counter import IDLE_W, Counter, Trace, exponential, plus, stepped

LEVELS_W = (90.0, 250.0, 450.0, 700.0)
_POLL_S = 0.01
_LEAD_S, _WARM_S = 1.2, 1.0


@frozen
class Gpu:
    """How a GPU and its counter behave around work.

    Attributes:
        fall_s: time constant of the fall of power after work.
        stages_s: length of a fall in three stages.
        raised: power above idle that remains after work, over the step, for ``raised_s``; with ``fading`` it falls
            exponentially instead.
        delay_s: least and greatest time from sampling to publication; each GPU has one of its own.
        lag_s: time constant of its sensor.
    """

    name: str
    fall_s: float = 0.0
    stages_s: float = 0.0
    raised: float = 0.0
    raised_s: float = 0.0
    fading: bool = False
    delay_s: tuple[float, float] = (0.0, 0.05)
    lag_s: float = 0.0

    def after(self, step_w: float) -> Trace:
        """What it draws after work that drew ``step_w`` above idle."""
        raised_w = self.raised * step_w
        fall = (
            stepped(step_w - raised_w, self.stages_s) if self.stages_s else exponential(step_w - raised_w, self.fall_s)
        )
        kept = exponential(raised_w, self.raised_s) if self.fading else [(self.raised_s, IDLE_W + raised_w)]
        return plus(fall, kept) if raised_w else fall


def jumping(dice: random.Random, length_s: float) -> Trace:
    """Work that jumps between levels every 60 ms on average."""
    trace: Trace = []
    while (left_s := length_s - sum(seconds for seconds, _ in trace)) > 1e-9:
        trace.append((min(dice.expovariate(1 / 0.06) + 1e-4, left_s), dice.choice(LEVELS_W)))
    return trace


def even(dice: random.Random, length_s: float) -> Trace:
    """Work of the same power throughout."""
    return [(length_s, dice.uniform(200.0, 700.0))]


@frozen
class Measured:
    """A window as the meter reported it, and what the card drew in it."""

    reading: Reading
    truth_j: float
    tail_j: float
    rested_s: tuple[float, float]
    tick_bounds_j: tuple[float, float]
    series: Series


@define
class Reader:
    """The collector's thread on a virtual clock: calls of some 50 µs, and some 100 µs late."""

    counter: Counter
    board: WatchedBoard
    time_s: float = 0.0
    _previous_s: float = 0.0
    _value_j: float = float("nan")
    _cadence: Cadence = field(factory=lambda: Cadence(_POLL_S, 0.0))

    def read_until(self, until_s: float) -> None:
        dice, cadence = self.counter.dice, self._cadence
        while self.time_s < until_s:
            before_s = self.time_s
            after_s = before_s + 3e-5 + dice.expovariate(1 / 2e-5)
            value_j = self.counter.shown_j((before_s + after_s) / 2)
            self.board.reading("energy_j", before_s, after_s, value_j)
            changed = value_j != self._value_j and before_s > 0
            known = cadence.tick_s is not None
            due_s = cadence.seen(self._previous_s if changed else before_s, after_s, changed)
            if cadence.tick_s is not None and not known:
                self.board.tick(cadence.tick_s)
            self._previous_s, self._value_j = before_s, value_j
            self.time_s = max(due_s, after_s) + dice.expovariate(1 / 1e-4)


def watched(delay: Delay) -> WatchedBoard:
    """The collector's own object for a GPU that has an energy counter and nothing else."""
    gpu = SimpleNamespace(
        device=Device("gpu", "GPU-0"),
        counter_problem=None,
        power_problem="none is simulated",
        power_average_s=0.0,
        supported_reasons=None,
        power_limit_w=700.0,
        gauges=(),
    )
    return WatchedBoard(cast("NvmlBoard", gpu), delay, None)


def measure(
    dice: random.Random,
    gpu: Gpu,
    tick_s: float,
    length_s: float,
    *,
    work: Callable[[random.Random, float], Trace] = even,
    known_within_s: float | None = None,
) -> Measured:
    """One window of a run: warm-up, rest, work, rest; both rests as long as the meter needs them.

    Args:
        known_within_s: the delay is known to so much on both sides; else it is taken for at most 55 ms.
    """
    delay_s, seconds = dice.uniform(*gpu.delay_s), length_s * dice.uniform(0.95, 1.05)
    delay = UNKNOWN_DELAY
    if known_within_s is not None:
        delay = Delay(max(0.0, delay_s - known_within_s), delay_s + known_within_s)
    lead_s = _LEAD_S + dice.random() * tick_s
    warm = work(dice, _WARM_S)
    trace = [(lead_s, IDLE_W), *warm, *gpu.after(warm[-1][1] - IDLE_W)]
    counter = Counter(dice, trace, tick_s, delay_s, seconds + lead_s + 14.0, lag_s=gpu.lag_s)
    board = watched(delay)
    reader = Reader(counter, board)
    begin_s = lead_s + _WARM_S
    reader.read_until(begin_s)
    start_s = begin_s + rest(reader, None, Mark(begin_s))
    start, stop = Mark(start_s, start_s - begin_s), Mark(start_s + seconds)
    inside = work(dice, seconds)
    tail = gpu.after(inside[-1][1] - IDLE_W)
    counter.work_at(start_s, [*inside, *tail])
    stop = evolve(stop, quiet_s=rest(reader, start, stop))
    reader.read_until(stop.time_s + stop.quiet_s + 0.1)
    while not board.settled(start, stop):
        reader.read_until(reader.time_s + tick_s)
    reading = board.measure(start, stop, counted=True).reading
    assert reading is not None
    (series,) = (each for each in board.series() if each.quantity == "energy_j")
    low_j, _, high_j = edges.rise(*(edges.latched(series, at_s, delay, 1400.0) for at_s in (start_s, stop.time_s)))
    return Measured(
        reading,
        counter.energy_j(stop.time_s) - counter.energy_j(start_s),
        sum(each_s * (watts - IDLE_W) for each_s, watts in tail),
        (start.quiet_s, stop.quiet_s),
        (low_j, high_j),
        series,
    )


def rest(reader: Reader, start: Mark | None, begin: Mark) -> float:
    """Rest as long as the meter needs it, as the runner does."""
    rested_s = reader.board.guard_s
    reader.read_until(begin.time_s + rested_s)
    while (more_s := reader.board.further_rest_s(start, evolve(begin, quiet_s=rested_s))) > 0:
        rested_s += more_s
        reader.read_until(begin.time_s + rested_s)
    return rested_s
