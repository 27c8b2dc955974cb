"""The steady state of a loaded server, in virtual time: against long runs, against the pass, and what is said of it."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.derived import derive
from ai_energy_benchmarks.analysis.steady import in_flight_mean, steady_span, steady_trial
from ai_energy_benchmarks.analysis.steady_checks import steady_findings
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.config.model import (
    BackendConfig,
    BenchmarkConfig,
    GenerateKwargs,
    LoadConfig,
    ProtocolConfig,
    ScenarioConfig,
    WarmupConfig,
)
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.prompts import Prompt, Request, Tokenizer
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import Engine, VirtualClock, VirtualCollector, VirtualServer
from ai_energy_benchmarks.testing.engine import long_run_j
from tests.factories import completion, failure


class Numbered:
    """A dataset whose prompts are their own numbers."""

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        return tuple(Prompt(index, str(index)) for index in range(count))


class Bench:
    """One run against a server in virtual time."""

    def __init__(self, concurrency: int, lengths: Sequence[int], *, trials: int = 1, **server: object) -> None:
        self.clock = VirtualClock()

        def length(request: Request) -> int:
            return lengths[request.prompt.index % len(lengths)]

        self.server = VirtualServer(self.clock, output_tokens=length, **server)  # type: ignore[arg-type] # under test
        self.config = BenchmarkConfig(
            backend=BackendConfig("openai", "virtual-model", endpoint="http://localhost:1/v1"),
            scenario=ScenarioConfig(num_samples=len(lengths), generate_kwargs=GenerateKwargs(max_new_tokens=8192)),
            load=LoadConfig(concurrency=concurrency),
            protocol=ProtocolConfig(
                bare_idle_s=0, resident_idle_s=5, warmup=WarmupConfig(requests=0), thermal_gate=False, trials=trials
            ),
        )

    def result(self) -> BenchmarkResult:
        return BenchmarkRunner(
            self.config,
            backend=self.server,
            collector=VirtualCollector(self.clock, self.server.engine),
            dataset=Numbered(),  # type: ignore[arg-type] # made by hand: no from_settings
            clock=self.clock,
            reporters=[],
        ).measure()


def found(result: BenchmarkResult, check: str) -> list[tuple[str, str]]:
    return [(each.level, each.message) for each in result.verdict.findings if each.check == check]


def steady_j(result: BenchmarkResult) -> float:
    assert result.summary.steady is not None
    (gpu,) = result.summary.steady.components
    assert gpu.per_output_token_j is not None
    return gpu.per_output_token_j.mean


def whole_j(result: BenchmarkResult) -> float:
    (gpu,) = result.summary.components
    assert gpu.per_output_token_j is not None
    return gpu.per_output_token_j.mean


def constant(dice: random.Random) -> int:
    return 256


def lognormal(dice: random.Random) -> int:
    return max(1, min(8192, round(dice.lognormvariate(5.3, 0.8))))


def heavy_tailed(dice: random.Random) -> int:
    return min(8192, round(64 * dice.paretovariate(1.3)))


@pytest.mark.parametrize("length", [constant, lognormal, heavy_tailed])
def test_thirty_requests_a_slot_find_the_steady_state(length: Callable[[random.Random], int]) -> None:
    """J per token within 2 % of a long run of the same requests, its first half discarded.

    ``scripts/perf/steady.py`` does the same for 64 and 256 in flight; its table is in docs/validation.md.
    """
    dice = random.Random(1)
    lengths = [length(dice) for _ in range(240)]
    assert steady_j(Bench(8, lengths).result()) == pytest.approx(long_run_j(Engine(), 8, lengths * 8), rel=0.005)


def test_a_hundred_requests_of_mixed_lengths_are_measured_at_sixty_four() -> None:
    """Their load is kept up, where without fillers 25 were in flight on average and J per token doubled.

    The verdict is no PASS all the same: it names the samples that would do.
    """
    dice = random.Random(3)
    result = Bench(64, [heavy_tailed(dice) for _ in range(100)]).result()
    trial = result.trials[0]
    assert in_flight_mean(trial) > 0.95 * 64
    assert in_flight_mean(evolve(trial, fillers=())) < 0.5 * 64
    (level, message), *more = [each for each in found(result, "steady state") if "fewer than 10" in each[1]]
    assert (level, more) == ("WARN", [])
    assert "100 requests are fewer than 10 × the 64 in flight" in message
    assert message.count("would do") == 1
    assert result.verdict.level == "WARN"


def test_fillers_repeat_the_pass_in_order_with_salts_of_their_own() -> None:
    """And a trial's own requests share one."""
    dice = random.Random(4)
    bench = Bench(8, [lognormal(dice) for _ in range(40)])
    (trial,) = bench.result().trials
    numbers = sorted(each.number for each in trial.fillers)
    assert numbers == list(range(40, 40 + len(numbers)))
    assert len(set(bench.server.salts[:40])) == 1
    assert len(set(bench.server.salts[40:])) == len(numbers) == len(bench.server.salts) - 40


