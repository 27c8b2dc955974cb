"""The checks on energy: whether a figure exists, is resolved, repeats, and stands clear of the idle power."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, stdev

from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.outliers import farthest
from ai_energy_benchmarks.analysis.summary import UNRESOLVED, counting_trials
from ai_energy_benchmarks.analysis.tokens import count
from ai_energy_benchmarks.analysis.trend import trend
from ai_energy_benchmarks.analysis.windows import BASELINES, COMPONENTS, counted
from ai_energy_benchmarks.domain.power import Component, Device, Measurement
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary
from ai_energy_benchmarks.domain.verdict import Finding, Level

# All limits are those of measurement.md §2 and §8.
WIDE = 0.05
SCATTER: dict[Component, tuple[float, float]] = {"gpu": (0.02, 0.05), "cpu": (0.05, 0.10), "dram": (0.05, 0.10)}
DRIFT, DRIFT_P = 0.01, 0.05
OUTLIER, OUTLIER_P = 0.01, 0.05
IDLE_CHANGE = 0.02
IDLE_SHARE = 0.50
OTHER_BOARD = 0.10
# Whose devices the workload uses is not known yet in these steps.
_BEFORE_THE_MODEL = ("bare idle", "load")


def energy_findings(summary: Summary, trials: Sequence[Trial], steps: Sequence[Step], gpu: bool) -> Iterator[Finding]:
    """All findings on the energy of a benchmark whose meters were asked for."""
    seen = energies(summary)
    chosen = counting_trials(trials)
    if not seen:
        reasons = "; ".join(f"{name.upper()}: {reason}" for name, reason in summary.absent.items())
        yield Finding("FAIL", "energy", f"no meter gave the energy of any component ({reasons})")
    elif gpu and "gpu" not in seen:
        why = summary.absent.get("gpu", "no meter saw it")
        yield Finding("FAIL", "energy", f"the model ran on a GPU whose energy is missing: {why}")
    else:
        yield from _lost(summary, trials, steps)
    for component in COMPONENTS:
        if component in seen:
            yield from _resolution(component, seen[component])
            yield from _repetition(component, chosen)
            yield from _idle(component, seen[component], summary.duration_s)
            yield from _workload_share(component, seen[component])
    yield from _other_boards(chosen, steps)


def _lost(summary: Summary, trials: Sequence[Trial], steps: Sequence[Step]) -> Iterator[Finding]:
    """Components that a meter saw under the model, but not in all of the trials."""
    windows = [each.measurement for each in trials]
    windows += [each.measurement for each in steps if each.name not in _BEFORE_THE_MODEL]
    for component, why in summary.absent.items():
        if any(counted(each, (component,)) for each in windows if each is not None):
            message = f"{component.upper()} energy is missing, though a meter saw it in a part of the run: {why}"
            yield Finding("FAIL", "energy", message)


def _resolution(component: Component, energy: ComponentEnergy) -> Iterator[Finding]:
    name = component.upper()
    if energy.provenance == "modelled":
        yield Finding("WARN", "modelled energy", f"{name} energy is modelled, not measured; it cannot be ranked")
    if "replay" in energy.meter.split(" + "):
        yield Finding("WARN", "replayed energy", f"{name} energy is played back from a file, not measured in this run")
    if energy.energy_j <= 0:
        yield Finding("FAIL", "window resolved", f"{name} energy is {energy.energy_j:.3g} J, which is no figure")
        return
    share = (energy.energy_high_j - energy.energy_low_j) / 2 / energy.energy_j
    level: Level = "FAIL" if share > UNRESOLVED else "WARN" if share > WIDE else "PASS"
    bounds = f"[{energy.energy_low_j:.4g}, {energy.energy_high_j:.4g}] J"
    longer = "" if level == "PASS" else "; a longer pass narrows them"
    yield Finding(level, "window resolved", f"{name} energy of a pass lies in {bounds}, ±{share:.1%}{longer}")


def _workload_share(component: Component, energy: ComponentEnergy) -> Iterator[Finding]:
    found, name = energy.workload_share, component.upper()
    if found is None:
        return
    if energy.provenance == "modelled":
        message = f"{name} energy is modelled from the workload's own processor time: there is nothing to share out"
        yield Finding("INFO", "workload share", message)
        return
    share = f"{found.share:.1%} [{found.share_low:.1%}, {found.share_high:.1%}]"
    message = f"by processor time {share} of the {name} energy, {found.share * energy.energy_j:.4g} J of a pass"
    yield Finding("INFO", "workload share", f"{message}, is the workload's; that is a convention, not a measurement")


def _repetition(component: Component, trials: Sequence[Trial]) -> Iterator[Finding]:
    """Scatter and drift of J per output token from trial to trial."""
    name = component.upper()
    of_trials = _per_output_token_j(component, trials)
    values_j = list(of_trials.values())
    n = len(values_j)
    if n < 2 or not (mean_j := fmean(values_j)):
        yield Finding("INFO", "repeatability", f"{name}: n = {n}, too few trials to know the scatter")
        return
    cv = stdev(values_j) / abs(mean_j)
    warn, fail = SCATTER[component]
    level: Level = "FAIL" if cv > fail else "WARN" if cv > warn else "PASS"
    yield Finding(level, "repeatability", f"{name} J/output token scatters by {cv:.1%} over {n} trials (CV)")
    yield from _outlier(name, of_trials)
    line = trend(values_j)
    if line is None:
        yield Finding("INFO", "trend", f"{name}: n = {n}, too few trials to see a trend")
        return
    drifts = abs(line.drift) >= DRIFT and line.p_value <= DRIFT_P
    message = f"{name} J/output token changes by {line.drift:+.1%} from the first trial to the last"
    yield Finding("WARN" if drifts else "PASS", "trend", f"{message} (p = {line.p_value:.2g}, n = {n})")


def _outlier(name: str, of_trials: Mapping[int, float]) -> Iterator[Finding]:
    """The trial that stands apart, if one does; it stays in every mean."""
    values_j = list(of_trials.values())
    apart = farthest(values_j)
    if apart is None:
        return
    trial = list(of_trials)[apart.position]
    where = f"{name}: J/output token of trial {trial} lies {apart.deviation:+.1%} from the mean"
    figures = f"Grubbs' test, p = {apart.p_value:.2g}, n = {len(values_j)}"
    if apart.p_value <= OUTLIER_P and abs(apart.deviation) >= OUTLIER:
        yield Finding("WARN", "outliers", f"{where}, apart from the others ({figures}); it counts all the same")
    else:
        yield Finding("PASS", "outliers", f"{where}, not apart from the others ({figures})")


def _per_output_token_j(component: Component, trials: Sequence[Trial]) -> dict[int, float]:
    values_j: dict[int, float] = {}
    for trial in trials:
        output_tokens = count(trial.outcomes).output_tokens
        if trial.measurement is not None and output_tokens:
            energy_j = sum(each.energy_j for each in counted(trial.measurement, (component,)))
            values_j[trial.number] = energy_j / output_tokens
    return values_j


def _idle(component: Component, energy: ComponentEnergy, duration_s: float) -> Iterator[Finding]:
    name = component.upper()
    if energy.idle_power_w is None or energy.energy_j <= 0:
        return
    if energy.idle_half_difference_w is not None:
        change_w = 2 * energy.idle_half_difference_w
        share = change_w * duration_s / energy.energy_j
        message = f"{name} idle power before and after differs by {change_w:.3g} W, {share:.1%} of a pass's energy"
        yield Finding("WARN" if share > IDLE_CHANGE else "PASS", "idle change", message)
    share = energy.idle_power_w * duration_s / energy.energy_j
    message = f"{name} idle power of {energy.idle_power_w:.3g} W is {share:.0%} of a pass's energy"
    if share > IDLE_SHARE:
        yield Finding("WARN", "idle share", f"{message}: its net energy is unreliable")
    else:
        yield Finding("PASS", "idle share", message)


def _other_boards(trials: Sequence[Trial], steps: Sequence[Step]) -> Iterator[Finding]:
    """Boards beside the workload's that were busy during the trials."""
    during_w = _uncounted_power_w(each.measurement for each in trials)
    idle_w = _uncounted_power_w(each.measurement for each in steps if each.name in BASELINES)
    for device, power_w in during_w.items():
        at_rest_w = idle_w.get(device)
        if at_rest_w is not None:
            busy = power_w > at_rest_w * (1 + OTHER_BOARD)
            message = f"{device.label or device.id}, not of the workload, drew {power_w:.3g} W; idle {at_rest_w:.3g} W"
            yield Finding("WARN" if busy else "PASS", "other devices", message)


def _uncounted_power_w(measurements: Iterable[Measurement | None]) -> dict[Device, float]:
    """Of the boards of the meter that counts: another meter beside it reads the workload's own boards too."""
    powers_w: dict[Device, list[float]] = {}
    for measurement in measurements:
        if measurement is not None and measurement.duration_s > 0:
            boards = [each for each in measurement.readings if each.device.component == "gpu"]
            meters = {each.meter for each in boards if each.counted} or {each.meter for each in boards[:1]}
            for each in boards:
                if each.meter in meters and not each.counted:
                    powers_w.setdefault(each.device, []).append(each.energy_j / measurement.duration_s)
    return {device: fmean(values) for device, values in powers_w.items()}
