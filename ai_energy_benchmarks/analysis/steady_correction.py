"""Whether the steady figures of a run need the context and the prefill of a steady state, and by how much."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import Literal

from attrs import field, frozen

from ai_energy_benchmarks.analysis.steady_mix import Shift, shift
from ai_energy_benchmarks.analysis.steady_slices import (
    Mix,
    Slice,
    pass_mix,
    slice_energies,
    window_mix,
    work_slices,
)
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyMix
from ai_energy_benchmarks.domain.sums import add_up

Group = Component | Literal["total"]


@frozen
class Correction:
    """What is added to the figures of each trial.

    Attributes:
        mix: None if the windows cannot be compared with a steady state.
        rate: to the seconds per output token of each trial; empty if nothing is.
        energies: to the joules per output token of each trial, by component; components without are as measured.
    """

    mix: SteadyMix | None = None
    rate: tuple[Shift, ...] = ()
    energies: Mapping[Group, tuple[Shift, ...]] = field(factory=dict)


@frozen
class _Case:
    trial: Trial
    window: SteadyWindow
    slices: Sequence[Slice]
    steady: Mix

    def energy(self, components: Collection[Component]) -> Shift | None:
        energies_j = slice_energies(self.window, components)
        return None if energies_j is None else shift(self.slices, energies_j, self.steady)

    def rate(self) -> Shift | None:
        return shift(self.slices, [part.duration_s for part in self.slices], self.steady)


def correction(
    trials: Sequence[Trial], windows: Sequence[SteadyWindow], groups: Mapping[Group, Collection[Component]]
) -> Correction:
    """All figures of a run are corrected alike, in every trial, as soon as one of them needs it.

    Args:
        groups: name of a figure → the components that it adds up; the first leads.
    """
    cases = [case for trial, window in zip(trials, windows, strict=True) if (case := _case(trial, window)) is not None]
    if not cases or len(cases) < len(trials):
        return Correction()
    rate = _complete([case.rate() for case in cases])
    energies = {name: _complete([case.energy(components) for case in cases]) for name, components in groups.items()}
    known = {name: shifts for name, shifts in energies.items() if shifts}
    corrected = any(change.matters for shifts in (rate, *known.values()) for change in shifts)
    means = [window_mix(case.slices) for case in cases]
    mix = SteadyMix(
        window_context_tokens=fmean(mean.context_tokens for mean in means),
        steady_context_tokens=fmean(case.steady.context_tokens for case in cases),
        window_prompt_tokens=fmean(mean.prompt_tokens for mean in means),
        steady_prompt_tokens=fmean(case.steady.prompt_tokens for case in cases),
        known=tuple(known),
        corrected=corrected,
        window_tokens_per_s=_tokens_per_s(cases),
        sampling=_sampling(cases[0].trial, cases[0].steady, next(iter(known.values()))[0]) if known else None,
    )
    return Correction(mix, rate, known) if corrected else Correction(mix)


def _case(trial: Trial, window: SteadyWindow) -> _Case | None:
    slices, steady = work_slices(trial, window), pass_mix(trial)
    return None if slices is None or steady is None else _Case(trial, window, slices, steady)


def _complete(shifts: Sequence[Shift | None]) -> tuple[Shift, ...]:
    """Those of all trials, or none."""
    known = tuple(change for change in shifts if change is not None)
    return known if len(known) == len(shifts) else ()


def _tokens_per_s(cases: Sequence[_Case]) -> float:
    slices = [part for case in cases for part in case.slices]
    return add_up(part.output_tokens for part in slices) / add_up(part.duration_s for part in slices)


def _sampling(trial: Trial, steady: Mix, cost: Shift) -> float | None:
    """Relative standard error of a figure over the requests that might have been drawn in place of these.

    Context and prefill of a token are ratios of two sums over the requests, so their errors follow from how far each
    request is from them (Cochran, Sampling Techniques, 1977, section 2.11). A few very long answers dominate both.
    """
    figure = cost.measured + cost.change
    if figure <= 0:
        return None
    per_context, per_prompt = cost.slopes
    squares = 0.0
    for prompt_tokens, made, cached_tokens in trial.outcomes.token_counts():
        context = made * (prompt_tokens + made / 2 - steady.context_tokens)
        computed = prompt_tokens - (cached_tokens or 0)
        squares += (per_context * context + per_prompt * (computed - steady.prompt_tokens * made)) ** 2
    return math.sqrt(squares) / trial_figures(trial).counts.output_tokens / figure
