"""Every figure of a result directory again, from its raw series: unchanged, or under other assumptions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.windows import BASELINES
from ai_energy_benchmarks.config.carbon import carbon_for, unknown_country
from ai_energy_benchmarks.config.model import CarbonConfig
from ai_energy_benchmarks.domain.result import BenchmarkResult, Carbon, StepName, Tariff, Trial
from ai_energy_benchmarks.domain.verdict import Finding, Verdict
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.judging import judged, required_components
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_results
from ai_energy_benchmarks.results.reanalysis.cutting import (
    SeriesByName,
    by_name,
    cut_trial,
    measured_again,
)
from ai_energy_benchmarks.results.reanalysis.parts import of_a_part
from ai_energy_benchmarks.results.reanalysis.slicing import steady_again
from ai_energy_benchmarks.results.reanalysis.stored import Stored, load_stored

Baseline = Literal["both", "resident", "hot", "bare"]
_STEPS: Mapping[Baseline, tuple[StepName, ...]] = {
    "both": BASELINES,
    "resident": ("resident idle",),
    "hot": ("hot idle",),
    "bare": ("bare idle",),
}
_GIVEN = "given to reanalyze"


@frozen
class Changes:
    """What is assumed otherwise; the defaults change nothing.

    Attributes:
        baseline: which idle power net energy is after; ``both`` resident ones is what a run takes.
        intensity_g_per_kwh, pue, country, wall_factor: in place of the config's.
        from_s, to_s: the part of every trial that counts, in seconds after its start.
        dropped: numbers of trials that do not count.
    """

    baseline: Baseline = "both"
    intensity_g_per_kwh: float | None = None
    pue: float | None = None
    country: str | None = None
    wall_factor: float | None = None
    from_s: float | None = None
    to_s: float | None = None
    dropped: frozenset[int] = frozenset()

    def notes(self) -> Iterator[str]:
        """One sentence for each change."""
        if self.baseline != "both":
            yield f"net energy is after the {self.baseline} idle alone"
        if self.intensity_g_per_kwh is not None:
            yield f"the carbon intensity is {self.intensity_g_per_kwh:g} g/kWh, {_GIVEN}"
        if self.country is not None:
            yield f"the carbon intensity is that of {self.country}"
        if self.pue is not None:
            yield f"the PUE is {self.pue:g}"
        if self.wall_factor is not None:
            yield f"the wall factor is {self.wall_factor:g}, {_GIVEN}"
        if self.cuts:
            until = "its end" if self.to_s is None else f"{self.to_s:g} s"
            yield f"of each trial only the part from {self.from_s or 0:g} s to {until} counts"

    @property
    def cuts(self) -> bool:
        """Whether only a part of each trial counts."""
        return self.from_s is not None or self.to_s is not None

    def check(self, recorded: BenchmarkResult) -> None:
        """Raise ``ConfigError`` where a change contradicts another one, or names what the run does not have."""
        if self.country is not None and self.intensity_g_per_kwh is not None:
            raise ConfigError("a country and a carbon intensity are given", remedy="give one of the two")
        if self.to_s is not None and self.to_s <= (self.from_s or 0.0):
            raise ConfigError(
                f"the part from {self.from_s or 0:g} s to {self.to_s:g} s is empty", remedy="choose a later --to"
            )
        measured = {step.name for step in recorded.steps if step.measurement is not None}
        if self.baseline != "both" and not measured & set(_STEPS[self.baseline]):
            raise ConfigError(f"the run measured no {self.baseline} idle", remedy="choose another --baseline")


def reanalyse(directory: str | Path, changes: Changes | None = None) -> BenchmarkResult:
    """The benchmark of a result directory with every energy computed again from the raw series.

    Without changes its report document is, bit for bit, the one in the directory, unless raw readings were thinned
    after a window had been read (``differences`` tells).

    Raises:
        ConfigError: the directory lacks a file, or a change does not fit the run.
    """
    return _again(load_stored(Path(directory)), changes or Changes())


def differences(result: BenchmarkResult, directory: str | Path) -> tuple[str, ...]:
    """Dotted names of the figures in which a result's report document differs from the one in a directory."""
    (stored,) = load_results(Path(directory) / RESULT_FILE)
    return tuple(_different(json.loads(json.dumps(report_document(result))), stored, ""))


