"""The checks of the verdict that were not made, each with its reason: what nothing reported is neither good nor bad.

A check whose source is missing, constant or unreadable never passes: it passes by what was seen, and what was not seen
has a line "not checked" here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ai_energy_benchmarks.analysis.board_checks import unchecked_board_findings
from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.gpu_use import gpu_uses
from ai_energy_benchmarks.analysis.integration import SHORTEST_S, workload_boards
from ai_energy_benchmarks.analysis.machine_checks import unchecked_machine_findings
from ai_energy_benchmarks.analysis.stranger_checks import CHECK as STRANGERS
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.analysis.windows import BASELINES, counted, of_baseline
from ai_energy_benchmarks.domain.components import COMPONENTS, Component
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Device, Samples
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding, not_checked

# A trial is compared with at least two later ones; a trend and an outlier need as many.
_FEWEST_TRIALS = 3
_NO_REST = "its power at rest is not known"
_NEITHER = "neither its utilization nor its power at rest is known"


def unchecked_findings(
    found: Sequence[Finding],
    *,
    environment: Environment,
    trials: Sequence[Trial],
    steps: Sequence[Step],
    summary: Summary,
    samples: Samples,
    metrics_enabled: bool,
) -> Iterator[Finding]:
    """One line for each check that applies to this run and of which nothing was found.

    Args:
        found: the lines of all checks that were made.
        trials: of the run; without any there is nothing to check.
    """
    if not trials:
        return
    made = {finding.check for finding in found}
    run_wide = [*unchecked_machine_findings(environment, trials), *_server(trials)]
    yield from (finding for finding in run_wide if finding.check not in made)
    if metrics_enabled:
        whole = counting_trials(trials)
        yield from _repetition(whole, made)
        yield from _idle(summary, whole, steps)
        yield from unchecked_board_findings(samples, whole)
        yield from _gpus(found, whole, steps, samples)


def _server(trials: Sequence[Trial]) -> Iterator[Finding]:
    """What only a server's own counters show."""
    clients = [(trial, trial.client) for trial in trials if trial.client is not None]
    if not clients:
        return
    if all(client.loop_lag_s is None for _, client in clients):
        yield not_checked("client event loop", "the trials are too short for one look at it")
    counted = any(trial.server is not None and trial.server.output_tokens is not None for trial, _ in clients)
    why = "the server's counter of output tokens also holds those of requests that failed"
    yield not_checked("token counts", why if counted else "the server has no counter of output tokens, or restarted")
    yield not_checked("preemptions", "the server does not report how many requests it preempted")
    if any(trial.steady is not None for trial, _ in clients):
        yield not_checked("server load", "the server does not report how many requests it runs")


def _repetition(trials: Sequence[Trial], made: set[str]) -> Iterator[Finding]:
    n = len(trials)
    if n < _FEWEST_TRIALS:
        why = f"n = {n}, and it takes {_FEWEST_TRIALS} trials"
        yield from (not_checked(check, why) for check in ("first trial", "outliers", "trend") if check not in made)


def _idle(summary: Summary, trials: Sequence[Trial], steps: Sequence[Step]) -> Iterator[Finding]:
    seen = energies(summary)
    for component in (each for each in COMPONENTS if each in seen):
        energy = seen[component]
        if energy.provenance == "modelled" or energy.energy_j <= 0:  # a model has no power at rest
            continue
        if energy.idle_power_w is None:
            why = _passed_over(component, trials, steps, usable=False) or "no resident idle was measured for it"
            yield not_checked("idle share", f"{component.upper()}: {why}", component)
        if energy.idle_half_difference_w is None:
            passed_over = _passed_over(component, trials, steps, usable=energy.idle_power_w is not None)
            why = passed_over or "it takes a resident idle before the trials and one after them"
            yield not_checked("idle change", f"{component.upper()}: {why}", component)


def _passed_over(component: Component, trials: Sequence[Trial], steps: Sequence[Step], *, usable: bool) -> str:
    """Which baselines saw other devices than the trials did, so that they give no idle power; empty if none did.

    Args:
        usable: whether a baseline gave one. Re-analysis may take the bare idle for it, and where it gave none although
            a resident idle would, it did.
    """
    measured = [trial.measurement for trial in trials if trial.measurement is not None]
    of = frozenset(reading.device for part in measured for reading in counted(part, (component,)))
    readings = [(step.name, of_baseline(step, (component,), of)) for step in steps if step.measurement is not None]
    seen = [(name, frozenset(reading.device for reading in of_step)) for name, of_step in readings]
    resident = [(name, found) for name, found in seen if name in BASELINES]
    if not usable and any(found == of for _, found in resident):
        resident = [(name, found) for name, found in seen if name == "bare idle"]
    others = {name: found for name, found in resident if found != of and (found or name == "bare idle")}
    return "; ".join(f"its {name} saw {_names(found)}, the trials {_names(of)}" for name, found in others.items())


def _names(of: Collection[Device]) -> str:
    return ", ".join(sorted(device.id for device in of)) or "none of its devices"


def _gpus(
    found: Sequence[Finding], trials: Sequence[Trial], steps: Sequence[Step], samples: Samples
) -> Iterator[Finding]:
    """What the energy counters, the process lists and the rests of the workload's GPUs did not show."""
    devices = workload_boards(trials)
    if not devices:
        return
    made = {finding.check for finding in found}
    if "counter against power" not in made:
        yield not_checked("counter against power", _one_view(trials, devices, samples), "gpu")
    if STRANGERS not in made:
        yield not_checked(STRANGERS, "the meter has no list of the processes on the GPUs", "gpu")
    uses = gpu_uses(trials, steps, samples)
    # A second meter of the same GPUs has no lines of its own.
    meters = {use.meter for use in uses if use.counted}
    names: dict[tuple[str, str], list[str]] = {}
    for use in (each for each in uses if each.meter in meters):
        if use.counted and use.idle is None:
            names.setdefault(("counted GPU idle", _NEITHER), []).append(use.name)
        elif not use.counted and use.name not in _named(found):
            utilized = any(window.mean_percent is not None for window in use.trials)
            names.setdefault(("other devices", _NO_REST if utilized else _NEITHER), []).append(use.name)
    yield from (not_checked(check, f"{', '.join(of)}: {why}", "gpu") for (check, why), of in names.items())


def _named(found: Sequence[Finding]) -> str:
    return " ".join(finding.message for finding in found if finding.check in ("other devices", "uncounted GPU worked"))


def _one_view(trials: Sequence[Trial], devices: Collection[Device], samples: Samples) -> str:
    series = {(each.device, each.quantity): each for each in samples.series if len(each.values)}
    if all((device, "energy_j") not in series for device in devices):
        return "no series of an energy counter of the GPUs is stored"
    if max(trial.duration_s for trial in trials) < SHORTEST_S:
        return f"it takes a trial of {SHORTEST_S:g} s"
    powers = [series.get((device, quantity)) for device in devices for quantity in ("power_w", "average_power_w")]
    if not any(power is not None and any(power.values) for power in powers):
        return "the driver reports no power of the GPUs next to their energy"
    return "the readings of the counter or of the power do not last through a trial"
