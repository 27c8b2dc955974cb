"""Windows by the thousand on a virtual clock: how near estimates come, and whether bounds hold the truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, product, repeat
from statistics import fmean

import metering_parts  # noqa: F401 - makes the tests' simulated counter importable
from attrs import frozen
from ratios import Row

from ai_energy_benchmarks.domain import edges
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY, Delay
from ai_energy_benchmarks.domain.power import Recipe
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.domain.statistics import percentile
from ai_energy_benchmarks.metrics.nvml.board import RestLimits
from tests.unit.simulated_counter import IDLE_W, Counter, Readings, Trace, read

CEILING_W = 1400.0
LEVELS_W = (90.0, 250.0, 450.0, 700.0)
LEAD_S, GUARD_S, AFTER_S = 2.3, 0.7, 1.0
LIMITS = RestLimits()
# The counter counts whole mJ.
ROUNDING_J = 0.002
TICKS_S = (0.01, 0.02, 0.1)
KINDS = ("step", "telegraph", "constant")
# 95th percentiles of the relative error with ticks of 100 ms, by length of the window in seconds.
GUARDED = {1.0: 0.01, 3.0: 0.004, 10.0: 0.001}
CONTINUOUS = {1.0: 0.04, 3.0: 0.013, 10.0: 0.004}


@frozen
class World:
    """One window of one board, and what was read around it."""

    counter: Counter
    readings: Readings
    start_s: float
    stop_s: float

    @property
    def truth_j(self) -> float:
        return self.counter.energy_j(self.stop_s) - self.counter.energy_j(self.start_s)

    @property
    def bracket_s(self) -> float:
        """Mean time between the last reading of an old value and the first of a new one, near the window."""
        series = self.readings.series
        rows = [row for row in range(1, len(series.values)) if series.values[row] != series.values[row - 1]]
        near = [row for row in rows if series.before_s[row] > self.start_s - GUARD_S]
        return fmean(series.after_s[row] - series.before_s[row - 1] for row in near)

    def naive_j(self) -> float:
        """What the counter shows at the end, less what it showed at the start."""
        return self.counter.shown_j(self.stop_s) - self.counter.shown_j(self.start_s)

    def continuous(self, delay: Delay) -> Bounds:
        return edges.rise(*(self._level(at_s, delay) for at_s in (self.start_s, self.stop_s)))

    def guarded(self, delay: Delay) -> Bounds:
        recipe = Recipe(
            rule="latched",
            quantity="energy_j",
            series_id="board",
            start_s=self.start_s,
            stop_s=self.stop_s,
            rest_before_s=GUARD_S,
            rest_after_s=GUARD_S,
            delay_low_s=delay.low_s,
            delay_high_s=delay.high_s,
            ceiling_per_s=CEILING_W,
            flat_within=LIMITS.flat_within,
            widest_delay_s=LIMITS.widest_delay_s,
        )
        return follow(recipe, self.readings.series).bounds_j

    def _level(self, at_s: float, delay: Delay) -> Bounds:
        return edges.latched(self.readings.series, at_s, delay, CEILING_W)

    @property
    def known(self) -> Delay:
        return Delay(self.counter.delay_s, self.counter.delay_s)


def make_world(dice: random.Random, kind: str, tick_s: float, length_s: float, *, rest: bool) -> World:
    """A window between rests, or one cut out of work that goes on; its length and everything else is random."""
    seconds, lead_s = length_s * dice.uniform(0.95, 1.05), LEAD_S + dice.random()
    work = _work(dice, kind, seconds)
    constant_w = work[0][1] if kind == "constant" else None
    if constant_w is not None:
        trace = [(lead_s + seconds + 2 * AFTER_S, constant_w)]
    elif rest:
        trace = [(lead_s, IDLE_W), *work]
    else:
        trace = [*_work(dice, kind, lead_s), *work, *_work(dice, kind, AFTER_S)]
    counter = Counter(dice, trace, tick_s, dice.uniform(0.0, 0.05), lead_s + seconds + 2 * AFTER_S)
    return World(counter, read(counter, lead_s + seconds + AFTER_S), lead_s, lead_s + seconds)


def _work(dice: random.Random, kind: str, length_s: float) -> Trace:
    if kind != "telegraph":
        return [(length_s, dice.uniform(200.0, 700.0))]
    trace, left_s = [], length_s
    while left_s > 0:
        step_s = min(dice.expovariate(1 / 0.06) + 1e-4, left_s)
        trace.append((step_s, dice.choice(LEVELS_W)))
        left_s -= step_s
    return trace


def accuracy_rows(windows: int) -> list[Row]:
    """Errors with ticks of 100 ms and wild work: what the design asks for."""
    with ProcessPoolExecutor() as pool:
        return list(chain.from_iterable(pool.map(_accuracy, GUARDED, repeat(windows))))


def _accuracy(length_s: float, windows: int) -> list[Row]:
    guarded, continuous, naive = [], [], []
    for seed in range(windows):
        dice = random.Random(f"{length_s} {seed}")
        world = make_world(dice, "telegraph", 0.1, length_s, rest=True)
        guarded.append(abs(world.guarded(UNKNOWN_DELAY).best / world.truth_j - 1))
        naive.append(abs(world.naive_j() / world.truth_j - 1))
        world = make_world(dice, "telegraph", 0.1, length_s, rest=False)
        continuous.append(abs(world.continuous(world.known).best / world.truth_j - 1))
    name = f"{length_s:g} s, 95th percentile of the error"
    return [
        _percent(f"guarded, {name}", guarded, GUARDED[length_s], windows),
        _percent(f"continuous with known delay, {name}", continuous, CONTINUOUS[length_s], windows),
        _percent(f"difference of two readings, {name}", naive, None, windows),
    ]


def _percent(what: str, errors: Sequence[float], limit: float | None, windows: int) -> Row:
    value = percentile(sorted(errors), 0.95)
    return Row(what, 100 * value, "%", limit=None if limit is None else 100 * limit, pairs=windows)


def bounds_rows(windows: int) -> list[Row]:
    """How often bounds hold the truth, and how wide they are."""
    worlds = list(product(TICKS_S, KINDS, (False, True)))
    with ProcessPoolExecutor() as pool:
        return list(chain.from_iterable(pool.map(_bounds_rows, worlds, repeat(windows))))


def _bounds_rows(world: tuple[float, str, bool], windows: int) -> list[Row]:
    tick_s, kind, known = world
    name = f"{1000 * tick_s:g} ms tick, {kind}, delay {'known' if known else 'unknown'}"
    held, widths = _bounds(tick_s, kind, known, windows)
    return [
        Row(f"{name}: truth held", 100 * held, "%", limit=99.0, at_least=True, pairs=windows),
        Row(f"{name}: mean half-width over theory", fmean(widths), limit=1.1, pairs=windows),
    ]


def _bounds(tick_s: float, kind: str, known: bool, windows: int) -> tuple[float, list[float]]:
    held, widths = 0, []
    for seed in range(windows):
        dice = random.Random(f"{tick_s} {kind} {known} {seed}")
        world = make_world(dice, kind, tick_s, dice.choice([0.5, 1.0, 3.0]), rest=not known)
        delay = world.known if known else UNKNOWN_DELAY
        low_j, best_j, high_j = world.continuous(delay)
        held += low_j - ROUNDING_J <= world.truth_j <= high_j + ROUNDING_J and best_j > 0
        theory_s = tick_s + delay.high_s - delay.low_s + 2 * world.bracket_s
        duration_s = world.stop_s - world.start_s
        widths.append((high_j - low_j) / 2 / world.truth_j / (theory_s / duration_s))
    return held / windows, widths