def _again(stored: Stored, changes: Changes) -> BenchmarkResult:
    recorded = stored.result
    changes.check(recorded)
    of = by_name(recorded.samples)
    trials = tuple(_trial(trial, changes, of) for trial in _kept(recorded.trials, changes.dropped))
    steps = tuple(
        evolve(step, measurement=step.measurement and measured_again(step.measurement, of)) for step in recorded.steps
    )
    required = required_components(stored.config, recorded.engine, trials, steps, recorded.samples)
    summary = summarise(trials, steps, _STEPS[changes.baseline], stored.config.scenario.slo, required)
    noticed = (*recorded.noticed, *(Finding("INFO", "re-analysis", note) for note in changes.notes()))
    noticed += _of_dropped(changes, recorded.verdict)
    if changes.cuts:
        summary, doubts = of_a_part(
            summary, _kept(recorded.trials, changes.dropped), trials, stored.config.scenario.slo
        )
        noticed += doubts
    verdict = judged(
        stored.config,
        ending=recorded.ending,
        steps=steps,
        trials=trials,
        summary=summary,
        environment=recorded.environment,
        engine=recorded.engine,
        meter_notes=recorded.meter_notes,
        samples=recorded.samples,
        noticed=noticed,
    )
    country = changes.country if changes.country is not None else recorded.subject.country
    return evolve(
        recorded,
        subject=evolve(recorded.subject, country=country),
        steps=steps,
        trials=trials,
        summary=summary,
        verdict=verdict,
        carbon=_carbon(stored, changes),
        tariff=_tariff(stored, changes),
        wall_factor=recorded.wall_factor if changes.wall_factor is None else changes.wall_factor,
        noticed=noticed,
    )


def _of_dropped(changes: Changes, recorded: Verdict) -> tuple[Finding, ...]:
    """That trials were left out, with the verdict on all of them: whoever chooses trials can choose a figure."""
    if not changes.dropped:
        return ()
    checks = dict.fromkeys(reason.check for reason in recorded.reasons if reason.level == recorded.level)
    because = f" ({', '.join(checks)})" if recorded.level != "PASS" else ""
    trials = f"trial{'s' if len(changes.dropped) > 1 else ''} {', '.join(map(str, sorted(changes.dropped)))}"
    message = f"{trials} skipped by hand; the recorded verdict on all trials is {recorded.level}{because}"
    return (Finding("WARN", "dropped trials", f"{message}; fix: quote the figure of all trials, or measure again"),)


def _tariff(stored: Stored, changes: Changes) -> Tariff | None:
    """The price of the whole site holds for what the site draws, so another PUE changes the cost too."""
    tariff, cost = stored.result.tariff, stored.config.metrics.cost
    if tariff is None or cost is None or not cost.site_tariff or changes.pue is None:
        return tariff
    return evolve(tariff, pue=changes.pue)


def _trial(trial: Trial, changes: Changes, of: SeriesByName) -> Trial:
    if changes.cuts:
        return cut_trial(trial, changes.from_s or 0.0, trial.duration_s if changes.to_s is None else changes.to_s, of)
    return evolve(
        trial,
        measurement=trial.measurement and measured_again(trial.measurement, of),
        steady=trial.steady and steady_again(trial.steady, of),
    )


def _kept(trials: tuple[Trial, ...], dropped: frozenset[int]) -> tuple[Trial, ...]:
    unknown = sorted(dropped - {trial.number for trial in trials})
    if unknown:
        raise ConfigError(f"there is no trial {unknown[0]}", remedy=f"the run has {len(trials)}, counted from 1")
    kept = tuple(trial for trial in trials if trial.number not in dropped)
    if trials and not kept:
        raise ConfigError("no trial is left", remedy="drop fewer trials")
    return kept


def _carbon(stored: Stored, changes: Changes) -> Carbon | None:
    recorded = stored.result.carbon
    pue = changes.pue if changes.pue is not None else recorded.pue if recorded else 1.0
    if changes.intensity_g_per_kwh is not None:
        return Carbon(changes.intensity_g_per_kwh, pue, _GIVEN)
    if changes.country is not None:
        if (wrong := unknown_country(changes.country)) is not None:
            raise ConfigError(f"{changes.country} {wrong}", remedy="or give --carbon-intensity in g/kWh")
        metrics = evolve(
            stored.config.metrics, country_iso_code=changes.country, region=None, carbon=CarbonConfig(pue=pue)
        )
        return carbon_for(metrics)
    if changes.pue is not None and recorded is None:
        raise ConfigError("a PUE alone gives no emission", remedy="give --carbon-intensity or --country too")
    return recorded and evolve(recorded, pue=pue)


def _different(new: Any, old: Any, path: str) -> Iterator[str]:
    if isinstance(new, dict) and isinstance(old, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _different(new.get(key), old.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        for number, pair in enumerate(zip(new, old, strict=True)):
            yield from _different(*pair, f"{path}[{number}]")
    elif new != old:
        yield path
