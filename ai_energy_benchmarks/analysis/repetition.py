"""Whether the trials repeat one another: scatter, drift and trials that stand apart, of J per output token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev

from attrs import frozen

from ai_energy_benchmarks.analysis.filler_tokens import filler_tokens, whole_amounts
from ai_energy_benchmarks.analysis.outliers import farthest
from ai_energy_benchmarks.analysis.trend import holm, trend
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.analysis.windows import counted
from ai_energy_benchmarks.domain.components import FACTS, Component
from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.summary import SteadyState
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.verdict import Finding, Level
from ai_energy_benchmarks.domain.work import OUTPUT_TOKENS, Unit, unit

# All limits are those of docs/measurement.md, "The verdict": WARN and FAIL of the scatter,
SCATTER: dict[Component, tuple[float, float]] = {name: facts.scatter for name, facts in FACTS.items()}
# the chance that any of a run's tests errs where nothing is wrong, and the smallest effect that matters.
ALPHA = 0.05
EFFECT = 0.01


# Why a first trial costs more than the others, and what to do, also where its time does not stand out.
PREPARING = "the engine was probably still preparing itself, for instance for lengths that no warm-up request had"
WARM_UP = "raise protocol.warmup.requests to those of a pass; reanalyze --drop-trial 1 shows the others"


@frozen
class _Test:
    """One test of significance, and what its finding says."""

    component: Component
    check: str
    p_value: float
    effect: float
    if_significant: str
    otherwise: str


def repetition_findings(
    components: Sequence[Component],
    trials: Sequence[Trial],
    steady: SteadyState | None = None,
    of: Unit = unit(OUTPUT_TOKENS),  # noqa: B008 # it never changes
) -> Iterator[Finding]:
    """Scatter over trials, trends and outliers of each component.

    The tests of a run share one chance to err, by Holm's procedure: six lines at 5 % each would warn of
    every fourth good run.

    Args:
        steady: the steady state of the trials, where that is the headline: then it is what must repeat.
        of: what energy is counted by; a steady state is known of output tokens alone.
    """
    tests: list[_Test] = []
    for component in components:
        if steady is None or of.name != OUTPUT_TOKENS:
            of_trials = _per_unit_j(component, trials, of)
        else:
            of_trials = _steady_j(component, trials, steady)
        values_j = tuple(of_trials.values())
        n, name = len(values_j), component.upper()
        if n < 2 or not (mean_j := fmean(values_j)):
            why = "too few trials to know the scatter" if n < 2 else "and a mean of 0 J has no scatter"
            yield Finding("INFO", "repeatability", f"{name}: n = {n}, {why}", component)
            continue
        cv = stdev(values_j) / abs(mean_j)
        warn, fail = SCATTER[component]
        level: Level = "FAIL" if cv > fail else "WARN" if cv > warn else "PASS"
        message = f"{name} J/{of.one} scatters by {cv:.1%} over {n} trials (CV)"
        yield Finding(level, "repeatability", message, component)
        if n < 3:
            yield Finding("INFO", "trend", f"{name}: n = {n}, too few trials to see a trend", component)
            yield Finding("INFO", "outliers", f"{name}: n = {n}, too few trials to see one apart", component)
        tests += _tests(component, of_trials, of)
    significant = holm([each.p_value for each in tests], ALPHA)
    for each, surely in zip(tests, significant, strict=True):
        level = "WARN" if surely and abs(each.effect) >= EFFECT else "PASS"
        message = each.otherwise if level == "PASS" else each.if_significant
        yield Finding(level, each.check, message, each.component)


def _tests(component: Component, of_trials: Mapping[int, float], of: Unit) -> Iterator[_Test]:
    values_j, name = list(of_trials.values()), component.upper()
    n = len(values_j)
    if (apart := farthest(values_j)) is not None:
        trial = list(of_trials)[apart.position]
        where = f"{name}: J/{of.one} of trial {trial} lies {apart.deviation:+.1%} from the mean"
        figures = f"Grubbs' test, p = {apart.p_value:.2g}, n = {n}"
        stands_apart = f"{where}, apart from the others ({figures}); the mean includes it"
        if trial == 1 and apart.deviation > 0:
            stands_apart += f": {PREPARING}; fix: {WARM_UP}"
        inside = f"{where}, not apart from the others ({figures})"
        yield _Test(component, "outliers", apart.p_value, apart.deviation, stands_apart, inside)
    if (line := trend(values_j)) is not None:
        message = f"{name} J/{of.one} changes by {line.drift:+.1%} from the first trial to the last"
        message = f"{message} (p = {line.p_value:.2g}, n = {n})"
        yield _Test(component, "trend", line.p_value, line.drift, message, message)


def _steady_j(component: Component, trials: Sequence[Trial], steady: SteadyState) -> dict[int, float]:
    """J per output token of each trial's steady window."""
    windows = {trial.number: trial.steady.measurement for trial in trials if trial.steady is not None}
    tokens = {each.number: each.output_tokens for each in steady.trials}
    return _divided_j(component, {number: windows.get(number) for number in tokens}, tokens)


def _per_unit_j(component: Component, trials: Sequence[Trial], of: Unit) -> dict[int, float]:
    amounts = {trial.number: _amount(trial, of) for trial in trials}
    return _divided_j(component, {trial.number: trial.measurement for trial in trials}, amounts)


def _divided_j(
    component: Component, windows: Mapping[int, Measurement | None], amounts: Mapping[int, float]
) -> dict[int, float]:
    """Energy of each trial's window over what was made in it; nothing of a trial that lacks one of them."""
    values_j: dict[int, float] = {}
    for number, window in windows.items():
        readings = () if window is None else counted(window, (component,))
        if readings and amounts[number]:
            values_j[number] = add_up(reading.energy_j for reading in readings) / amounts[number]
    return values_j


def _amount(trial: Trial, of: Unit) -> float:
    if of.name != OUTPUT_TOKENS:
        return whole_amounts(trial).get(of.name, 0.0)
    return trial_figures(trial).counts.output_tokens + filler_tokens(trial)
