"""Parts of the report document that stand next to what AI Energy Score reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import asdict

from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.gpu_conditions import gpu_conditions
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.analysis.tokens import together
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.analysis.windows import is_resolved
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.domain.power import Reading, WorkloadShare
from ai_energy_benchmarks.domain.result import BenchmarkResult, Step, Trial
from ai_energy_benchmarks.domain.statistics import Distribution
from ai_energy_benchmarks.domain.summary import ComponentEnergy, SteadyState, SteadyTrial, Summary
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.results import units
from ai_energy_benchmarks.results.document.work_figures import steady_window, window_energies

# With more trials than this the document would pass 50 kB; the Parquet files hold every trial.
MOST_TRIALS = 30
NO_BOUNDS = "no meter: low and high hold how processor time was counted, and nothing of the model's error"


def components(summary: Summary) -> dict[str, Any]:
    """Energy of one pass by component, and of their ``total``, in joules and watts."""
    return {name: _component(component) for name, component in energies(summary).items()}


def _component(energy: ComponentEnergy) -> dict[str, Any]:
    return {
        "source": energy.provenance,
        "meter": energy.meter,
        "order_of_magnitude": energy.guessed,
        "resolved": energy.resolved,
        "sensor_gain_limit": energy.gain_limit,
        "sensor_gain_source": energy.gain_source or None,
        **units.energy_keys(energy.bounds_j, resolved=energy.resolved),
        "bounds_absent": NO_BOUNDS if energy.provenance == "modelled" else None,
        "idle_power_w": energy.idle_power_w,
        "idle_half_difference_w": energy.idle_half_difference_w,
        "net_energy_j": energy.net_energy_j if energy.resolved else None,
        **({"workload_share": _workload_share(energy, share)} if (share := energy.workload_share) else {}),
    }


def _workload_share(energy: ComponentEnergy, found: WorkloadShare) -> dict[str, Any]:
    """The workload's part of a component that others use too; by convention, so it stands apart from the energy."""
    shared = energy.resolved and energy.provenance != "modelled"
    return {
        "basis": "processor time of the workload over that of the whole machine",
        "share": found.share.best,
        "share_low": found.share.low,
        "share_high": found.share.high,
        "energy_j": energy.energy_j * found.share.best if shared else None,
    }


def latency_ms(summary: Summary) -> dict[str, Any]:
    """Mean and percentiles in milliseconds; null where nothing was seen.

    ``notes`` says of how many requests a latency is known, and why not of all. Where token events carry several
    tokens their gaps are under ``inter_chunk``, and ``itl`` is null.
    """
    return {
        "ttft": _in_ms(summary.ttft_s),
        "itl": _in_ms(summary.itl_s),
        "tpot": _in_ms(summary.tpot_s),
        "e2e": _in_ms(summary.e2e_s),
        "inter_chunk": _in_ms(summary.inter_chunk_s),
        "tokens_per_event": summary.tokens_per_event,
        "notes": dict(summary.latency_notes),
    }


def _in_ms(seconds: Distribution | None) -> dict[str, Any] | None:
    if seconds is None:
        return None
    return {key: value if key == "n" else units.ms(value) for key, value in asdict(seconds).items()}


def totals(trials: Sequence[Trial]) -> dict[str, Any]:
    """Sums over all trials, those that were cut short too; a component only if every trial has it."""
    counts = together(trial_figures(trial).counts for trial in trials)
    energy = [window_energies(trial.measurement) for trial in trials]
    return {
        "trials": len(trials),
        "requests": counts.succeeded + counts.failed,
        "failed": counts.failed,
        "duration_s": add_up(trial.duration_s for trial in trials),
        "prompt_tokens": counts.prompt_tokens,
        "output_tokens": counts.output_tokens,
        "token_sources": sorted(counts.sources),
        "energy_j": {
            name: _sum_j([part[name] for part in energy])
            for name in COMPONENTS
            if energy and all(name in part for part in energy)
        },
    }


def trial_rows(trials: Sequence[Trial], steady: SteadyState | None, clock_offset_s: float) -> dict[str, Any]:
    """Each trial with its own figures; past a limit only the number of those left out."""
    figures = {trial.number: trial for trial in steady.trials} if steady else {}
    rows = [_trial(trial, figures, clock_offset_s) for trial in trials[:MOST_TRIALS]]
    return {"trials": rows, "trials_left_out": len(trials) - len(rows)}


def _trial(trial: Trial, figures: Mapping[int, SteadyTrial], clock_offset_s: float) -> dict[str, Any]:
    counts = trial_figures(trial).counts
    return {
        "number": trial.number,
        "complete": trial.complete,
        "started_unix_s": trial.start_s + clock_offset_s,
        "duration_s": trial.duration_s,
        "requests": counts.succeeded + counts.failed,
        "failed": counts.failed,
        "prompt_tokens": counts.prompt_tokens,
        "output_tokens": counts.output_tokens,
        "energy": window_energies(trial.measurement),
        **({"client": asdict(trial.client)} if trial.client else {}),
        **({"server_counters": asdict(trial.server)} if trial.server else {}),
        **({"server_load": asdict(trial.server_load)} if trial.server_load else {}),
        **steady_window(trial, figures.get(trial.number), clock_offset_s),
    }


def step(step: Step, clock_offset_s: float) -> dict[str, Any]:
    """One step outside the trials with its duration and energy."""
    return {
        "name": step.name,
        "started_unix_s": step.start_s + clock_offset_s,
        "duration_s": step.duration_s,
        "energy": window_energies(step.measurement),
    }


def _sum_j(windows: Sequence[Mapping[str, float | None]]) -> float | None:
    """Sum of the estimates; None if one of them is withheld."""
    known = [energy_j for window in windows if (energy_j := window["energy_j"]) is not None]
    return add_up(known) if len(known) == len(windows) else None


def conditions(result: BenchmarkResult) -> list[dict[str, Any]]:
    """Clocks, temperature, power limit and brakes of each of the workload's GPUs: means over the complete trials."""
    return [
        {
            "id": gpu.id,
            "name": gpu.name,
            "sm_clock_mhz": None if gpu.sm_clock_hz is None else gpu.sm_clock_hz / 1e6,
            "temperature_celsius": gpu.temperature_celsius,
            "power_limit_w": gpu.power_limit_w,
            "throttled_share": dict(gpu.throttled),
        }
        for gpu in gpu_conditions(result.samples, result.trials)
    ]


def devices(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Every device that a meter saw, the workload's and others, with its mean energy per trial.

    A device counts if it does in every trial, as a component has a figure only then.
    """
    readings: dict[tuple[str, str, str], list[Reading]] = {}
    for reading in _readings(counting_trials(trials)):
        readings.setdefault((reading.device.component, reading.device.id, reading.meter), []).append(reading)
    return [
        {
            "component": component,
            "id": device_id,
            "label": own[0].device.label,
            "meter": meter,
            "source": own[0].provenance,
            "estimator": own[0].estimator,
            "counted": all(reading.counted for reading in own),
            **_mean_energy(own),
        }
        for (component, device_id, meter), own in readings.items()
    ]


def _mean_energy(own: Sequence[Reading]) -> dict[str, float | None]:
    mean_j = Bounds.mean([reading.bounds_j for reading in own])
    return units.energy_keys(mean_j, resolved=is_resolved(mean_j) and all(reading.settled for reading in own))


def _readings(trials: Iterable[Trial]) -> Iterable[Reading]:
    return (reading for trial in trials if trial.measurement for reading in trial.measurement.readings)
