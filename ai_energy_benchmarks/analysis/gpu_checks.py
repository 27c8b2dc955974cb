"""The checks on which GPUs count: a counted one that stayed idle, one that worked uncounted, one that is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from ai_energy_benchmarks.analysis.gpu_use import GpuUse, Window, gpu_uses
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.domain.gpu_choice import GpuBasis, GpuChoice
from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding, Level

NAME_THEM = "fix: name the engine's GPUs in backend.device_ids"
_BASES: dict[GpuBasis, str] = {
    "engine": "as the engine reports them",
    "device_ids": "as backend.device_ids names them",
    "processes": "as the driver lists the engine's processes on them",
}
_STUCK = (
    "its energy is not that of the work; fix: compare its power with nvidia-smi under load, restart the driver or "
    "take another meter, and measure again"
)
# A GPU outside the workload that draws so much more than at rest disturbs what is next to it.
OTHER_GPU = 0.10


def gpu_findings(
    trials: Sequence[Trial], steps: Sequence[Step], samples: Samples, *, served: bool
) -> Iterator[Finding]:
    """All findings on whether the right GPUs were counted.

    Args:
        served: whether the engine is a server: nothing in this process then says which GPUs it uses.
    """
    chosen = counting_trials(trials)
    uses = gpu_uses(chosen, steps, samples)
    meters = {use.meter for use in uses if use.counted} or {use.meter for use in uses[:1]}
    uses = tuple(use for use in uses if use.meter in meters)
    counted = [use for use in uses if use.counted]
    choice = _choice(chosen)
    yield from _counted(counted, choice)
    none_worked = not any(map(_at_work, counted))
    for use in uses:
        if not use.counted:
            yield from _uncounted(use, choice, served=served, none_worked=none_worked)


def unknown_findings(summary: Summary, backend: str) -> Iterator[Finding]:
    """The finding on a server of which it is not known whether it uses a GPU; none if a GPU counts."""
    if all(component.component != "gpu" for component in summary.components):
        why = summary.absent.get("gpu", "no meter sees one")
        message = f"it is not known whether the {backend} server uses a GPU ({why}); if it does, its energy is missing"
        fix = "fix: name its GPUs in backend.device_ids, or set backend.device: cpu if it uses none"
        yield Finding("WARN", "GPU use", f"{message} in the total, the emissions and the cost; {fix}")


def _choice(trials: Sequence[Trial]) -> GpuChoice | None:
    choices = [trial.measurement.gpu_choice for trial in trials if trial.measurement is not None]
    return next((choice for choice in reversed(choices) if choice is not None), None)


def _counted(uses: Sequence[GpuUse], choice: GpuChoice | None) -> Iterator[Finding]:
    idle = [use for use in uses if use.idle]
    for use in idle:
        message = f"{use.name} is counted, but stayed idle in all trials: {_did(use)}"
        yield Finding("FAIL", "counted GPU idle", f"{message}; {NAME_THEM}", "gpu")
    for use in uses:
        if use.power_stands_still:
            message = f"{use.name} reports the same power at full work as at rest: {_did(use)}"
            yield Finding("FAIL", "GPU power", f"{message}; {_STUCK}", "gpu")
    if uses and not idle and choice is not None and choice.basis in _BASES:
        names = ", ".join(use.name for use in uses)
        yield Finding("PASS", "GPUs counted", f"{names}, {_BASES[choice.basis]}", "gpu")


def _uncounted(use: GpuUse, choice: GpuChoice | None, *, served: bool, none_worked: bool) -> Iterator[Finding]:
    """The lines of a GPU that does not count; none if it rested, or nothing is known of its rest."""
    of_engine = choice is not None and use.device.id in choice.engine_gpus
    named = choice is not None and choice.basis == "device_ids"
    if use.worked or (_at_work(use) and none_worked):
        fails = served and (of_engine or none_worked)
        level: Level = "FAIL" if fails else "WARN"
        whose = "; the driver lists processes of the engine on it" if of_engine else ""
        nothing = " and no counted GPU did" if none_worked else ""
        message = f"{use.name} worked in the trials{nothing}, but is not counted{whose}: {_did(use)}"
        yield Finding(level, "uncounted GPU worked", f"{message}; {NAME_THEM}", "gpu" if fails else None)
        return
    if of_engine and named:
        message = f"the driver lists processes of the engine on {use.name}, which is not counted"
        yield Finding("WARN", "uncounted GPU worked", f"{message}: {_did(use)}; {NAME_THEM}", "gpu")
        return
    power_w = _power_w(use.trials)
    at_rest_w = _power_w(use.rests)
    if power_w is not None and at_rest_w is not None:
        message = f"{use.name}, which is not counted, drew {power_w:.3g} W; at rest {at_rest_w:.3g} W"
        yield Finding("WARN" if power_w > at_rest_w * (1 + OTHER_GPU) else "PASS", "other devices", message)


def _at_work(use: GpuUse) -> bool | None:
    """Whether it worked, as far as that is known: without a rest it may have worked for others all the time."""
    return use.busy if use.worked is None else use.worked


def _did(use: GpuUse) -> str:
    """Utilization and power in the trials and at rest, as far as they are known."""
    percents = [trial.highest_percent for trial in use.trials if trial.highest_percent is not None]
    power_w = _power_w(use.trials)
    parts = [f"at most {max(percents):.0f} % of utilization"] if percents else []
    parts += [] if power_w is None else [f"{power_w:.3g} W"]
    parts += [] if use.idle_w is None else [f"at rest {use.idle_w:.3g} W"]
    return ", ".join(parts)


def _power_w(windows: Sequence[Window]) -> float | None:
    powers_w = [window.power_w for window in windows if window.power_w is not None]
    return fmean(powers_w) if powers_w else None