def test_energy_per_query_is_withheld_with_its_steady_state() -> None:
    """Where the steady state is not resolved the CSV file has no Wh per 1,000 queries, though the pass is resolved."""
    dice = random.Random(5)
    result = Bench(8, [lognormal(dice) for _ in range(80)]).result()
    assert result_row(result)["gpu_wh_per_1000_queries"]
    steady = result.summary.steady
    assert steady is not None
    unresolved = evolve(steady, components=tuple(evolve(energy, resolved=False) for energy in steady.components))
    row = result_row(evolve(result, summary=evolve(result.summary, steady=unresolved)))
    assert row["gpu_energy_wh"]
    assert row["gpu_wh_per_1000_queries"] == ""


def test_per_request_figures_are_the_steady_ones() -> None:
    """J per request is steady J per token times the mean length in the pass, never energy over completions."""
    dice = random.Random(5)
    lengths = [lognormal(dice) for _ in range(80)]
    summary = Bench(8, lengths).result().summary
    figures = derive(summary, summary.components[0])
    assert summary.steady is not None
    (gpu,) = summary.steady.components
    assert figures.per_request_j is not None
    assert gpu.per_output_token_j is not None
    assert figures.per_request_j.best == pytest.approx(gpu.per_output_token_j.mean * sum(lengths) / 80)
    assert figures.per_request_j.best < 0.97 * summary.components[0].energy_j / 80
    pooled = summary.e2e_s
    assert pooled is not None
    assert pooled.n == summary.steady.latency_requests == 80 - summary.steady.left_out_requests
    assert 8 <= summary.steady.left_out_requests < 16


def test_the_window_opens_when_each_of_the_first_has_begun_and_closes_with_the_last() -> None:
    """A failed request has ended; whoever comes later opens nothing."""
    first = [completion(0, first_s=0.3), evolve(failure(1), finished_s=0.7), completion(2, first_s=0.2)]
    later = [completion(3, sent_s=0.5, first_s=0.9), completion(4, sent_s=1.0, first_s=0.1, step_s=1.0)]
    assert steady_span((*first, *later), 3) == (0.7, pytest.approx(4.1))
    assert isinstance(steady_span(first, 4), str)


def _trial(*outcomes: Completion, fillers: Sequence[Completion] = ()) -> tuple[Trial, SteadyWindow]:
    return Trial(1, 0.0, 10.0, None, outcomes, fillers=tuple(fillers)), SteadyWindow(2.0, 8.0, 2)


def _answer(sent_s: float, *times_s: float, tokens: int, **more: object) -> Completion:
    done = Completion(0, 10, tokens, "usage", sent_s, array("d", times_s), times_s[-1], "length")
    return evolve(done, **more)  # type: ignore[arg-type] # under test


def test_tokens_count_by_the_times_of_their_events() -> None:
    """Usage over the events of the same request; what an event carried where that is known."""
    even = _answer(0.0, 1.0, 3.0, 5.0, 9.0, tokens=8)
    told = _answer(0.0, 1.0, 3.0, 5.0, 9.0, tokens=8, event_tokens=array("q", (5, 1, 1, 1)))
    assert steady_trial(*_trial(even)).output_tokens == 4
    assert steady_trial(*_trial(told)).output_tokens == 2
    assert steady_trial(*_trial(told)).half_output_tokens == (2, 0)


