"""One pass over the prompts in figures: means over trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Provenance, WorkloadShare
from ai_energy_benchmarks.domain.serving import Goodput
from ai_energy_benchmarks.domain.statistics import Distribution, Estimate
from ai_energy_benchmarks.domain.work import OUTPUT_TOKENS, Unit, unit


@frozen
class PerUnit:
    """Energy per unit of work.

    Attributes:
        mean_j: mean over trials with its scatter; of a modelled energy without an interval.
        bounds_j: the same with the meter's bounds.
    """

    mean_j: Estimate
    bounds_j: Bounds


@frozen
class ComponentEnergy:
    """Energy of one component over one pass: the mean over trials.

    Attributes:
        provenance: how the energy was obtained: ``measured``, ``integrated`` or ``modelled``.
        meter: which collector the figure comes from.
        component: ``total`` is the sum, trial by trial, of the components that ``Summary.total_components`` names.
        bounds_j: gross energy of the counted devices, with the meter's bounds averaged over trials.
        resolved: False if the bounds are too far apart for a bare number to be quoted.
        per_output_token_j: J per output token; None if tokens are missing or in doubt. A modelled one has its scatter
            over trials and no interval: a model's error is not in the scatter.
        per_output_token_bounds_j: the same with the meter's bounds; None where it is None.
        idle_power_w: mean of the two resident baselines; None if none was measured.
        idle_half_difference_w: half the difference of the two.
        net_energy_j: ``energy_j - idle_power_w * duration_s``; signed, never clamped.
        peak_power_w: highest power seen in any trial, summed over devices.
        gain_limit: how far the sensor may be off, as a share of its figure; None if that is not known.
        gain_source: who measured that.
        gain_unknown: the meters whose gain is not known, so that no interval includes it.
        per_output_token_window_j: J per output token as it was measured in a steady window, where
            ``per_output_token_j`` is that of the steady state's own context and prefill; None where they are the same.
        per_pass_j: energy of a pass with its 95 % intervals.
        guessed: whether a model's watts are a guess, so that the energy is good to an order of magnitude.
        per_amount_j: energy per unit of what was produced besides tokens, by the unit's name.
        workload_share: the workload's part of its busy time, where it is requested.
    """

    component: Component | Literal["total"]
    provenance: Provenance
    meter: str
    bounds_j: Bounds
    resolved: bool
    per_output_token_j: Estimate | None
    idle_power_w: float | None = None
    idle_half_difference_w: float | None = None
    net_energy_j: float | None = None
    peak_power_w: float | None = None
    per_output_token_bounds_j: Bounds | None = None
    per_output_token_window_j: float | None = None
    gain_limit: float | None = None
    gain_source: str = ""
    gain_unknown: tuple[str, ...] = ()
    per_pass_j: Estimate | None = None
    workload_share: WorkloadShare | None = None
    guessed: bool = False
    per_amount_j: Mapping[str, PerUnit] = field(factory=dict)

    @property
    def energy_j(self) -> float:
        """The best estimate."""
        return self.bounds_j.best

    def per(self, unit: Unit) -> PerUnit | None:
        """Energy per unit of work; None where there is none of it, or it is in doubt.

        Args:
            unit: a unit of work.
        """
        if unit.name != OUTPUT_TOKENS:
            return self.per_amount_j.get(unit.name)
        mean_j, bounds_j = self.per_output_token_j, self.per_output_token_bounds_j
        return None if mean_j is None or bounds_j is None else PerUnit(mean_j, bounds_j)


@frozen
class SteadyTrial:
    """The steady window of one trial in figures.

    Attributes:
        duration_s: of the window.
        number: of the trial.
        bounds_tokens: output tokens seen within the window, the fillers' too; the bounds differ where answers
            came without token events.
        half_output_tokens: those of the first half of its time and of the second.
        computed_prompt_tokens: prompt tokens, less cached ones, of the requests whose first token came within it.
        context_tokens: mean number of tokens before each output token of the window, prompt included; None where
            answers show no token events.
        pass_context_tokens: the same of all output tokens of the pass's own requests, as a steady state has it.
    """

    number: int
    duration_s: float
    bounds_tokens: Bounds
    half_output_tokens: tuple[float, float]
    computed_prompt_tokens: float
    context_tokens: float | None = None
    pass_context_tokens: float | None = None

    @property
    def output_tokens(self) -> float:
        """The best estimate of the tokens."""
        return self.bounds_tokens.best


@frozen
class SteadyMix:
    """What an output token brings with it, in the steady windows and in a steady state: means over trials.

    Attributes:
        window_context_tokens, steady_context_tokens: tokens before it, prompt included.
        window_prompt_tokens, steady_prompt_tokens: computed prompt tokens for each output token.
        known: the components of which the slices of the windows show what this costs.
        corrected: whether the figures are those of the steady state's context and prefill, since they differ from the
            windows' by more than 0.5 % and more than chance.
        window_tokens_per_s: output tokens per second as they were measured in the windows.
        sampling: relative standard error of J per output token of the leading component, were other requests of the
            same kind drawn; None if it is not known.
    """

    window_context_tokens: float
    steady_context_tokens: float
    window_prompt_tokens: float
    steady_prompt_tokens: float
    known: tuple[str, ...]
    corrected: bool
    window_tokens_per_s: float
    sampling: float | None = None


@frozen
class SteadyState:
    """The steady state of a pass under concurrency: means over trials, without ramp and drain.

    Attributes:
        output_tokens_per_s: output tokens per second of the steady windows.
        trials: one for each trial that the means are over.
        concurrency: requests in flight (N).
        duration_s, output_tokens: means over the trials.
        components, absent, total: as in ``Summary``, of the window's energy; their ``per_output_token_j`` is the
            headline, and None where the tokens of the window are known to no better than 2 %.
        tokens_absent: why no figure per output token is given; empty if there is one.
        request_output_tokens: mean output tokens of a request of the pass: energy per request is J per output token
            times these.
        latency_requests: requests of a pass that were sent within the window, whose latencies are pooled.
        left_out_requests: those sent before, the first N among them.
        filler_requests: fillers of a trial, which no latency and no count of requests holds.
        mix: context and prefill of the windows against those of a steady state; None if they cannot be compared.
    """

    trials: tuple[SteadyTrial, ...]
    concurrency: int
    duration_s: float
    output_tokens: float
    output_tokens_per_s: float
    components: tuple[ComponentEnergy, ...]
    absent: Mapping[Component, str]
    total: ComponentEnergy | None
    tokens_absent: str
    request_output_tokens: float
    latency_requests: float
    left_out_requests: float
    filler_requests: float
    mix: SteadyMix | None = None


@frozen
class Summary:
    """One pass over ``num_samples``: means over the complete trials (over all, if none is complete).

    Attributes:
        succeeded, failed: requests of one pass that did and did not finish.
        duration_s: of one pass.
        prompt_tokens: of one pass, templates included.
        output_tokens: of one pass.
        output_tokens_per_s: output tokens over the duration of the whole pass.
        reasoning_tokens: part of the output that is thinking; None if it cannot be distinguished.
        trials: how many trials the means are over.
        requests: requests of one pass.
        components: one entry per component that a meter could see.
        absent: component → why it is missing.
        cached_prompt_tokens: part of the prompt tokens that a prefix cache served, by the answers or else by the
            server's counter; None if neither says.
        total: the sum of the components that were measured or integrated, or of the modelled ones if there are no
            others; None for the reason in ``total_absent``.
        total_absent: why there is no total, and so no emissions and no cost; None if there is one.
        total_excludes: component with an energy of its own → why it is not in the total.
        prompt_tokens_in_doubt: why those of the prompts cannot be; only what they are in is withheld then.
        tokens_in_doubt: why the token counts cannot be trusted, so that nothing is published that tokens are in;
            None if they can.
        ttft_s, itl_s, tpot_s, e2e_s: latencies pooled over trials, None where nothing was seen.
        inter_chunk_s: the gaps between token events where these carry several tokens; ``itl_s`` is then None.
        tokens_per_event: output tokens over token events; None where no event was seen.
        latency_notes: latency by its field without ``_s`` → of how many requests it is known, and why not of all.
        goodput: None if no service-level objective was asked for.
        steady: the steady state, whose figures lead; None with one request in flight, or where there is none.
        steady_absent: why there is none although several requests were in flight.
        whole_output_tokens, whole_prompt_tokens, whole_computed_prompt_tokens: all tokens of the window, those of
            filler requests too; the last without what a prefix cache served.
        amounts: what was produced besides output tokens, by unit, with that of filler requests.
        pass_ttft_s, pass_e2e_s: means over all requests of the pass; ``ttft_s`` and the others are of those sent
            within the steady window where there is one.
        whole_requests: false in a part of a run: a request that is cut counts there, but is no unit of work.
    """

    trials: int
    requests: float
    succeeded: float
    failed: float
    duration_s: float
    prompt_tokens: float
    output_tokens: float
    output_tokens_per_s: float
    components: tuple[ComponentEnergy, ...]
    absent: Mapping[Component, str] = field(factory=dict)
    reasoning_tokens: float | None = None
    cached_prompt_tokens: float | None = None
    total: ComponentEnergy | None = None
    total_absent: str | None = None
    total_excludes: Mapping[Component, str] = field(factory=dict)
    tokens_in_doubt: str | None = None
    prompt_tokens_in_doubt: str | None = None
    ttft_s: Distribution | None = None
    itl_s: Distribution | None = None
    tpot_s: Distribution | None = None
    e2e_s: Distribution | None = None
    inter_chunk_s: Distribution | None = None
    tokens_per_event: float | None = None
    latency_notes: Mapping[str, str] = field(factory=dict)
    goodput: Goodput | None = None
    whole_requests: bool = True
    steady: SteadyState | None = None
    steady_absent: str = ""
    whole_output_tokens: float = 0.0
    whole_prompt_tokens: float = 0.0
    whole_computed_prompt_tokens: float = 0.0
    pass_ttft_s: float | None = None
    pass_e2e_s: float | None = None
    amounts: Mapping[str, float] = field(factory=dict)

    @property
    def unit(self) -> Unit:
        """What the pass is counted in: output tokens, unless it made none and something else."""
        return unit(OUTPUT_TOKENS if self.output_tokens or not self.amounts else next(iter(self.amounts)))

    @property
    def work(self) -> Mapping[str, float]:
        """What the pass produced, by unit."""
        return {OUTPUT_TOKENS: self.whole_output_tokens, **self.amounts}

    def units_per_s(self, name: str) -> float:
        """How much of a unit was produced each second.

        Args:
            name: of a unit of work, such as ``output_token`` or ``image``.
        """
        return self.work[name] / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def total_components(self) -> tuple[Component, ...]:
        """The components that the total adds up; empty if there is no total."""
        if self.total is None:
            return ()
        names = (each.component for each in self.components)
        return tuple(each for each in names if each != "total" and each not in self.total_excludes)
