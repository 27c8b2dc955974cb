"""The energy of a window of a power log, with what is wrong with the log there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean, median, stdev

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY
from ai_energy_benchmarks.domain.integral import hold_s, integral
from ai_energy_benchmarks.domain.power import Series
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.results.foreign.imported import Imported, ImportedFigure, judged

# As for this package's own meters: readings farther apart hide more than an edge does.
_LONGEST_GAP_S, _GAP_SHARE = 1.0, 0.01
# A GPU whose power hardly moves while another one works.
_IDLE_SPREAD, _IDLE_OF_BUSIEST = 0.02, 0.5
_WARM_UP_SHARE, _WARM_UP_POWER = 0.1, 0.9


def energy_of_window(
    log: Sequence[Series],
    start_s: float,
    stop_s: float,
    *,
    gpus: Sequence[str] = (),
    output_tokens: int | None = None,
    source: str = "power log",
) -> Imported:
    """The energy of every GPU in a window; GPUs that stayed idle are shown and not counted.

    Args:
        start_s, stop_s: Unix seconds.
        gpus: those that count; empty for all that worked.
    """
    idle = () if gpus else tuple(_idle(log, start_s, stop_s))
    figures, findings = [], []
    for series in log:
        name = series.device.id
        problems = tuple(_problems(series, start_s, stop_s))
        findings += [Finding(problem.level, problem.check, f"{name}: {problem.message}") for problem in problems]
        failed = next((problem.message for problem in problems if problem.level == "FAIL"), "")
        counted = name in gpus if gpus else name not in idle
        energy_j = None if failed else integral(series, start_s, stop_s, UNKNOWN_DELAY, hold_s(series) or 0.0)
        figures.append(ImportedFigure(name, energy_j, stop_s - start_s, None, counted, failed))
    if idle:
        findings.append(Finding("WARN", "idle GPUs", f"{', '.join(idle)} stayed idle, so {_is(idle)} not counted"))
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
    if gap_s > _LONGEST_GAP_S and share > _GAP_SHARE:
        yield Finding("FAIL", "gaps", f"no reading for {gap_s:.2f} s, {100 * share:.1f} % of the window")
    elif share > _GAP_SHARE:
        yield Finding("WARN", "gaps", f"readings are {gap_s:.2f} s apart, {100 * share:.1f} % of the window")
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
