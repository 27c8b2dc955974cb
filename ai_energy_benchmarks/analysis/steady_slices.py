"""What each slice of a steady window held: its tokens, the context before them, its prompts and its energy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, pairwise

from attrs import frozen

from ai_energy_benchmarks.analysis.filler_prompts import filler_prompts
from ai_energy_benchmarks.analysis.slice_work import SliceWork
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.analysis.windows import counted
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.sums import add_up


@frozen
class Mix:
    """What an output token brings with it on average.

    Attributes:
        context_tokens: tokens before it, prompt included: what attention reads for it.
        prompt_tokens: computed prompt tokens for each output token.
    """

    context_tokens: float
    prompt_tokens: float


@frozen
class Slice:
    """One slice of a steady window."""

    duration_s: float
    output_tokens: float
    mix: Mix


def pass_mix(trial: Trial) -> Mix | None:
    """That of all output tokens of the pass's own requests, which is the mean of a steady state of such requests.

    In a closed loop a slot always has a request, and every step makes a token of each. So the mean token of a steady
    state is the mean token of all requests, each from its first token to its last (renewal-reward theorem: Ross,
    Introduction to Probability Models, section 7.4).
    """
    counts, context = trial_figures(trial).counts, trial_figures(trial).facts.context_twice_tokens
    tokens = counts.output_tokens
    computed = counts.prompt_tokens - (counts.cached_prompt_tokens or 0)
    return Mix(context / 2 / tokens, computed / tokens) if tokens else None


def window_mix(slices: Sequence[Slice]) -> Mix:
    """That of all slices together."""
    tokens = add_up(each.output_tokens for each in slices)
    context = add_up(each.output_tokens * each.mix.context_tokens for each in slices)
    prompts = add_up(each.output_tokens * each.mix.prompt_tokens for each in slices)
    return Mix(context / tokens, prompts / tokens)


def work_slices(trial: Trial, window: SteadyWindow) -> list[Slice] | None:
    """Each slice of the window by the times of token events.

    Returns:
        None where the window has no slices, some answers show no events, or a slice has no token.
    """
    if window.slices is None:
        return None
    edges_s = window.slices.edges_s
    work = trial_figures(trial).slice_work
    if work is None or work.edges_s != edges_s:
        work = SliceWork(edges_s)
        of, prompts = trial_figures(trial).pace, filler_prompts(trial)
        for outcome in chain(trial.outcomes, trial.fillers):
            if isinstance(outcome, Completion):
                work.add(outcome, of, prompts)
    if work.unknown or not all(work.tokens):
        return None
    sums = zip(pairwise(edges_s), work.tokens, work.context, work.computed, strict=True)
    return [
        Slice(stop_s - start_s, made, Mix(read / made, prompt / made)) for (start_s, stop_s), made, read, prompt in sums
    ]


def slice_energies(window: SteadyWindow, components: Collection[Component]) -> list[float] | None:
    """Joules of the components together in each slice; None if a device that counts has none."""
    if window.slices is None or window.measurement is None:
        return None
    known = {(each.device_id, each.meter): each.energies_j for each in window.slices.devices}
    sums = [0.0] * (len(window.slices.edges_s) - 1)
    for reading in counted(window.measurement, components):
        energies_j = known.get((reading.device.id, reading.meter))
        if energies_j is None:
            return None
        sums = [each + more for each, more in zip(sums, energies_j, strict=True)]
    return sums
