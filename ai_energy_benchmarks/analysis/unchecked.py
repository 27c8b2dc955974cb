"""The checks of the verdict that were not made, each with its reason: what nothing reported is neither good nor bad.

A check whose source is missing, constant or unreadable never passes: it passes by what was seen, and what was not seen
has a line "not checked" here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ai_energy_benchmarks.analysis.board_checks import unchecked_board_findings
from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.gpu_use import gpu_uses
from ai_energy_benchmarks.analysis.integration import SHORTEST_S, workload_boards
from ai_energy_benchmarks.analysis.machine_checks import unchecked_machine_findings
from ai_energy_benchmarks.analysis.stranger_checks import CHECK as STRANGERS
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Device, Samples
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding, not_checked

# A trial is compared with at least two later ones; a trend and an outlier need as many.
_FEWEST_TRIALS = 3


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
        yield from _idle(summary)
        yield from unchecked_board_findings(samples, whole)
        yield from _gpus(found, whole, steps, samples)


def _server(trials: Sequence[Trial]) -> Iterator[Finding]:
    """What only a server's own counters show."""
    served = [trial for trial in trials if trial.client is not None]
    if not served:
        return
    if all(trial.client is None or trial.client.loop_lag_s is None for trial in served):
        yield not_checked("client event loop", "the trials are too short for one look at it")
    counted = any(trial.server is not None and trial.server.output_tokens is not None for trial in served)
    why = "the server's counter of output tokens also holds those of requests that failed"
    yield not_checked("token counts", why if counted else "the server has no counter of output tokens, or restarted")
    yield not_checked("preemptions", "the server does not report how many requests it preempted")
    if any(trial.steady is not None for trial in served):
        yield not_checked("server load", "the server does not report how many requests it runs")


def _repetition(trials: Sequence[Trial], made: set[str]) -> Iterator[Finding]:
    n = len(trials)
    if 0 < n < _FEWEST_TRIALS:
        why = f"n = {n}, and it takes {_FEWEST_TRIALS} trials"
        yield from (not_checked(check, why) for check in ("first trial", "outliers", "trend") if check not in made)


def _idle(summary: Summary) -> Iterator[Finding]:
    seen = energies(summary)
    for component in (each for each in COMPONENTS if each in seen):
        energy = seen[component]
        if energy.provenance == "modelled" or energy.energy_j <= 0:  # a model has no power at rest
            continue
        if energy.idle_power_w is None:
            why = "no resident idle was measured for it"
            yield not_checked("idle share", f"{component.upper()}: {why}", component)
        if energy.idle_half_difference_w is None:
            why = "it takes a resident idle before the trials and one after them"
            yield not_checked("idle change", f"{component.upper()}: {why}", component)


def _gpus(
    found: Sequence[Finding], trials: Sequence[Trial], steps: Sequence[Step], samples: Samples
) -> Iterator[Finding]:
    """What the energy counters, the process lists and the rests of the workload's GPUs did not show."""
    devices = sorted(workload_boards(trials), key=lambda each: each.id)
    if not devices:
        return
    made = {finding.check for finding in found}
    if "counter against power" not in made:
        yield not_checked("counter against power", _one_view(trials, devices, samples), "gpu")
    if STRANGERS not in made:
        yield not_checked(STRANGERS, "the meter has no list of the processes on the GPUs", "gpu")
    meters = {reading.meter for each in trials if each.measurement for reading in each.measurement.readings}
    unknown: Mapping[str, list[str]] = {"counted GPU idle": [], "other devices": []}
    for use in (each for each in gpu_uses(trials, steps, samples) if each.meter in meters):
        if use.counted and use.idle is None:
            unknown["counted GPU idle"].append(use.name)
        elif not use.counted and (use.worked is None or not use.rests) and use.name not in _named(found):
            unknown["other devices"].append(use.name)
    why = "neither its utilization nor its power at rest is known"
    yield from (not_checked(check, f"{', '.join(names)}: {why}", "gpu") for check, names in unknown.items() if names)


def _named(found: Sequence[Finding]) -> str:
    return " ".join(finding.message for finding in found if finding.check in ("other devices", "uncounted GPU worked"))


def _one_view(trials: Sequence[Trial], devices: Sequence[Device], samples: Samples) -> str:
    series = {(each.device, each.quantity): each for each in samples.series if len(each.values)}
    if all((device, "energy_j") not in series for device in devices):
        return "no series of an energy counter of the GPUs is stored"
    if max(trial.duration_s for trial in trials) < SHORTEST_S:
        return f"it takes a trial of {SHORTEST_S:g} s"
    powers = [series.get((device, quantity)) for device in devices for quantity in ("power_w", "average_power_w")]
    if not any(power is not None and any(power.values) for power in powers):
        return "the driver reports no power of the GPUs next to their energy"
    return "the readings of the counter or of the power do not last through a trial"
