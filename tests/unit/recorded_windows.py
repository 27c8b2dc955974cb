"""Made-up counters of GPUs around a window between two rests, for the figures that are kept in ``golden/windows.csv``.

``python -m tests.unit.recorded_windows`` writes the file again, after a change that shall change figures.
"""

from __future__ import annotations

import csv
import random
from array import array
from collections.abc import Callable, Iterator
from math import exp
from pathlib import Path

from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.guarded import between_rests
from ai_energy_benchmarks.domain.power import Device, Series
from ai_energy_benchmarks.domain.rests import Window, is_calm

FILE = Path(__file__).parent / "golden" / "windows.csv"
NUMBER = 200
COLUMNS = (
    "seed",
    "state",
    "low_j",
    "best_j",
    "high_j",
    "delay_high_s",
    "step_w",
    "change_w",
    "rise_s",
    "fall_s",
    "calm",
)
Shape = Callable[[float], float]


def _shapes(dice: random.Random, step_w: float) -> Shape:
    """Power above idle after the work, by the time since."""
    time_s = dice.choice((0.005, 0.02, 0.1, 0.3))
    raised_w, kept_s = dice.choice((0.02, 0.1, 0.3, 0.6)) * step_w, dice.choice((0.2, 0.5, 5.0))
    shapes: tuple[Shape, ...] = (
        lambda _: 0.0,
        lambda at_s: step_w * exp(-at_s / time_s),
        lambda at_s: step_w if at_s < time_s else 0.0,
        lambda at_s: raised_w if at_s < kept_s else 0.0,
        lambda at_s: raised_w * exp(-at_s / kept_s),
        lambda at_s: 0.05 * step_w * at_s,
    )
    return dice.choice(shapes)


def window(seed: int) -> tuple[Series, Window]:
    """A counter that ticks, is read shortly before and after each tick, and now and then much later."""
    dice = random.Random(seed)
    tick_s = dice.choice((1 / 64, 1 / 32, 1 / 16, 3 / 32))
    idle_w, step_w = dice.choice((20.0, 80.0)), dice.choice((10.0, 60.0, 400.0))
    rest_before_s, length_s, rest_after_s = dice.uniform(0.1, 1.5), dice.uniform(0.1, 2.0), dice.uniform(0.1, 3.3)
    before, after = _shapes(dice, dice.choice((0.0, 0.0, step_w))), _shapes(dice, step_w)
    wave_w, shift_s = dice.choice((0.0, 0.3)) * step_w, dice.choice((0.0, 0.03, 0.2))
    delay = dice.choice((Delay(0.0, 0.055), Delay(0.01, 0.03), Delay(0.02, 0.02)))
    start_s, slack_s = 1.0 + rest_before_s, dice.choice((0.002, 0.008, 0.014))
    stop_s = start_s + length_s

    def power_w(at_s: float) -> float:
        if at_s < start_s:
            return idle_w + before(max(0.0, at_s - 1.0))
        if at_s < stop_s:
            return idle_w + step_w + (wave_w if int(at_s * 7) % 2 else -wave_w)
        return idle_w + after(at_s - stop_s)

    rows, value_j, time_s = [(0.5, 0.5, 0.0)], 0.0, 0.5 + dice.random() * tick_s
    while time_s < stop_s + rest_after_s + 0.3:
        seen_s = time_s + shift_s
        rows.append((seen_s - dice.random() * slack_s, seen_s, value_j))
        value_j += tick_s * sum(power_w(time_s - tick_s * (part + 0.5) / 8) for part in range(8)) / 8
        late_s = dice.random() * slack_s + 1e-4
        rows.append((seen_s + late_s, seen_s + late_s + 1e-4, value_j))
        time_s += tick_s
    columns = [array("d", column) for column in zip(*rows, strict=True)]
    series = Series(Device("gpu", "GPU-0"), "energy_j", "nvml", *columns)
    rests = rest_before_s, rest_after_s
    return series, Window(start_s, stop_s, *rests, delay, dice.choice((0.02, 0.05)), dice.choice((0.1, 1.0)))


def figures(seed: int) -> Iterator[str]:
    """What the rests next to a window give, as text; nothing where too little was seen of them."""
    series, around = window(seed)
    found = between_rests(series, around)
    edges = None if found is None else found.edges
    numbers = [None] * 8
    if found is not None and edges is not None:
        bounds_j = found.bounds_j or (None, None, None)
        shown = edges.step_w, edges.idle_change_w, edges.rise_s, edges.fall_s
        numbers = [*bounds_j, edges.delay_high_s, *shown]
    yield from (str(seed), edges.state if edges else "none")
    yield from ("" if number is None else f"{number:.9g}" for number in numbers)
    spans_s = [(share + 1) / 6 * around.rest_after_s for share in range(6)]
    yield "".join(
        str(int(is_calm(series, around.stop_s, around.stop_s + span_s, step_w, around.flat_within)))
        for span_s in spans_s
        for step_w in (0.0, 50.0)
    )


if __name__ == "__main__":
    with FILE.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *(figures(seed) for seed in range(NUMBER))])
