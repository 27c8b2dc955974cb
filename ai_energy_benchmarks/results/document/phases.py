"""Energy by phase, split by time."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.analysis.time_shares import TimeShares, Undivided, time_shares
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary

METHOD = "energy of the pass times the share of its time; power is taken to be even"


@frozen
class PhaseEnergy:
    """One component's energy of one pass by phase.

    Attributes:
        preprocess_j: while no request was in flight.
        per_thinking_token_j, per_answer_token_j: each kind's own share of decode; None where these are not separable.
        whole_per_answer_token_j: the energy of the whole pass, thinking included, over the tokens of the answers.
    """

    preprocess_j: float
    prefill_j: float
    decode_j: float
    per_thinking_token_j: float | None
    per_answer_token_j: float | None
    whole_per_answer_token_j: float | None


@frozen
class Phases:
    """The split of a result, by component; ``total`` is their sum."""

    shares: TimeShares
    energy: Mapping[str, PhaseEnergy]
    method: str = METHOD


def phases_by_time(result: BenchmarkResult) -> Phases | Undivided:
    """Preprocess (no request in flight), prefill and decode of each component, and thinking apart from the answer.

    ``Undivided`` with the reason where several requests were in flight at a time, or the rows of a batch did not begin
    together. A component whose window is not resolved is left out.
    """
    shares = time_shares(counting_trials(result.trials))
    if isinstance(shares, Undivided):
        return shares
    split = {
        name: _split(each, shares, result.summary) for name, each in energies(result.summary).items() if each.resolved
    }
    return Phases(shares, split)


def _split(energy: ComponentEnergy, shares: TimeShares, summary: Summary) -> PhaseEnergy:
    thinking_tokens = None if summary.tokens_in_doubt else summary.reasoning_tokens
    answer_tokens = None if thinking_tokens is None else summary.output_tokens - thinking_tokens
    return PhaseEnergy(
        preprocess_j=energy.energy_j * shares.outside,
        prefill_j=energy.energy_j * shares.prefill,
        decode_j=energy.energy_j * shares.decode,
        per_thinking_token_j=_per(energy.energy_j, shares.thinking, thinking_tokens),
        per_answer_token_j=_per(energy.energy_j, shares.answer, answer_tokens),
        whole_per_answer_token_j=_per(energy.energy_j, 1.0, answer_tokens),
    )


def _per(energy_j: float, share: float | None, tokens: float | None) -> float | None:
    return energy_j * share / tokens if share is not None and tokens else None
