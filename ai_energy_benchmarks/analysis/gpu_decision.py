"""Which GPUs count, where no meter knew it before the trials: those that worked in them and rested before."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.gpu_use import GpuUse, gpu_uses
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.gpu_choice import GpuChoice
from ai_energy_benchmarks.domain.power import Measurement, Samples
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
        if measurement is None or not _left_open(measurement):
            return measurement
        readings = tuple(
            evolve(reading, counted=reading.device.id in self.ids and reading.meter == self.meter)
            if reading.device.component == "gpu"
            else reading
            for reading in measurement.readings
        )
        absent: dict[Component, str] = {name: why for name, why in measurement.absent.items() if name != "gpu"}
        return evolve(measurement, readings=readings, absent=absent, gpu_choice=self.choice)


def decide(trials: Sequence[Trial], steps: Sequence[Step], samples: Samples) -> Decided:
    """Mark the GPUs that count where the meters left that open; everything else stays as it was.

    Windows before the model was loaded count every GPU, and a server may load its model with the first request, so that
    its processes are found only then: what the last trial knew holds for all windows before it. Where even that is
    unknown, the GPUs count that worked and had rested.
    """
    measured = [trial.measurement for trial in trials if trial.measurement is not None]
    last = measured[-1] if measured else None
    if last is None or last.gpu_choice is None:
        return Decided(tuple(trials), tuple(steps))
    if not _open(last.gpu_choice):
        return _marked(trials, steps, _known(last, last.gpu_choice))
    uses = gpu_uses(counting_trials(trials), steps, samples)
    working = [use for use in uses if use.worked]
    if not working:
        return _without(trials, steps, last.gpu_choice, _why_none(uses))
    meter = working[0].meter
    mine = [use for use in working if use.meter == meter]
    choice = evolve(last.gpu_choice, basis="activity")
    names = ", ".join(use.name for use in mine)
    message = f"by activity: {names} worked in the trials and rested before; which GPUs the engine uses is not known"
    finding = Finding("WARN", CHECK, f"{message}: {choice.why}; {FIX}", "gpu")
    marked = _marked(trials, steps, _Picked(frozenset(use.device.id for use in mine), meter, choice))
    return evolve(marked, findings=(finding,))


def _open(choice: GpuChoice | None) -> bool:
    return choice is not None and choice.basis == "unknown" and choice.by_activity


def _left_open(measurement: Measurement) -> bool:
    """Whether the meter did not know which GPUs count, or had not been told yet."""
    gpus = any(reading.device.component == "gpu" for reading in measurement.readings)
    return _open(measurement.gpu_choice) or (measurement.gpu_choice is None and gpus)


def _known(last: Measurement, choice: GpuChoice) -> _Picked:
    gpus = [reading for reading in last.readings if reading.counted and reading.device.component == "gpu"]
    meter = next((gpu.meter for gpu in gpus), "")
    return _Picked(frozenset(gpu.device.id for gpu in gpus), meter, choice)


def _marked(trials: Sequence[Trial], steps: Sequence[Step], picked: _Picked) -> Decided:
    return Decided(
        tuple(evolve(trial, measurement=picked.mark(trial.measurement)) for trial in trials),
        tuple(evolve(step, measurement=picked.mark(step.measurement)) for step in steps),
    )


def _why_none(uses: Collection[GpuUse]) -> str:
    """Why activity does not show which GPUs count either."""
    if any(use.worked is None for use in uses):
        return "and without a resident idle no GPU is known to have rested before the trials"
    if not uses:
        return "and no GPU was read in the trials"
    return "and no GPU worked in the trials and rested before"


def _without(trials: Sequence[Trial], steps: Sequence[Step], choice: GpuChoice, why: str) -> Decided:
    """No GPU counts in any window; the trials say why."""
    absent = f"which GPUs the engine uses is not known: {choice.why}, {why}; {FIX}"
    decided = _marked(trials, steps, _Picked(frozenset(), "", choice))
    return evolve(decided, trials=tuple(_absent(trial, absent) for trial in decided.trials))


def _absent(trial: Trial, why: str) -> Trial:
    measurement = trial.measurement
    if measurement is None or not _open(measurement.gpu_choice):
        return trial
    return evolve(trial, measurement=evolve(measurement, absent={**measurement.absent, "gpu": why}))
