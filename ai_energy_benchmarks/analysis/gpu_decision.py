"""Which GPUs count, where no meter knew it before the trials: those that worked in them and rested before."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.gpu_use import GpuUse, gpu_uses
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.domain.gpu_choice import GpuChoice
from ai_energy_benchmarks.domain.power import Component, Measurement, Samples
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.verdict import Finding

CHECK = "GPUs by activity"
FIX = "fix: name the engine's GPUs in backend.device_ids"


@frozen
class Decided:
    """Trials and steps with the GPUs that count marked as such.

    Attributes:
        findings: what the reader must know of how they were found.
    """

    trials: tuple[Trial, ...]
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()


@frozen
class _Picked:
    """GPUs of one meter, and how they are known."""

    ids: frozenset[str]
    meter: str
    choice: GpuChoice

    def mark(self, measurement: Measurement | None) -> Measurement | None:
        """The measurement with these GPUs counted, where it left open which count."""
        if measurement is None or not _open(measurement.gpu_choice):
            return measurement
        readings = tuple(
            evolve(each, counted=True) if each.device.id in self.ids and each.meter == self.meter else each
            for each in measurement.readings
        )
        absent: dict[Component, str] = {name: why for name, why in measurement.absent.items() if name != "gpu"}
        return evolve(measurement, readings=readings, absent=absent, gpu_choice=self.choice)


def decide(trials: Sequence[Trial], steps: Sequence[Step], samples: Samples) -> Decided:
    """Mark the GPUs that count where the meters left that open; everything else stays as it was.

    A server may load its model with the first request, so that its processes are found only then: what the last trial
    knew holds for all windows before it. Where even that is unknown, the GPUs count that worked and had rested.
    """
    measured = [each.measurement for each in trials if each.measurement is not None]
    if not any(_open(each.gpu_choice) for each in measured) and not any(
        _open(each.measurement.gpu_choice) for each in steps if each.measurement is not None
    ):
        return Decided(tuple(trials), tuple(steps))
    known = _known_later(measured)
    if known is not None:
        return _marked(trials, steps, known)
    uses = gpu_uses(counting_trials(trials), steps, samples)
    working = [each for each in uses if each.worked]
    if not working:
        why = _why_none(uses)
        return Decided(tuple(_without(each, why) for each in trials), tuple(steps))
    meter = working[0].meter
    mine = [each for each in working if each.meter == meter]
    choice = next(each.gpu_choice for each in reversed(measured) if each.gpu_choice is not None)
    picked = _Picked(frozenset(each.device.id for each in mine), meter, evolve(choice, basis="activity"))
    names = ", ".join(each.name for each in mine)
    message = f"by activity: {names} worked in the trials and rested before; which GPUs the engine uses is not known"
    finding = Finding("WARN", CHECK, f"{message}: {choice.why}; {FIX}", "gpu")
    return evolve(_marked(trials, steps, picked), findings=(finding,))


def _open(choice: GpuChoice | None) -> bool:
    return choice is not None and choice.basis == "unknown" and choice.by_activity


def _known_later(measured: Sequence[Measurement]) -> _Picked | None:
    """What the last window knew for sure; None if that is nothing."""
    if not measured:
        return None
    last = measured[-1]
    gpus = [each for each in last.readings if each.counted and each.device.component == "gpu"]
    if last.gpu_choice is None or _open(last.gpu_choice) or not gpus:
        return None
    return _Picked(frozenset(each.device.id for each in gpus), gpus[0].meter, last.gpu_choice)


def _marked(trials: Sequence[Trial], steps: Sequence[Step], picked: _Picked) -> Decided:
    return Decided(
        tuple(evolve(each, measurement=picked.mark(each.measurement)) for each in trials),
        tuple(evolve(each, measurement=picked.mark(each.measurement)) for each in steps),
    )


def _why_none(uses: Collection[GpuUse]) -> str:
    """Why activity does not show which GPUs count either."""
    if any(each.worked is None for each in uses):
        return "and without a resident idle no GPU is known to have rested before the trials"
    if not uses:
        return "and no GPU was read in the trials"
    return "and no GPU worked in the trials and rested before"


def _without(trial: Trial, why: str) -> Trial:
    measurement = trial.measurement
    if measurement is None or not _open(measurement.gpu_choice):
        return trial
    reason = measurement.gpu_choice.why if measurement.gpu_choice is not None else ""
    absent = f"which GPUs the engine uses is not known: {reason}, {why}; {FIX}"
    return evolve(trial, measurement=evolve(measurement, absent={**measurement.absent, "gpu": absent}))
