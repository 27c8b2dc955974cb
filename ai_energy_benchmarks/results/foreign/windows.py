"""The energy of a window of a power log, with what is wrong with the log there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from statistics import fmean, median, stdev

from ai_energy_benchmarks.analysis.windows import is_resolved
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.digits import between
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY, Delay
from ai_energy_benchmarks.domain.integral import hold_s, integral
from ai_energy_benchmarks.domain.power import Series
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.results.foreign.imported import Imported, ImportedFigure, judged

# As for this package's own meters: readings farther apart hide more than an edge does.
_LONGEST_GAP_S, _GAP_SHARE = 1.0, 0.01
# Unix seconds as floats are exact to a microsecond: readings every 100 ms in 10 s are at the limit, not past it.
_CLOCK_S = 1e-6
# A GPU whose power hardly moves while another one works.
_IDLE_SPREAD, _IDLE_OF_BUSIEST = 0.02, 0.5
_WARM_UP_SHARE, _WARM_UP_POWER = 0.1, 0.9
# A GB300 may draw 1.4 kW and a module of two GPUs twice that; one that works draws more than 2 W, and an idle one
# hardly less. What is outside was written in another unit.
_MOST_W, _LEAST_W = 4000.0, 2.0
# Over what time an averaged power goes (nvidia-smi's manual, power.draw.average).
_AVERAGED_S = 1.0
_UNIT_FIX = "fix: name the unit in the head of the column, such as power (mW)"


def energy_of_window(
    log: Sequence[Series],
    start_s: float,
    stop_s: float,
    *,
    gpus: Sequence[str] = (),
    averaged: Collection[str] = (),
    output_tokens: int | None = None,
    source: str = "power log",
) -> Imported:
    """The energy of every GPU in a window; GPUs that stayed idle are shown and not counted.

    Args:
        start_s, stop_s: Unix seconds.
        gpus: those that count; empty for all that worked.
        averaged: those whose power is the mean of the last second, which shows work up to a second late.
    """
    idle = () if gpus else tuple(_idle(log, start_s, stop_s))
    names = {series.device.id: series.device.label or series.device.id for series in log}
    figures, findings = [], []
    for series in log:
        gpu, name = series.device.id, names[series.device.id]
        delay = Delay(UNKNOWN_DELAY.low_s, UNKNOWN_DELAY.high_s + (_AVERAGED_S if gpu in averaged else 0.0))
        problems = (*_units(series, log, start_s, stop_s), *_problems(series, start_s, stop_s))
        energy_j = integral(series, start_s, stop_s, delay, hold_s(series) or 0.0)
        if all(problem.level != "FAIL" for problem in problems):
            problems = (*problems, *_resolution(energy_j, series, stop_s, delay))
        findings += [Finding(problem.level, problem.check, f"{name}: {problem.message}") for problem in problems]
        failed = next((problem.message for problem in problems if problem.level == "FAIL"), "")
        counted = gpu in gpus if gpus else gpu not in idle
        figures.append(ImportedFigure(name, None if failed else energy_j, stop_s - start_s, None, counted, failed))
    if idle:
        rested = ", ".join(names[gpu] for gpu in idle)
        findings.append(Finding("WARN", "idle GPUs", f"{rested} stayed idle, so {_is(idle)} not counted"))
    if unknown := [name for name in gpus if name not in {series.device.id for series in log}]:
        known = ", ".join(series.device.id for series in log)
        findings.append(Finding("FAIL", "GPUs", f"the log has no {', '.join(unknown)}; it has {known}"))
    return judged(source, (*figures, _total(figures, stop_s - start_s, output_tokens)), findings)


def _is(names: Sequence[str]) -> str:
    return "it is" if len(names) == 1 else "they are"


def _total(figures: Sequence[ImportedFigure], duration_s: float, output_tokens: int | None) -> ImportedFigure:
    counted = [figure for figure in figures if figure.counted]
    missing = next((f"{figure.name}: {figure.withheld}" for figure in counted if figure.energy_j is None), "")
    if missing or not counted:
        why = missing or "no GPU of the log counts"
        return ImportedFigure("total", None, duration_s, output_tokens, False, why)
    parts = [figure.energy_j for figure in counted if figure.energy_j is not None]
    return ImportedFigure("total", Bounds.total(parts), duration_s, output_tokens, False)


def _units(series: Series, log: Sequence[Series], start_s: float, stop_s: float) -> Iterator[Finding]:
    """Powers that no GPU has: the log was written in another unit than it says."""
    most_w = max(_inside(series, start_s, stop_s), default=None)
    busiest_w = max((max(_inside(each, start_s, stop_s), default=0.0) for each in log), default=0.0)
    if most_w is not None and most_w > _MOST_W:
        message = f"a reading is {most_w:,.0f} W, more than a GPU draws: are the numbers milliwatts?"
        yield Finding("FAIL", "unit", f"{message} {_UNIT_FIX}")
    elif most_w is not None and 0 < busiest_w < _LEAST_W:
        message = f"no reading is above {busiest_w:.3g} W, less than a GPU draws: are the numbers kilowatts?"
        yield Finding("FAIL", "unit", f"{message} {_UNIT_FIX}")


def _inside(series: Series, start_s: float, stop_s: float) -> Sequence[float]:
    return series.values[bisect_left(series.before_s, start_s) : bisect_right(series.before_s, stop_s)]


def _resolution(energy_j: Bounds, series: Series, stop_s: float, delay: Delay) -> Iterator[Finding]:
    """As for this package's own windows: where the bounds are too wide there is no bare number."""
    if not is_resolved(energy_j):
        bounds = f"within {between(energy_j.low, energy_j.high)} J"
        yield Finding("FAIL", "window resolved", f"its energy lies {bounds}, too far apart for a figure")
    elif series.before_s[-1] < stop_s + delay.high_s and delay.high_s > _AVERAGED_S:
        left_s = series.before_s[-1] - stop_s
        message = f"the log ends {left_s:.2f} s after the window, and its power is the mean of the last second"
        yield Finding("WARN", "window edges", f"{message}: the end of the window is not wholly in it")


