"""The checks on energy: whether a figure exists, is resolved, repeats, and stands clear of the idle power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.repetition import repetition_findings
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.analysis.windows import counted
from ai_energy_benchmarks.domain.components import COMPONENTS, Component
from ai_energy_benchmarks.domain.digits import between, known
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary
from ai_energy_benchmarks.domain.verdict import Finding, Level

# All limits are those of docs/measurement.md, "The verdict".
WIDE = 0.05
IDLE_CHANGE = 0.02
# The check of figures that are missing: a component that it names is one that the run should have measured.
ENERGY = "energy"
IDLE_SHARE = 0.50
# Whose devices the workload uses is not known yet in these steps.
_BEFORE_THE_MODEL = ("bare idle", "load")


def energy_findings(summary: Summary, trials: Sequence[Trial], steps: Sequence[Step], gpu: bool) -> Iterator[Finding]:
    """All findings on the energy of a benchmark whose meters were asked for."""
    seen = energies(summary)
    chosen = counting_trials(trials)
    if not seen:
        reasons = "; ".join(f"{name.upper()}: {reason}" for name, reason in summary.absent.items())
        yield Finding("FAIL", ENERGY, f"no meter reported the energy of any component ({reasons})")
    elif gpu and "gpu" not in seen:
        why = summary.absent.get("gpu", "no meter saw it")
        fix = "fix: let a meter see that GPU, or set backend.device: cpu if the engine runs on a CPU"
        yield Finding("FAIL", ENERGY, f"the model ran on a GPU whose energy is missing: {why}; {fix}", "gpu")
    else:
        yield from _lost(summary, trials, steps)
    for component in COMPONENTS:
        if component in seen:
            yield from _method(component, seen[component])
            yield from _resolution(component, seen[component], "a pass")
            yield from _idle(component, seen[component], summary.duration_s)
            yield from _workload_share(component, seen[component])
    steady = summary.steady
    for energy in steady.components if steady is not None else ():
        if energy.component != "total":
            yield from _resolution(energy.component, energy, "the steady state")
    yield from repetition_findings([each for each in COMPONENTS if each in seen], chosen, steady, summary.unit)


def _lost(summary: Summary, trials: Sequence[Trial], steps: Sequence[Step]) -> Iterator[Finding]:
    """Components that a meter saw under the model, but not in all of the trials."""
    windows = [each.measurement for each in trials]
    windows += [each.measurement for each in steps if each.name not in _BEFORE_THE_MODEL]
    for component, why in summary.absent.items():
        if any(counted(each, (component,)) for each in windows if each is not None):
            message = f"{component.upper()} energy is missing, though a meter saw it in a part of the run: {why}"
            yield Finding("FAIL", ENERGY, message, component)


def _method(component: Component, energy: ComponentEnergy) -> Iterator[Finding]:
    name = component.upper()
    if energy.provenance == "modelled":
        rough = " from a guess of the watts, an order of magnitude" if energy.guessed else ""
        message = (
            f"{name} energy is modelled{rough}, not measured; it cannot be ranked; fix: measure where a meter works"
        )
        yield Finding("WARN", "modelled energy", message, component)
    if "replay" in energy.meter.split(" + "):
        message = f"{name} energy is played back from a file, not measured in this run"
        yield Finding("WARN", "replayed energy", message, component)


def _resolution(component: Component, energy: ComponentEnergy, of: str) -> Iterator[Finding]:
    name = component.upper()
    if energy.energy_j <= 0:
        message = f"{name} energy of {of} is {energy.energy_j:.3g} J, which is no figure"
        yield Finding("FAIL", "window resolved", message, component)
        return
    share = energy.bounds_j.half_width / energy.energy_j
    level: Level = "FAIL" if not energy.resolved else "WARN" if share > WIDE else "PASS"
    bounds = f"{between(energy.bounds_j.low, energy.bounds_j.high)} J"
    longer = "" if level == "PASS" else "; a longer pass narrows them"
    message = f"{name} energy of {of} lies in {bounds}, ±{share:.1%}{longer}"
    if energy.provenance == "modelled":  # a ± would pass for the model's own error
        message = f"by its windows' timing alone the model of the {name} energy of {of} lies in {bounds}{longer}"
    yield Finding(level, "window resolved", message, component)


def _workload_share(component: Component, energy: ComponentEnergy) -> Iterator[Finding]:
    found, name = energy.workload_share, component.upper()
    if found is None:
        return
    if energy.provenance == "modelled":
        message = f"{name} energy is modelled from the workload's own processor time: there is nothing to share out"
        yield Finding("INFO", "workload share", message, component)
        return
    share = f"{found.share.best:.1%} [{found.share.low:.1%}, {found.share.high:.1%}]"
    part_j = known(found.share.best * energy.energy_j, (found.share.high - found.share.low) * energy.energy_j)
    part = f", {part_j} J of a pass," if energy.resolved else ""
    message = f"by processor time {share} of the {name} energy{part} is the workload's"
    message = f"{message}; that is a convention, not a measurement"
    yield Finding("INFO", "workload share", message, component)


def _idle(component: Component, energy: ComponentEnergy, duration_s: float) -> Iterator[Finding]:
    name = component.upper()
    if energy.idle_power_w is None or energy.energy_j <= 0:
        return
    if energy.idle_half_difference_w is not None:
        change_w = 2 * energy.idle_half_difference_w
        share = change_w * duration_s / energy.energy_j
        message = f"{name} idle power before and after differs by {change_w:.3g} W, {share:.1%} of a pass's energy"
        yield Finding("WARN" if share > IDLE_CHANGE else "PASS", "idle change", message, component)
    share = energy.idle_power_w * duration_s / energy.energy_j
    message = f"{name} idle power of {energy.idle_power_w:.3g} W is {share:.0%} of a pass's energy"
    if share > IDLE_SHARE:
        # Packages and memory at rest draw most of what they draw under a GPU's work: a fact of every server, and only
        # the net line suffers from it.
        level: Level = "WARN" if component == "gpu" else "INFO"
        yield Finding(level, "idle share", f"{message}: its net energy is unreliable", component)
    else:
        yield Finding("PASS", "idle share", message, component)