def test_the_context_of_a_window_is_that_of_the_tokens_in_it() -> None:
    """Tokens 3 to 6 of 8 after a prompt of 10, against all 8; an answer in one piece does not show its tokens."""
    even = _answer(0.0, 1.0, 3.0, 5.0, 9.0, tokens=8)
    figures = steady_trial(*_trial(even))
    assert (figures.context_tokens, figures.pass_context_tokens) == (10 + (2 + 6) / 2, 10 + 8 / 2)
    assert steady_trial(*_trial(even, _answer(3.0, 5.0, tokens=100))).context_tokens is None


def test_a_cancelled_filler_counts_by_the_ratio_of_finished_ones() -> None:
    """Its events, at as many tokens each as theirs; its prompt is that of the request it repeats."""
    done = _answer(0.0, 1.0, 3.0, 5.0, 9.0, tokens=8)
    filler = _answer(2.5, 4.0, 6.0, 9.5, tokens=3, number=1, prompt_tokens=0, finish_reason="cancelled")
    figures = steady_trial(*_trial(done, fillers=[filler]))
    assert figures.output_tokens == figures.bounds_tokens.low == 4 + 2 * 2
    assert figures.computed_prompt_tokens == 10


def test_answers_in_one_piece_are_spread_and_their_error_is_in_the_bounds() -> None:
    """A request that crosses an edge may have all of its tokens on either side."""
    inside, across = _answer(3.0, 5.0, tokens=100), _answer(6.0, 10.0, tokens=100)
    figures = steady_trial(*_trial(inside, across))
    assert (figures.bounds_tokens.low, figures.output_tokens, figures.bounds_tokens.high) == (100, 150, 200)


def test_above_two_percent_uncertain_tokens_withhold_the_figure() -> None:
    """A server that does not stream needs many requests a slot; below the limit the error is in the bounds."""
    dice = random.Random(9)
    short = Bench(4, [lognormal(dice) for _ in range(60)], event_tokens=0).result()
    assert short.summary.steady is not None
    assert short.summary.steady.components[0].per_output_token_j is None
    assert derive(short.summary, short.summary.components[0]).per_request_j is None
    assert any("without token events" in message for level, message in found(short, "steady state") if level == "FAIL")
    long = Bench(4, [lognormal(dice) for _ in range(1600)], event_tokens=0).result()
    assert long.summary.steady is not None
    (gpu,) = long.summary.steady.components
    assert gpu.per_output_token_j is not None
    assert gpu.per_output_token_bounds_j.low is not None
    assert 0 < 1 - gpu.per_output_token_bounds_j.low / gpu.per_output_token_j.mean < 0.021


def test_chunks_of_several_tokens_are_counted_by_usage() -> None:
    """Four tokens an event, also of cancelled requests: the server's own counter agrees."""
    dice = random.Random(6)
    result = Bench(8, [4 * lognormal(dice) for _ in range(80)], event_tokens=4).result()
    assert [level for level, _ in found(result, "token counts")] == ["PASS"]
    assert result.summary.steady is not None
    assert steady_j(result) == pytest.approx(whole_j(result), rel=0.03)


def test_a_server_that_runs_two_of_four_is_found_out() -> None:
    """As a real vLLM on two cores did: four in flight, two running, and the client's own count sees nothing wrong."""
    result = Bench(4, [200] * 60, engine=Engine(most_running=2)).result()
    assert [level for level, _ in found(result, "concurrency")] == ["PASS"]
    [(level, message)] = found(result, "server load")
    assert (level, message[:74]) == (
        "WARN",
        "the server ran 2.00 of 4 requests on average over the steady window, with ",
    )
    assert result.summary.ttft_s is not None
    assert result.summary.ttft_s.p50 > 1.0


def test_less_than_half_running_fails() -> None:
    """One of four."""
    result = Bench(4, [200] * 60, engine=Engine(most_running=1)).result()
    assert [level for level, _ in found(result, "server load")] == ["FAIL"]


