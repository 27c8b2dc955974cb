"""The steady figure at the context of a steady state: against long runs, stored, and where slices do not show it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.derived import derive_steady
from ai_energy_benchmarks.analysis.mix_checks import mix_findings
from ai_energy_benchmarks.analysis.steady_checks import steady_findings
from ai_energy_benchmarks.analysis.steady_mix import shift
from ai_energy_benchmarks.analysis.steady_slices import Mix, Slice, pass_mix, window_mix, work_slices
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.config.model import ReporterConfig
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.summary import ComponentEnergy, SteadyMix, SteadyState
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reanalysis.recompute import differences, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import Engine, VirtualCollector
from ai_energy_benchmarks.testing.engine import long_run_j
from tests.unit.test_steady import Bench, Numbered, constant, found, heavy_tailed, lognormal

YOUNG = [100] * 470 + [8000] * 10
CHECK = "context of the steady state"


def costly(seed: int) -> Engine:
    """An engine whose batch, context and prefill cost what the dice say."""
    dice = random.Random(seed)
    base_s, context_s, prefill_s = dice.uniform(4e-3, 2e-2), dice.uniform(1e-8, 1e-7), dice.uniform(1e-5, 2e-4)
    rest_w, top_w, knee = dice.uniform(100, 300), dice.uniform(500, 1000), dice.choice([5e4, 2e5, 1e6])

    def seconds(batch: int, context_tokens: float, prefill_tokens: int) -> float:
        return base_s + 2e-5 * batch + context_s * context_tokens + prefill_s * prefill_tokens

    def watts(batch: int, context_tokens: float, prefill_tokens: int) -> float:
        return top_w - (top_w - rest_w) * math.exp(-batch / 60 - context_tokens / knee - prefill_tokens / 2e3)

    return Engine(seconds=seconds, watts=watts)


def steady_of(result: BenchmarkResult) -> tuple[SteadyState, SteadyMix, ComponentEnergy]:
    steady = result.summary.steady
    assert steady is not None
    assert steady.mix is not None
    return steady, steady.mix, steady.components[0]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("length", [constant, lognormal, heavy_tailed])
def test_any_server_is_measured_to_two_percent(length: object, seed: int) -> None:
    """Whatever batch, context and prefill cost: the truth is a long run of the same requests, within the bounds."""
    dice = random.Random(seed)
    lengths = [length(dice) for _ in range(240)]  # type: ignore[operator] # one of three functions
    steady, mix, gpu = steady_of(Bench(8, lengths, engine=costly(seed)).result())
    truth_j = long_run_j(costly(seed), 8, lengths * 8)
    assert gpu.per_output_token_j is not None
    assert gpu.per_output_token_j.mean == pytest.approx(truth_j, rel=0.01)
    if mix.corrected:
        assert gpu.per_output_token_bounds_j is not None
        assert gpu.per_output_token_bounds_j.low <= truth_j <= gpu.per_output_token_bounds_j.high
        assert steady.output_tokens_per_s != mix.window_tokens_per_s


@pytest.mark.parametrize(
    "length", [heavy_tailed, *(pytest.param(each, marks=pytest.mark.heavy) for each in (constant, lognormal))]
)
def test_sixty_four_in_flight_are_measured_to_two_percent(length: object) -> None:
    """With 64 in flight a context of 40 ns a token makes heavy-tailed requests cost 3 % less in the window."""
    dice = random.Random("0 short")
    lengths = [length(dice) for _ in range(1920)]  # type: ignore[operator] # one of three functions
    _, _, gpu = steady_of(Bench(64, lengths).result())
    assert gpu.per_output_token_j is not None
    assert gpu.per_output_token_j.mean == pytest.approx(long_run_j(Engine(), 64, lengths * 8), rel=0.005)


def test_both_figures_are_reported() -> None:
    """The window's and the steady state's, in the verdict and in the report; what follows from one follows it."""
    result = Bench(16, YOUNG).result()
    steady, mix, gpu = steady_of(result)
    assert mix.corrected
    assert mix.window_context_tokens < 0.95 * mix.steady_context_tokens
    assert gpu.per_output_token_j is not None
    assert gpu.per_output_token_window_j == pytest.approx(gpu.energy_j / steady.output_tokens)
    mean_j = gpu.per_output_token_j.mean
    assert mean_j > gpu.per_output_token_window_j
    assert steady.output_tokens_per_s < mix.window_tokens_per_s
    [(level, message), *_] = found(result, CHECK)
    assert level == "INFO"
    assert f"{gpu.per_output_token_window_j:.4g} J/output token in the window, {mean_j:.4g}" in message
    assert not [message for _, message in found(result, "steady state") if "tokens of context" in message]
    block = report_document(result)["derived"]["gpu"]["steady"]
    assert block["j_per_output_token"]["value"] == mean_j
    assert block["j_per_output_token_in_window"] == gpu.per_output_token_window_j
    figures = derive_steady(result.summary, gpu)
    assert figures.output_tokens_per_j is not None
    assert figures.output_tokens_per_j.best == pytest.approx(1 / mean_j)
    assert figures.per_prompt_token_j is not None
    assert figures.per_prompt_token_j.best == pytest.approx(mean_j / mix.steady_prompt_tokens)
    assert "with other requests of the same kind" in " ".join(message for _, message in found(result, CHECK))


def test_a_change_of_more_than_a_tenth_warns() -> None:
    """Such a figure rests on the slices more than on the window."""
    steady, _, gpu = steady_of(Bench(16, YOUNG).result())
    assert gpu.per_output_token_j is not None
    far = evolve(gpu, per_output_token_window_j=0.85 * gpu.per_output_token_j.mean)
    levels = [each.level for each in mix_findings(evolve(steady, components=(far,)))]
    assert levels[0] == "WARN"


def test_without_slices_the_window_leads_and_young_requests_warn() -> None:
    """So do results of versions that stored none."""
    result = Bench(16, YOUNG).result()
    (trial,) = result.trials
    assert trial.steady is not None
    older = evolve(trial, steady=evolve(trial.steady, slices=None))
    summary = summarise([older], result.steps)
    assert summary.steady is not None
    assert summary.steady.mix is None
    messages = [each.message for each in steady_findings([older], summary) if each.level == "WARN"]
    assert any("tokens of context against the pass" in message and "would do" in message for message in messages)


def test_reanalysis_makes_the_same_figure_again(tmp_path: Path) -> None:
    """Bit for bit, from what is stored."""
    bench = Bench(16, YOUNG)
    config = evolve(bench.config, output_dir=tmp_path, reporters=(ReporterConfig("json"), ReporterConfig("parquet")))
    result = BenchmarkRunner(
        config,
        backend=bench.server,
        collector=VirtualCollector(bench.clock, bench.server.engine),
        dataset=Numbered(),  # type: ignore[arg-type] # made by hand: no from_settings
        clock=bench.clock,
    ).run()
    again = reanalyse(tmp_path)
    assert differences(again, tmp_path) == ()
    assert result["steady_state"]["mix"]["corrected"]
    for block in ("derived", "steady_state"):
        assert (
            report_document(again)[block] == result[block] == json.loads((tmp_path / "result.json").read_text())[block]
        )


def _slices(costs: list[float], contexts: list[float]) -> tuple[list[Slice], list[float]]:
    slices = [Slice(1.0, 100.0, Mix(context, 0.3)) for context in contexts]
    return slices, [100.0 * cost for cost in costs]


def test_a_straight_line_is_followed() -> None:
    """A token that costs 1 J and 1 mJ more for each token of context, at 900 in place of 700."""
    contexts = [500.0 + 10 * number for number in range(41)]
    slices, amounts = _slices([1 + 1e-3 * context for context in contexts], contexts)
    found_shift = shift(slices, amounts, Mix(900.0, 0.3))
    assert found_shift is not None
    assert found_shift.change == pytest.approx(0.2)
    assert found_shift.half_width == pytest.approx(0.02)
    assert found_shift.measured == pytest.approx(1.7)


def test_context_and_prefill_are_told_apart() -> None:
    """1 mJ a token of context and 0.5 J a computed prompt token, which vary on their own: each has its own slope."""
    parts = [(500.0 + 10 * number, 0.2 + 0.02 * (number * 7 % 11)) for number in range(41)]
    slices = [Slice(1.0, 100.0, Mix(context, prompt)) for context, prompt in parts]
    amounts = [100.0 * (1 + 1e-3 * context + 0.5 * prompt) for context, prompt in parts]
    both = shift(slices, amounts, Mix(760.0, 0.4))
    mean = window_mix(slices)
    assert both is not None
    assert both.slopes == (pytest.approx(1e-3), pytest.approx(0.5))
    expected = 1e-3 * (760 - mean.context_tokens) + 0.5 * (0.4 - mean.prompt_tokens)
    assert both.change == pytest.approx(expected)


def test_what_does_not_vary_costs_nothing_that_could_be_known() -> None:
    """Equal contexts show the slope of the prefill alone, and equal slices none."""
    prompts = [0.2 + 0.01 * number for number in range(41)]
    slices = [Slice(1.0, 100.0, Mix(700.0, prompt)) for prompt in prompts]
    by_prompt = shift(slices, [100.0 * (1 + 0.5 * prompt) for prompt in prompts], Mix(700.0, 0.5))
    assert by_prompt is not None
    assert by_prompt.slopes == (0.0, pytest.approx(0.5))
    assert by_prompt.change == pytest.approx(0.5 * (0.5 - 0.4))
    equal = shift([Slice(1.0, 100.0, Mix(700.0, 0.3))] * 41, [100.0] * 41, Mix(700.0, 0.5))
    assert equal is not None
    assert (equal.change, equal.slopes, equal.measured) == (0.0, (0.0, 0.0), 1.0)


def test_context_that_grows_with_prefill_takes_all_of_the_cost() -> None:
    """Where both vary alike the two cannot be told apart."""
    contexts = [500.0 + 10 * number for number in range(41)]
    slices = [Slice(1.0, 100.0, Mix(context, context / 1000)) for context in contexts]
    found_shift = shift(slices, [100.0 * (1 + 1e-3 * context) for context in contexts], Mix(800.0, 0.8))
    assert found_shift is not None
    assert found_shift.slopes == (pytest.approx(1e-3), 0.0)


@pytest.mark.parametrize(("context", "shown"), [(374.0, False), (376.0, True), (1124.0, True), (1126.0, False)])
def test_the_line_is_drawn_on_by_a_quarter_of_its_range(context: float, shown: bool) -> None:
    """Slices from 500 to 1,000 tokens show what 375 and 1,125 cost, and nothing beyond."""
    contexts = [500.0 + 12.5 * number for number in range(41)]
    slices, amounts = _slices([1 + 1e-5 * each for each in contexts], contexts)
    assert (shift(slices, amounts, Mix(context, 0.3)) is not None) is shown


def test_a_slope_that_may_be_chance_is_none() -> None:
    """So that noise says nothing of what other requests would cost; a true slope of twenty times the noise stays."""
    dice = random.Random(2)
    contexts = [500.0 + 10 * number for number in range(41)]
    slices, amounts = _slices([dice.gauss(1.0, 0.01) for _ in contexts], contexts)
    noise = shift(slices, amounts, Mix(800.0, 0.3))
    assert noise is not None
    assert noise.slopes == (0.0, 0.0)
    slices, amounts = _slices([1e-3 * context + dice.gauss(0.0, 0.01) for context in contexts], contexts)
    true = shift(slices, amounts, Mix(800.0, 0.3))
    assert true is not None
    assert true.slopes[0] == pytest.approx(1e-3, rel=0.1)


def test_slices_that_do_not_show_it_give_nothing() -> None:
    """A steady state far beyond all slices, and costs that jump about."""
    contexts = [500.0 + 10 * number for number in range(41)]
    slices, amounts = _slices([1.0] * 41, contexts)
    assert shift(slices, amounts, Mix(1100.0, 0.3)) is None
    dice = random.Random(1)
    slices, amounts = _slices([dice.uniform(0.5, 1.5) for _ in contexts], contexts)
    assert shift(slices, amounts, Mix(900.0, 0.3)) is None


@pytest.mark.parametrize("number", [1, 7])
def test_fewer_slices_than_parts_of_the_jackknife_show_nothing(number: int) -> None:
    """Without each of eight parts there would be no slice left, or the same ones again."""
    slices = [Slice(1.0, 100.0, Mix(700.0 + 10 * at, 0.3)) for at in range(number)]
    assert shift(slices, [100.0 + at for at in range(number)], Mix(700.0, 0.3)) is None


def test_slices_add_up_to_the_window() -> None:
    """Their tokens and times are those of the window, and the pass's mix is that of its own requests."""
    dice = random.Random(2)
    lengths = [lognormal(dice) for _ in range(240)]
    result = Bench(8, lengths).result()
    (trial,), steady = result.trials, result.summary.steady
    assert trial.steady is not None
    assert steady is not None
    slices = work_slices(trial, trial.steady)
    assert slices is not None
    assert sum(each.output_tokens for each in slices) == pytest.approx(steady.output_tokens)
    assert sum(each.duration_s for each in slices) == pytest.approx(steady.duration_s)
    mix = pass_mix(trial)
    assert mix is not None
    total = sum(lengths)
    assert mix.prompt_tokens == pytest.approx(240 * 100 / total)
    assert mix.context_tokens == pytest.approx(sum(each * (100 + each / 2) for each in lengths) / total)
