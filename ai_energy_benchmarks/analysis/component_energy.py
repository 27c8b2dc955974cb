"""The energy of one component over several windows: mean, bounds, energy per output token, idle power."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from statistics import fmean
from typing import Literal

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.sensor_gain import gain_of, known_gain_uncertainty, meters_of_unknown_gain
from ai_energy_benchmarks.analysis.steady_mix import Shift
from ai_energy_benchmarks.analysis.windows import WindowEnergy, counted, devices, idle_power, is_resolved, window_energy
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import Component, shown
from ai_energy_benchmarks.domain.power import Measurement, WorkloadShare
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.statistics import Estimate, estimate_of
from ai_energy_benchmarks.domain.summary import ComponentEnergy, PerUnit


def component_energy(
    name: Component | Literal["total"],
    components: Collection[Component],
    trials: Sequence[Trial],
    tokens: Sequence[Bounds] | None,
    steps: Sequence[Step],
    *,
    shifts: Sequence[Shift] = (),
    amounts: Mapping[str, Sequence[float]] | None = None,
) -> ComponentEnergy:
    """Energy of the components together, the mean over the trials' windows.

    Args:
        components: each has a figure in every trial (``why_absent`` is None).
        tokens: output tokens of each window; None withholds energy per token.
        steps: the baselines that give the idle power.
        shifts: what is added to the energy per token of each trial, if anything.
        amounts: unit → what was produced of it in each window.
    """
    readings = [counted(measurement, components) for measurement in _measurements(trials)]
    windows = [window_energy(reading) for reading in readings]
    all_readings = tuple(chain.from_iterable(readings))
    all_components = window_energy(all_readings)
    bounds_j = Bounds.mean([window.bounds_j for window in windows])
    peaks_w = [window.peak_power_w for window in windows if window.peak_power_w is not None]
    idle = idle_power(steps, components, devices(all_readings), {step.name for step in steps})
    gain, gain_share = gain_of(all_readings), known_gain_uncertainty(all_readings)
    per_token = None if tokens is None else _per_output_token(windows, tokens, gain_share, shifts)
    per_pass_j = _of_a_window(windows, gain_share)
    per_amount = {name: _per_amount(windows, amount, gain_share) for name, amount in (amounts or {}).items()}
    modelled = all_components.provenance == "modelled"
    if modelled or _reaches_zero(per_pass_j):
        per_pass_j = _without_interval(per_pass_j)
    if per_token and (modelled or _reaches_zero(per_token.energy_j)):
        per_token = evolve(per_token, energy_j=_without_interval(per_token.energy_j))
    per_amount = {
        name: evolve(bounds, mean_j=_without_interval(bounds.mean_j))
        if bounds is not None and (modelled or _reaches_zero(bounds.mean_j))
        else bounds
        for name, bounds in per_amount.items()
    }
    return ComponentEnergy(
        component=name,
        provenance=all_components.provenance,
        meter=all_components.meter,
        bounds_j=bounds_j,
        resolved=is_resolved(bounds_j) and all(reading.settled for reading in all_readings),
        per_output_token_j=per_token.energy_j if per_token else None,
        idle_power_w=idle.mean_w if idle else None,
        idle_half_difference_w=idle.half_difference_w if idle else None,
        net_energy_j=bounds_j.best - idle.mean_w * fmean(trial.duration_s for trial in trials) if idle else None,
        peak_power_w=max(peaks_w) if len(peaks_w) == len(windows) else None,
        per_output_token_bounds_j=per_token.bounds_j if per_token else None,
        per_output_token_window_j=per_token.window_j if per_token and shifts else None,
        gain_limit=gain.limit if gain else None,
        gain_source=gain.source if gain else "",
        gain_unknown=meters_of_unknown_gain(all_readings),
        per_pass_j=per_pass_j,
        per_amount_j={name: bounds for name, bounds in per_amount.items() if bounds is not None},
        workload_share=_workload_share(name, trials),
        guessed=all_components.guessed,
    )


def _workload_share(name: str, trials: Sequence[Trial]) -> WorkloadShare | None:
    """Mean over trials; None if one of them has none."""
    shares = [share for seen in _measurements(trials) for share in seen.shares if share.component == name]
    if len(shares) < len(trials):
        return None
    return WorkloadShare(shares[0].component, Bounds.mean([share.share for share in shares]))


@frozen
class _PerToken:
    energy_j: Estimate
    bounds_j: Bounds
    window_j: float


def _per_output_token(
    windows: Sequence[WindowEnergy],
    tokens: Sequence[Bounds],
    gain_share: float | None,
    shifts: Sequence[Shift],
) -> _PerToken | None:
    """Means over trials of each trial's own ratio; None if a trial brought no output token."""
    if not all(of_trial.low > 0 for of_trial in tokens):
        return None
    ratios_j = [window.bounds_j.per(amount) for window, amount in zip(windows, tokens, strict=True)]
    window_j = fmean(ratio_j.best for ratio_j in ratios_j)
    if shifts:
        ratios_j = [_shifted(ratio_j, shift) for ratio_j, shift in zip(ratios_j, shifts, strict=True)]
    return _PerToken(estimate_of(ratios_j, gain_share), Bounds.mean(ratios_j), window_j)


