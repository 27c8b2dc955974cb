"""How far J per output token would lie elsewhere with other requests of the same kind: by hand, and from columns."""

from __future__ import annotations

import math

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.steady_correction import correction
from ai_energy_benchmarks.analysis.steady_mix import shift
from ai_energy_benchmarks.analysis.steady_slices import pass_mix, slice_energies, work_slices
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.completions import FailedCompletion
from ai_energy_benchmarks.domain.outcome_table import OutcomeTable
from ai_energy_benchmarks.domain.result import Trial
from tests.unit.test_steady import Bench
from tests.unit.test_steady_mix import YOUNG

GROUPS = {"gpu": ("gpu",)}


@pytest.fixture(scope="module")
def trial() -> Trial:
    """A pass whose slices show what context and prefill cost; some prompts were cached, and one request failed."""
    (trial,) = Bench(16, YOUNG).result().trials
    outcomes = list(trial.outcomes)
    outcomes[::7] = [evolve(outcome, cached_prompt_tokens=outcome.number % 5) for outcome in outcomes[::7]]
    outcomes[5] = FailedCompletion(5, "refused", outcomes[5].sent_s, outcomes[5].finished_s)
    return evolve(trial, outcomes=outcomes)


def test_the_error_is_that_of_two_ratios(trial: Trial) -> None:
    """The distance of each completion from the mix, at what context and prefill cost; a failure counts for nothing."""
    window, steady = trial.steady, pass_mix(trial)
    assert window is not None
    assert steady is not None
    slices, energies_j = work_slices(trial, window), slice_energies(window, ("gpu",))
    assert slices is not None
    assert energies_j is not None
    cost = shift(slices, energies_j, steady)
    assert cost is not None
    assert all(cost.slopes), "otherwise the test shows nothing"
    tokens, squares = 0, 0.0
    for done in trial.completions:
        tokens += done.output_tokens
        mean_context = done.prompt_tokens + done.output_tokens / 2
        computed = done.prompt_tokens - (done.cached_prompt_tokens or 0)
        context_j = cost.slopes[0] * (mean_context - steady.context_tokens) * done.output_tokens
        prefill_j = cost.slopes[1] * (computed - steady.prompt_tokens * done.output_tokens)
        squares += (context_j + prefill_j) ** 2
    mix = correction([trial], [window], GROUPS).mix
    assert mix is not None
    assert mix.sampling == pytest.approx(math.sqrt(squares) / tokens / (cost.measured + cost.change), rel=1e-12)


def test_columns_give_the_same_to_the_last_bit(trial: Trial) -> None:
    """Very many requests are never made into objects for it."""
    assert trial.steady is not None
    table = OutcomeTable(piece_rows=50)
    table.extend(trial.outcomes)
    in_columns = evolve(trial, outcomes=table)
    assert correction([in_columns], [trial.steady], GROUPS) == correction([trial], [trial.steady], GROUPS)


def test_prompts_in_doubt_correct_nothing(trial: Trial) -> None:
    """A shift by counts that cannot be true would be in every figure per output token: those of the window stand."""
    overcached = [evolve(each, cached_prompt_tokens=2 * each.prompt_tokens + 1) for each in trial.completions]
    for outcomes, corrected in ((trial.outcomes, True), (overcached, False)):
        summary = summarise([evolve(trial, outcomes=outcomes)], ())
        assert summary.steady is not None
        assert (summary.prompt_tokens_in_doubt is None) is corrected
        assert (summary.steady.mix is not None) is corrected
        (gpu,) = summary.steady.components
        assert (gpu.per_output_token_window_j is not None) is corrected