def _problems(series: Series, start_s: float, stop_s: float) -> Iterator[Finding]:
    times, values = series.before_s, series.values
    if times[0] > start_s or times[-1] < stop_s:
        yield Finding(
            "FAIL",
            "window edges",
            f"the window, {start_s:.3f} to {stop_s:.3f}, is not inside the log, {times[0]:.3f} to {times[-1]:.3f}",
        )
        return
    first, last = bisect_left(times, start_s), bisect_right(times, stop_s)
    inside = values[max(0, first - 1) : last + 1]
    if bad := sum(value <= 0 for value in inside):
        yield Finding("FAIL", "power", f"{bad} of {len(inside)} readings are zero or negative")
    around = times[max(0, first - 1) : last + 1]
    gap_s = max((later - earlier for earlier, later in pairwise(around)), default=stop_s - start_s)
    share = gap_s / (stop_s - start_s)
    wide = gap_s - _CLOCK_S > _GAP_SHARE * (stop_s - start_s)
    if gap_s > _LONGEST_GAP_S and wide:
        yield Finding("FAIL", "gaps", f"no reading for {gap_s:.2f} s, {100 * share:.1f} % of the window")
    elif wide:
        apart = f"readings are {gap_s:.2f} s apart, {100 * share:.1f} % of the window (limit 1 %)"
        yield Finding("WARN", "gaps", f"{apart}; fix: log more often, or measure for longer")
    if not bad:
        yield from _warm_up(series, first, last)


def _warm_up(series: Series, first: int, last: int) -> Iterator[Finding]:
    """Power that still rises at the beginning: load or warm-up is in the window."""
    values = series.values[first:last]
    beginning = values[: max(1, int(len(values) * _WARM_UP_SHARE))]
    if len(values) >= 20 and fmean(beginning) < _WARM_UP_POWER * median(values):
        yield Finding(
            "WARN",
            "warm-up",
            f"the first tenth of the window draws {fmean(beginning):.0f} W against {median(values):.0f} W: "
            "loading or warm-up seems to be in it",
        )


def _idle(log: Sequence[Series], start_s: float, stop_s: float) -> Iterator[str]:
    """GPUs whose power hardly moves and is far below that of the busiest one."""
    means = {}
    for series in log:
        inside = series.values[bisect_left(series.before_s, start_s) : bisect_right(series.before_s, stop_s)]
        if len(inside) > 1:
            means[series.device.id] = fmean(inside), stdev(inside)
    busiest = max((mean for mean, _ in means.values()), default=0.0)
    for name, (mean, deviation) in means.items():
        if mean < _IDLE_OF_BUSIEST * busiest and deviation < _IDLE_SPREAD * mean:
            yield name


def joules_per_token(figure: ImportedFigure) -> Bounds | None:
    """Energy per output token, where both are known."""
    if figure.energy_j is None or not figure.output_tokens:
        return None
    return figure.energy_j / figure.output_tokens
