"""Figures per token, per request and per second, from the means of one pass."""

from __future__ import annotations

from attrs import frozen

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import Carbon, Tariff
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.work import OUTPUT_TOKENS


@frozen
class Derived:
    """What one component's energy means per unit of work, with the meter's bounds; None where the work is none.

    Attributes:
        resolved: whether the figures may be quoted without their bounds; ``value`` returns one only then.
        request_resolved: the same for ``per_request_j``, which is the steady state's in the figures of a pass too.
        per_prompt_token_j: over the *computed* prompt tokens; those from a prefix cache cost no prefill.
        per_request_j: over the requests that succeeded; what failed ones used is in the numerator. Under concurrency
            it is the steady J per output token times the mean output tokens of a request of the pass: energy over
            completions would depend on where the pass was cut. None in a part of a run, where requests are cut.
        output_tokens_per_j: the inverse of J per output token, of the means.
    """

    resolved: bool
    request_resolved: bool
    per_output_token_j: Bounds | None
    per_prompt_token_j: Bounds | None
    per_total_token_j: Bounds | None
    per_request_j: Bounds | None
    output_tokens_per_j: Bounds | None
    average_power_w: Bounds | None
    peak_power_w: float | None

    def value(self, figure: Bounds | None) -> float | None:
        """The estimate of one of these figures where it is resolved."""
        return figure.best if figure is not None and self.resolved else None

    @property
    def request_j(self) -> float | None:
        """The estimate of ``per_request_j`` where it is resolved."""
        return self.per_request_j.best if self.per_request_j is not None and self.request_resolved else None


def derive(summary: Summary, energy: ComponentEnergy) -> Derived:
    """Divide one component's energy (or the total's) by the work of the pass."""
    # Where J per output token is withheld, so is all else that tokens are in.
    known = energy.per_output_token_j is not None
    prompts = _prompts_known(summary)
    whole_tokens = summary.whole_output_tokens
    all_tokens = summary.whole_prompt_tokens + whole_tokens
    return Derived(
        resolved=energy.resolved,
        request_resolved=steady_energies(summary).get(energy.component, energy).resolved,
        per_output_token_j=_per_output_token(energy),
        per_prompt_token_j=_share(energy, summary.whole_computed_prompt_tokens) if prompts else None,
        per_total_token_j=_share(energy, all_tokens) if known and prompts else None,
        per_request_j=_per_request(summary, energy),
        output_tokens_per_j=_per_joule(whole_tokens, energy.bounds_j) if known else None,
        average_power_w=_share(energy, summary.duration_s),
        peak_power_w=energy.peak_power_w,
    )


def derive_steady(summary: Summary, energy: ComponentEnergy) -> Derived:
    """The same for the steady state; ``energy`` is that of a component of ``summary.steady``."""
    steady = summary.steady
    assert steady is not None, "the energy is that of a steady state"
    known = energy.per_output_token_j is not None
    prompt_tokens = add_up(each.computed_prompt_tokens for each in steady.trials) / len(steady.trials)
    prompts_known = _prompts_known(summary)
    per_token, per_prompt = _per_output_token(energy), _share(energy, prompt_tokens) if prompts_known else None
    per_j = _per_joule(steady.output_tokens, energy.bounds_j) if known else None
    if steady.mix is not None and per_token is not None and energy.per_output_token_window_j is not None:
        # J per output token is that of a steady state's context and prefill, so what follows from it is too.
        prompts = steady.mix.steady_prompt_tokens if prompts_known else 0.0
        per_prompt, per_j = _times(per_token, 1 / prompts if prompts > 0 else 0.0), _per_joule(1.0, per_token)
    return Derived(
        resolved=energy.resolved,
        request_resolved=energy.resolved,
        per_output_token_j=per_token,
        per_prompt_token_j=per_prompt,
        per_total_token_j=None,
        per_request_j=_times(per_token, steady.request_output_tokens),
        output_tokens_per_j=per_j,
        average_power_w=_share(energy, steady.duration_s),
        peak_power_w=energy.peak_power_w,
    )


def steady_energies(summary: Summary) -> dict[Component | str, ComponentEnergy]:
    """Every component of the steady state, by name, and the ``total`` of them last; empty without a steady state."""
    steady = summary.steady
    if steady is None:
        return {}
    every = (*steady.components, *((steady.total,) if steady.total else ()))
    return {each.component: each for each in every}


def leading(summary: Summary, energy: ComponentEnergy) -> tuple[ComponentEnergy, Derived] | None:
    """The energy and the figures of a component that lead every report: the steady state's under concurrency.

    Args:
        energy: the component's energy of the whole pass.

    Returns:
        None where there should be a steady state and there is no figure of this component.
    """
    if summary.unit.name != OUTPUT_TOKENS:
        return energy, derive(summary, energy)
    if summary.steady is None:
        return None if _withholds(summary) else (energy, derive(summary, energy))
    steady = steady_energies(summary).get(energy.component)
    return None if steady is None else (steady, derive_steady(summary, steady))


def _withholds(summary: Summary) -> bool:
    """Whether fillers worked in the pass, so that its energy is not that of its requests, but no steady state is."""
    return bool(summary.steady_absent) and summary.whole_output_tokens > summary.output_tokens


def _per_request(summary: Summary, energy: ComponentEnergy) -> Bounds | None:
    if not summary.whole_requests or _withholds(summary):
        return None
    if summary.steady is None:
        return _share(energy, summary.succeeded)
    steady = steady_energies(summary).get(energy.component)
    return None if steady is None else derive_steady(summary, steady).per_request_j


def _prompts_known(summary: Summary) -> bool:
    """Whether prompt tokens may be in a figure, of the pass or of its steady state."""
    return summary.tokens_in_doubt is None and summary.prompt_tokens_in_doubt is None


def _times(figure: Bounds | None, amount: float) -> Bounds | None:
    return figure * amount if figure is not None and amount > 0 else None


def energies(summary: Summary) -> dict[Component | str, ComponentEnergy]:
    """Every component seen, by name, and the ``total`` of them last."""
    every = (*summary.components, *((summary.total,) if summary.total else ()))
    return {each.component: each for each in every}


def _per_output_token(energy: ComponentEnergy) -> Bounds | None:
    return None if energy.per_output_token_j is None else energy.per_output_token_bounds_j


def _share(energy: ComponentEnergy, amount: float) -> Bounds | None:
    # More cached than prompt tokens, which a server may report, leave less than none: a share would turn its bounds.
    return energy.bounds_j / amount if amount > 0 else None


def _per_joule(amount: float, energy_j: Bounds) -> Bounds | None:
    """What came of a joule; without an upper bound where the energy may be nothing."""
    if amount <= 0 or energy_j.high <= 0:
        return None
    high, best, low = (amount / each_j if each_j > 0 else float("inf") for each_j in energy_j)
    return Bounds(low, best, high)


def cost(energy_j: float, tariff: Tariff, wall_factor: float | None = None) -> float:
    """Price of the energy in the tariff's currency: kWh × price × PUE, at the wall where a factor is stated."""
    return energy_j * (wall_factor or 1.0) / 3.6e6 * tariff.price_per_kwh * tariff.pue


def emissions_g(energy_j: float, carbon: Carbon, wall_factor: float | None = None) -> float:
    """Grams of CO2-equivalent: kWh × intensity × PUE, at the wall where a factor is stated."""
    return energy_j * (wall_factor or 1.0) / 3.6e6 * carbon.intensity_g_per_kwh * carbon.pue