def _shifted(ratio_j: Bounds, shift: Shift) -> Bounds:
    """A window's figure at the context and the prefill of a steady state, no less than nothing."""
    return Bounds(
        max(0.0, ratio_j.low + shift.change - shift.half_width),
        ratio_j.best + shift.change,
        ratio_j.high + shift.change + shift.half_width,
    )


def _per_amount(windows: Sequence[WindowEnergy], amounts: Sequence[float], gain_share: float | None) -> PerUnit | None:
    """The same of another unit; None if a trial brought nothing."""
    per = _per_output_token(windows, [Bounds.exact(amount) for amount in amounts], gain_share, ())
    return None if per is None else PerUnit(per.energy_j, per.bounds_j)


def _of_a_window(windows: Sequence[WindowEnergy], gain_share: float | None) -> Estimate:
    """Energy of one window, with the bounds of each trial and the sensor's gain."""
    return estimate_of([window.bounds_j for window in windows], gain_share)


def _reaches_zero(mean: Estimate) -> bool:
    """Whether the interval contains energy that cannot be: the trials scatter too much to resolve the mean."""
    half_width = mean.leading_half_width
    return half_width is not None and half_width >= mean.mean


def _without_interval(mean: Estimate) -> Estimate:
    """A model's error repeats in every trial, so neither their scatter nor the window's edges bound it."""
    return evolve(mean, half_width=None, half_width_with_gain=None)


def seen_in_part(trials: Sequence[Trial], absent: Collection[Component]) -> tuple[Component, ...]:
    """The absent components of which some trial has a reading that counts."""
    return tuple(
        component for component in absent if any(counted(seen, (component,)) for seen in _measurements(trials))
    )


def shown_components(trials: Sequence[Trial]) -> tuple[Component, ...]:
    """The components that figures of these trials speak of."""
    return shown({name for seen in _measurements(trials) for name in seen.reported})


def why_absent(trials: Sequence[Trial], component: Component) -> str | None:
    """Why the component has no figure; None if every trial saw the same devices of it."""
    if not _measurements(trials):
        return "nothing was measured"
    first = None
    for trial in trials:
        if trial.measurement is None:
            return f"trial {trial.number} was not measured"
        of_component = [reading for reading in trial.measurement.readings if reading.device.component == component]
        if not of_component:
            return trial.measurement.absent.get(component, f"no meter saw it in trial {trial.number}")
        of_workload = devices(reading for reading in of_component if reading.counted)
        if not of_workload:
            return trial.measurement.absent.get(component, "the workload uses none of the devices that were seen")
        first = first or of_workload
        if of_workload != first:
            missing = ", ".join(sorted(device.label or device.id for device in first ^ of_workload))
            return f"not every trial saw the same devices; {missing} came or went in trial {trial.number}"
    return None


def _measurements(trials: Iterable[Trial]) -> list[Measurement]:
    return [trial.measurement for trial in trials if trial.measurement is not None]
