"""Whether others ran on the workload's GPUs: a line that it was checked, or that it could not be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import Step, StepName, Trial
from ai_energy_benchmarks.domain.strangers import StrangerCheck
from ai_energy_benchmarks.domain.verdict import Finding

CHECK = "foreign process"
# Utilization of a GPU while no request is in flight.
_BUSY_AT_REST_PERCENT = 5.0
# Meters of GPUs whose libraries have no list of the processes on them.
_WITHOUT_LISTS = frozenset(("zeus", "codecarbon"))


def stranger_findings(trials: Sequence[Trial], steps: Sequence[Step], samples: Samples) -> Iterator[Finding]:
    """One line for each GPU of the workload, except that who was found by a meter has lines of the windows."""
    gpus: dict[str, list[StrangerCheck]] = {}
    reported: set[str] = set()
    for measurement in (trial.measurement for trial in trials if trial.measurement is not None):
        counted = {reading.device.id for reading in measurement.readings if reading.counted}
        reported.update(measurement.foreign_processes)
        for reading in measurement.readings:
            if reading.counted and reading.device.component == "gpu" and reading.meter in _WITHOUT_LISTS:
                check = StrangerCheck(reading.device.id, unchecked=f"{reading.meter} has no list of processes")
                gpus.setdefault(reading.device.id, []).append(check)
        for check in measurement.strangers:
            if check.gpu in counted or check.found in reported:
                gpus.setdefault(check.gpu, []).append(check)
    for gpu, checks in gpus.items():
        # Where it was found out after the trials which GPUs count, only now it is known whose strangers matter.
        for found in dict.fromkeys(check.found for check in checks if check.found is not None):
            if found not in reported:
                yield Finding("FAIL", CHECK, found, "gpu")
        why = next((check.unchecked for check in checks if check.unchecked is not None), None)
        if why is not None:
            message = (
                f"whether other processes ran on GPU {gpu} could not be checked: {why}{_at_rest(gpu, steps, samples)}"
            )
            yield Finding("WARN", CHECK, message, "gpu")
        elif all(check.found is None for check in checks):
            yield Finding("PASS", CHECK, f"no other process was seen on GPU {gpu} during the trials", "gpu")


def _at_rest(gpu: str, steps: Sequence[Step], samples: Samples) -> str:
    """What else speaks for or against others: power and utilization while no request was in flight."""
    bare_w, resident_w = (_power_w(gpu, name, steps) for name in ("bare idle", "resident idle"))
    witnesses = ""
    if bare_w is not None and resident_w is not None:
        witnesses = f"; at rest it drew {bare_w:.0f} W without the model and {resident_w:.0f} W with it"
    busy = _utilization(gpu, steps, samples)
    if busy is not None and busy > _BUSY_AT_REST_PERCENT:
        witnesses += f"; it was busy {busy:.0f} % of the time, though no request was in flight"
    return witnesses


def _power_w(gpu: str, name: StepName, steps: Sequence[Step]) -> float | None:
    measurements = [step.measurement for step in steps if step.name == name and step.measurement is not None]
    powers_w = [
        reading.energy_j / each.duration_s
        for each in measurements
        for reading in each.readings
        if reading.device.id == gpu and each.duration_s > 0
    ]
    return fmean(powers_w) if powers_w else None


def _utilization(gpu: str, steps: Sequence[Step], samples: Samples) -> float | None:
    rests = [(step.start_s, step.stop_s) for step in steps if step.name == "resident idle"]
    values = [
        value
        for series in samples.series
        if series.quantity == "utilization_percent" and series.device.id == gpu
        for time_s, value in zip(series.after_s, series.values, strict=True)
        if any(start_s + 1.0 <= time_s <= stop_s for start_s, stop_s in rests)  # it is a mean over up to a second
    ]
    return fmean(values) if values else None
