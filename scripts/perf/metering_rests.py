"""Windows of GPUs that take time to calm down, by the thousand on a virtual clock.

The truth is what the simulated card drew between the marks. Each row of the table is one kind of GPU at one tick and
length: how many runs warn and how many give no figure. The summary rows hold the limits.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from statistics import fmean

import metering_parts  # noqa: F401 - makes the tests' simulated GPU importable
from attrs import frozen
from docs_table import markdown
from ratios import Row

from ai_energy_benchmarks.domain.statistics import estimate, percentile
from tests.unit.simulated_rests import Gpu, Measured, even, jumping, measure

# The counter counts whole mJ.
ROUNDING_J = 0.003
UNRESOLVED = 0.20
TICKS_S, LENGTHS_S = (0.02, 0.1), (1.0, 3.0, 10.0)
RUNS_OF = (2, 3, 5, 10, 50)
GPUS = (
    Gpu("falls at once"),
    *(Gpu(f"falls, τ = {1000 * fall_s:g} ms", fall_s=fall_s) for fall_s in (0.005, 0.02, 0.05, 0.1, 0.2, 0.5)),
    *(Gpu(f"falls in stages for {1000 * length_s:g} ms", stages_s=length_s) for length_s in (0.02, 0.1, 0.5)),
    Gpu("15 % raised for 2 s", fall_s=0.02, raised=0.15, raised_s=2.0),
    Gpu("10 % raised for 10 s", fall_s=0.02, raised=0.1, raised_s=10.0),
    Gpu("15 % raised, fading with τ = 3 s", fall_s=0.02, raised=0.15, raised_s=3.0, fading=True),
    Gpu("falls with τ = 5 ms, delay 55 ms", fall_s=0.005, delay_s=(0.055, 0.055)),
    *(Gpu(f"delay {1000 * delay_s:g} ms", delay_s=(delay_s, delay_s)) for delay_s in (0.1, 0.15, 0.2, 0.3)),
    *(Gpu(f"sensor lags by {1000 * lag_s:g} ms", lag_s=lag_s) for lag_s in (0.02, 0.05, 0.1, 0.25, 0.5)),
)
# Those that neither warn nor give no figure, and those whose bounds are compared with the ticks'.
CALM = tuple(
    each for each in GPUS if each.fall_s <= 0.005 and each.delay_s[1] <= 0.055 and not each.stages_s + each.lag_s
)
BRIEF = next(each for each in GPUS if each.fall_s == 0.005)


@frozen
class Cell:
    """One kind of GPU at one tick and one length of the window."""

    gpu: Gpu
    tick_s: float
    length_s: float


@frozen
class Shown:
    """One window, as little of it as the table needs; energies over the truth.

    Attributes:
        state: what the rests beside it showed.
        width: between the bounds, over that by the ticks alone.
        tail: energy of the fall.
    """

    state: str
    low: float
    best: float
    high: float
    width: float
    tail: float

    @property
    def printed(self) -> bool:
        """Whether it has a figure."""
        return self.state != "unsettled" and (self.high - self.low) / 2 <= UNRESOLVED * self.best

    @property
    def held(self) -> bool:
        """Whether the truth lies within the bounds."""
        return self.low <= 1 <= self.high

    @property
    def warned(self) -> bool:
        """Whether that comes with a warning of its edges."""
        return self.printed and self.state != "flat"


def rest_rows(windows: int) -> tuple[list[Row], list[list[str]]]:
    """The limits as rows, and the shares warned and refused of each kind of GPU as a table of their own."""
    cells = [Cell(*each) for each in product(GPUS, TICKS_S, LENGTHS_S)]
    known = [Cell(*each) for each in product(CALM, TICKS_S, LENGTHS_S)]
    with ProcessPoolExecutor() as pool:
        of_cells = dict(zip(cells, pool.map(partial(_windows, windows), cells), strict=True))
        of_known = dict(zip(known, pool.map(partial(_windows, windows, within_s=0.01), known), strict=True))
    return list(_limits(of_cells, of_known)), _table(of_cells)


def _windows(windows: int, cell: Cell, within_s: float | None = None) -> list[Shown]:
    found = []
    for seed in range(windows):
        dice = random.Random(f"{cell.gpu.name} {cell.tick_s} {cell.length_s} {within_s} {seed}")
        work = even if seed % 2 else jumping
        found.append(_shown(measure(dice, cell.gpu, cell.tick_s, cell.length_s, work=work, known_within_s=within_s)))
    return found


def _shown(window: Measured) -> Shown:
    reading, truth_j = window.reading, window.truth_j
    state = "none" if reading.edges is None else reading.edges.state
    low_j, high_j = window.tick_bounds_j
    return Shown(
        state,
        (reading.bounds_j.low - ROUNDING_J) / truth_j,
        reading.energy_j / truth_j,
        (reading.bounds_j.high + ROUNDING_J) / truth_j,
        (reading.bounds_j.high - reading.bounds_j.low) / (high_j - low_j),
        window.tail_j / truth_j,
    )


def _limits(of_cells: dict[Cell, list[Shown]], of_known: dict[Cell, list[Shown]]) -> Iterator[Row]:
    everything = [each for found in of_cells.values() for each in found]
    printed = [each for each in everything if each.printed]
    held = _percent(each.held for each in printed)
    yield Row("truth within the bounds, of all with a figure", held, "%", limit=99.0, at_least=True, pairs=len(printed))
    worst = min(_percent(each.held for each in found if each.printed) for found in of_cells.values() if _any(found))
    yield Row("the same of the worst GPU, tick and length", worst, "%", pairs=len(everything) // len(of_cells))
    for n in RUNS_OF:
        runs = [run for cell, found in of_cells.items() for run in _runs(cell, found, n)]
        share = _percent(map(_covers, runs))
        yield Row(f"truth within the 95 % interval, n = {n}", share, "%", limit=93.0, at_least=True, pairs=len(runs))
    calm = [each for cell, found in of_cells.items() if cell.gpu in CALM for each in found]
    share = _percent(each.state != "flat" for each in calm)
    yield Row("warned or refused, fall ≤ 5 ms and delay ≤ 55 ms", share, "%", limit=0.0, pairs=len(calm))
    long = [each for cell, found in of_cells.items() if cell.length_s == LENGTHS_S[-1] for each in found]
    yield Row(
        "refused of all 10 s windows", _percent(not each.printed for each in long), "%", limit=10.0, pairs=len(long)
    )
    for tick_s in TICKS_S:
        errors = sorted(100 * abs(each.best - each.tail - 1) for each in of_cells[Cell(BRIEF, tick_s, 3.0)])
        what = f"p95 error less the tail, 3 s, τ = 5 ms, tick {1000 * tick_s:g} ms"
        yield Row(what, percentile(errors, 0.95), "%", limit=0.05, pairs=len(errors))
    for what, cells, limit in (("", of_cells, 0.6), (", delay known to ± 10 ms", of_known, 1 / 3)):
        for tick_s in TICKS_S:
            widths = [each.width for cell, found in cells.items() if _is_calm(cell, tick_s) for each in found]
            name = f"bounds over those by the ticks, tick {1000 * tick_s:g} ms{what}"
            yield Row(name, fmean(widths), limit=limit, pairs=len(widths))


def _percent(values: Iterable[bool]) -> float:
    return 100 * fmean(values)


def _is_calm(cell: Cell, tick_s: float) -> bool:
    return cell.gpu in CALM and cell.tick_s == tick_s


def _any(found: Sequence[Shown]) -> bool:
    return any(each.printed for each in found)


def _runs(cell: Cell, found: Sequence[Shown], n: int) -> Iterator[list[Shown]]:
    """Runs of n trials on one kind of GPU that give a figure, each window in some of them."""
    dice = random.Random(f"{cell} {n}")
    for _ in range(max(4, len(found) // n)):
        run = dice.sample(found, n) if n <= len(found) else list(found)
        if all(each.state != "unsettled" for each in run):
            low, best, high = (fmean(getattr(each, name) for each in run) for name in ("low", "best", "high"))
            if (high - low) / 2 <= UNRESOLVED * best:
                yield run


def _covers(run: Sequence[Shown]) -> bool:
    """Whether the stated interval of J per unit of work holds the truth, which is 1."""
    bounds = [(each.low, each.high) for each in run]
    mean = estimate([each.best for each in run], bounds)
    assert mean.half_width is not None
    return abs(mean.mean - 1) <= mean.half_width


def _table(of_cells: dict[Cell, list[Shown]]) -> list[list[str]]:
    """A line for each kind of GPU: at each tick and length, shares in percent: held / warned / refused."""
    lines = [["GPU", *(f"{1000 * tick_s:g} ms, {length_s:g} s" for tick_s, length_s in product(TICKS_S, LENGTHS_S))]]
    for gpu in GPUS:
        found = [of_cells[Cell(gpu, *each)] for each in product(TICKS_S, LENGTHS_S)]
        lines.append([gpu.name, *map(_shares, found)])
    return lines


def _shares(found: Sequence[Shown]) -> str:
    held = f"{_percent(each.held for each in found if each.printed):.3g}" if _any(found) else "–"
    return f"{held} / {_percent(w.warned for w in found):.0f} / {_percent(not w.printed for w in found):.0f}"


def section(limits: Sequence[Row], shares: Sequence[Sequence[str]]) -> str:
    """Both tables as Markdown."""
    lines = [shares[0], ["---"] * len(shares[0]), *shares[1:]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{markdown(limits)}\n\nHeld / warned / refused in percent, by tick and length of the window:\n\n{table}"
