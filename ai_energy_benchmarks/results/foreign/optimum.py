"""Reports of optimum-benchmark (``benchmark_report.json``), with every measure looked at before any mean is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.statistics import estimate
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.foreign.imported import Imported, ImportedFigure, judged
from ai_energy_benchmarks.results.foreign.numbers import number

SOURCE = "optimum-benchmark report"
_COMPONENTS = ("gpu", "cpu", "ram")
_J_PER = {"kWh": 3.6e6, "Wh": 3600.0, "J": 1.0}
# A pass of the same prompts takes much the same energy; one that differs so much holds another's or lacks its own.
_LEAST, _MOST = 0.5, 1.5
_SUM_TOLERANCE = 1e-6


def is_report(document: object) -> bool:
    """Whether a JSON document has the shape of such a report."""
    return isinstance(document, Mapping) and any(
        isinstance(phase, Mapping) and "energy" in phase and "measures" in phase for phase in document.values()
    )


def read_report(document: Mapping[str, object]) -> Imported:
    """Energy of each phase and component over its good measures; each bad measure is named, and none is averaged in.

    Raises:
        ConfigError: no phase has an energy, or its unit is unknown.
    """
    figures: list[ImportedFigure] = []
    findings: list[Finding] = []
    for name, phase in document.items():
        if isinstance(phase, Mapping) and isinstance(energy := phase.get("energy"), Mapping):
            factor = _factor(name, energy)
            measures = [measure for measure in phase.get("measures") or () if isinstance(measure, Mapping)]
            bad = dict(_bad(measures))
            findings += [Finding("FAIL", "measures", f"{name}: measure {place}: {why}") for place, why in bad.items()]
            findings += _sums(name, measures)
            good = [measure for place, measure in enumerate(measures, start=1) if place not in bad]
            for component in _COMPONENTS:
                values = [value * factor for measure in good if (value := number(measure.get(component)))]
                published = number(energy.get(component))
                whole = None if measures or published is None else published * factor
                figures.append(_figure(f"{name} {component}", values, whole))
                if measures and _usual(measures, component) is None:
                    findings.append(Finding("FAIL", "measures", f"{name}: {component} is 0 in every measure"))
                findings += _shift(name, component, energy, good)
    if not figures:
        raise ConfigError("the report has no phase with an energy", remedy="measure with energy tracking switched on")
    return judged(SOURCE, figures, findings)


def _factor(phase: str, energy: Mapping[str, object]) -> float:
    unit = energy.get("unit")
    if unit not in _J_PER:
        raise ConfigError(f"{phase}.energy.unit is {unit!r}", remedy=f"known are {', '.join(_J_PER)}")
    return _J_PER[str(unit)]


def _bad(measures: Sequence[Mapping[str, object]]) -> Iterator[tuple[int, str]]:
    """Numbers (from 1) of the measures that cannot be the energy of one pass, with the reason."""
    for place, measure in enumerate(measures, start=1):
        values = {component: number(measure.get(component)) for component in _COMPONENTS}
        unit = measure.get("unit", "")
        for component, value in values.items():
            usual = _usual(measures, component)
            if value is None:
                yield place, f"{component} has no number"
            elif value < 0:
                yield place, f"{component} is {value:.3f} {unit}, and energy is never negative"
            elif value == 0 and usual:
                yield place, f"{component} is 0, where the others are about {usual:.3g} {unit}"
            elif usual and not _LEAST * usual <= value <= _MOST * usual:
                yield place, f"{component} is {value:.3f} {unit}, {value / usual:.2f} times the median"
            else:
                continue
            break  # one reason a measure


def _usual(measures: Sequence[Mapping[str, object]], component: str) -> float | None:
    positive = [value for measure in measures if (value := number(measure.get(component))) is not None and value > 0]
    return median(positive) if positive else None


def _sums(phase: str, measures: Sequence[Mapping[str, object]]) -> Iterator[Finding]:
    for place, measure in enumerate(measures, start=1):
        parts = [number(measure.get(component)) for component in _COMPONENTS]
        total = number(measure.get("total"))
        if total is None or any(part is None for part in parts):
            continue
        whole = sum(part for part in parts if part is not None)
        if abs(whole - total) > _SUM_TOLERANCE * max(abs(whole), abs(total), 1e-12):
            yield Finding("WARN", "sums", f"{phase}: measure {place}: the parts are {whole:.6g}, the total {total:.6g}")


def _figure(name: str, values: Sequence[float], published_j: float | None) -> ImportedFigure:
    """The mean of the good measures with its interval; the published figure where there are no measures at all."""
    if values:
        known = estimate(values)
        half = known.half_width or 0.0
        # Student's t of two or three measures may reach below 0, where no energy is.
        return ImportedFigure(name, Bounds(max(0.0, known.mean - half), known.mean, known.mean + half))
    if published_j is not None and published_j > 0:
        return ImportedFigure(name, Bounds.exact(published_j))
    return ImportedFigure(name, None, withheld="no measure is good" if published_j is None else "it is not positive")


def _shift(
    phase: str, component: str, energy: Mapping[str, object], good: Sequence[Mapping[str, object]]
) -> Iterator[Finding]:
    """How far the published mean is from that of the good measures."""
    values = [value for measure in good if (value := number(measure.get(component))) is not None]
    published = number(energy.get(component))
    if not values or published is None or not fmean(values):
        return
    shift = published / fmean(values) - 1
    if abs(shift) > 0.001:
        where = "low" if shift < 0 else "high"
        yield Finding(
            "FAIL", "mean", f"{phase}: the published mean of {component} is {100 * abs(shift):.1f} % too {where}"
        )