@pytest.mark.parametrize("shows_load", [True, False])
def test_a_server_that_goes_on_after_cancelling_fails(shows_load: bool) -> None:
    """By its gauge, or by power that does not come to rest."""
    bench = Bench(8, [100] * 79 + [8000], aborts=False, shows_load=shows_load)
    bench.config = evolve(bench.config, load=LoadConfig(concurrency=8, cancel_cap_s=5.0))
    lengths = [100] * 40 + [6000] * 40
    bench.server.output_tokens = lambda request: lengths[request.number % 80] if request.number < 80 else 8000
    [(level, message)] = found(bench.result(), "server stopped")
    assert (level, message[:35]) == ("FAIL", "the server went on after cancelling")


def test_flat_power_shows_that_a_server_without_a_gauge_has_stopped() -> None:
    """The power of the rest after the load is that of the resident idle."""
    dice = random.Random(7)
    result = Bench(8, [lognormal(dice) for _ in range(40)], shows_load=False).result()
    [(level, message)] = found(result, "server stopped")
    assert (level, message[-13:]) == ("PASS", "by flat power")


def test_nothing_to_look_by_is_a_warning() -> None:
    """Neither a gauge nor a meter: whether the server stopped is not known."""
    bench = Bench(8, [100] * 20 + [350], shows_load=False)
    bench.config = evolve(bench.config, metrics=evolve(bench.config.metrics, enabled=False))
    runner = BenchmarkRunner(
        bench.config,
        backend=bench.server,
        dataset=Numbered(),  # type: ignore[arg-type] # made by hand: no from_settings
        clock=bench.clock,
        reporters=[],
    )
    assert [level for level, _ in found(runner.measure(), "server stopped")] == ["WARN"]


def test_fewer_requests_than_slots_have_no_steady_state() -> None:
    """FAIL, and no figure per token or request in its place."""
    summary = Bench(64, [200] * 40).result()
    assert summary.summary.steady is None
    assert [level for level, _ in found(summary, "steady state")] == ["FAIL"]
    assert derive(summary.summary, summary.summary.components[0]).per_request_j is None


def test_uneven_halves_and_too_many_prompts_warn_with_the_samples_that_would_do() -> None:
    """Prompts that grow in the middle of the pass, and a first batch whose prompts lie outside of the window."""
    dice = random.Random(10)
    lengths = [lognormal(dice) for _ in range(160)]
    result = Bench(16, lengths, prompt_tokens=lambda request: 2000 if request.prompt.index >= 80 else 50).result()
    messages = [message for level, message in found(result, "steady state") if level == "WARN"]
    assert any("the second half of the steady window costs +" in message for message in messages)
    lockstep = Bench(16, [500] * 160).result()
    messages = [message for level, message in found(lockstep, "steady state") if level == "WARN"]
    assert any("-10.0% computed prompt tokens per output token against the pass" in each for each in messages)
    assert [each.count("would do") for each in messages] == [1]


def test_an_older_result_keeps_the_figure_of_its_pass_and_says_so() -> None:
    """It sent no fillers and has no window: J per token and per request are those of the whole pass."""
    dice = random.Random(8)
    new = Bench(8, [lognormal(dice) for _ in range(40)]).result()
    trials = [evolve(each, fillers=(), steady=None) for each in new.trials]
    summary = summarise(trials, new.steps)
    assert summary.steady is None
    (finding,) = steady_findings(trials, summary)
    assert (finding.level, "did not keep the load up" in finding.message) == ("WARN", True)
    figures = derive(summary, summary.components[0])
    assert figures.per_request_j is not None
    assert figures.per_request_j.best == pytest.approx(summary.components[0].energy_j / 40)


def test_one_request_at_a_time_has_no_fillers() -> None:
    """Nor a steady state, nor a word on one."""
    result = Bench(1, [50] * 5).result()
    assert (result.trials[0].fillers, result.summary.steady, result.summary.steady_absent) == ((), None, "")
    assert found(result, "steady state") == found(result, "server stopped") == []
