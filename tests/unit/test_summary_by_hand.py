"""A summary of trials by hand: every count and rate, and what comes from the steady state where there is one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.summary import counting_trials, summarise
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters, Slo
from ai_energy_benchmarks.domain.steady import SteadyWindow
from tests.factories import CPU, GPU, completion, failure, measurement, reading, step, trial

SLO = Slo(ttft_s=0.25)
# Two trials of 10 and 6 s: three answers and a failure, then two answers; 17 and 12 output tokens.
FIRST = [
    completion(0, sent_s=20.0, prompt_tokens=30, cached_prompt_tokens=12, reasoning_tokens=2, first_s=0.1),
    completion(
        1, sent_s=21.0, prompt_tokens=20, cached_prompt_tokens=3, reasoning_tokens=1, first_s=0.2, output_tokens=6
    ),
    completion(
        2, sent_s=22.0, prompt_tokens=10, cached_prompt_tokens=0, reasoning_tokens=0, first_s=0.3, output_tokens=7
    ),
    failure(3),
]
SECOND = [
    completion(
        0, sent_s=40.0, prompt_tokens=25, cached_prompt_tokens=5, reasoning_tokens=4, first_s=0.4, output_tokens=5
    ),
    completion(
        1, sent_s=41.0, prompt_tokens=15, cached_prompt_tokens=4, reasoning_tokens=3, first_s=0.5, output_tokens=7
    ),
]
# 8 prompt tokens and 3 output tokens of a filler that had begun.
FILLER = completion(4, sent_s=25.0, prompt_tokens=8, output_tokens=3)
TRIALS = [
    evolve(trial(1, reading(GPU, 100), outcomes=FIRST), fillers=[FILLER]),
    trial(2, reading(GPU, 90), outcomes=SECOND, duration_s=6.0),
]


def test_counts_and_rates_of_a_pass() -> None:
    """Means over the two trials, 20 + 12 output tokens with the filler's in 10 + 6 s.

    A cache served (15 + 9) / 2 = 12 of (60 + 40) / 2 = 50 prompt tokens, so of the 54 with the filler's 76 % were
    computed.
    """
    found = summarise(TRIALS, [])
    assert (found.trials, found.requests, found.succeeded, found.failed) == (2, 3.0, 2.5, 0.5)
    assert (found.duration_s, found.prompt_tokens, found.output_tokens) == (8.0, 50.0, 14.5)
    assert (found.whole_output_tokens, found.whole_prompt_tokens) == (16.0, 54.0)
    assert found.output_tokens_per_s == 2.0
    assert (found.cached_prompt_tokens, found.reasoning_tokens) == (12.0, 5.0)
    assert found.whole_computed_prompt_tokens == pytest.approx(54.0 * 0.76)
    assert found.pass_ttft_s == pytest.approx(0.3)
    assert found.pass_e2e_s == pytest.approx((0.25 + 0.45 + 0.6 + 0.6 + 0.8) / 5)
    assert found.ttft_s is not None
    assert found.itl_s is not None
    assert (found.ttft_s.n, found.itl_s.n) == (5, 24)
    assert (found.steady, found.steady_absent, found.goodput) == (None, "", None)
    (gpu,) = found.components
    assert gpu.per_output_token_bounds_j is not None
    assert gpu.per_output_token_bounds_j.best == pytest.approx((100 / 20 + 90 / 12) / 2)


def test_what_one_trial_does_not_report_is_not_known() -> None:
    """Thinking of one trial is none of the pass; a cache's hits of one are, as the other then had none."""
    bare = [evolve(each, reasoning_tokens=None, cached_prompt_tokens=None) for each in SECOND]
    found = summarise([TRIALS[0], trial(2, outcomes=bare)], [])
    assert (found.reasoning_tokens, found.cached_prompt_tokens) == (None, 7.5)
    silent = summarise([trial(2, outcomes=bare)], [])
    assert (silent.reasoning_tokens, silent.cached_prompt_tokens) == (None, None)
    assert silent.whole_computed_prompt_tokens == silent.whole_prompt_tokens == 40.0
    nothing = summarise([trial(1, outcomes=[failure()])], [])
    assert (nothing.whole_computed_prompt_tokens, nothing.pass_ttft_s, nothing.pass_e2e_s) == (0.0, None, None)
    assert nothing.latency_notes == {}


@pytest.mark.parametrize(("duration_s", "rate"), [(3.0, 20 / 3), (0.5, 40.0), (0.0, 0.0)])
def test_a_pass_of_no_length_has_no_rate(duration_s: float, rate: float) -> None:
    """20 tokens in half a second are 40 a second."""
    assert summarise([trial(1, duration_s=duration_s)], []).output_tokens_per_s == rate


def test_partial_trials_count_where_there_is_no_other() -> None:
    """In their order; one complete trial is enough to leave them out."""
    cut, whole = trial(1, complete=False), trial(2)
    assert counting_trials([cut, whole, evolve(cut, number=3)]) == (whole,)
    assert counting_trials([cut, evolve(cut, number=3)]) == (cut, evolve(cut, number=3))
    assert counting_trials([]) == ()


def test_the_baselines_are_those_that_are_named() -> None:
    """Resident and hot idle, 2 and 3 W, unless others are; a step of another kind is none."""
    steps = [
        step("bare idle", reading(GPU, 10)),
        step("load", reading(GPU, 900)),
        step("resident idle", reading(GPU, 20)),
        step("hot idle", reading(GPU, 30)),
    ]
    own, bare = (summarise(TRIALS, steps, *names).total for names in ((), (("bare idle",),)))
    assert own is not None
    assert bare is not None
    assert (own.idle_power_w, own.net_energy_j) == (2.5, 95.0 - 20.0)
    assert (bare.idle_power_w, bare.net_energy_j) == (1.0, 95.0 - 8.0)


def test_the_total_has_every_figure_too() -> None:
    """Energy per token and per image; a required component without energy leaves none, as does a lost GPU."""
    images = [evolve(completion(0), amounts={"images": 4.0})]
    passes = [trial(number, reading(GPU, 100), reading(CPU, 20), outcomes=images) for number in (1, 2)]
    found = summarise(passes, [])
    assert found.total is not None
    assert found.amounts == {"images": 4.0}
    assert found.total.per_output_token_bounds_j == Bounds(29.5, 30.0, 30.5)
    assert found.total.per_amount_j["images"].bounds_j == Bounds(29.5, 30.0, 30.5)
    assert [each.per_amount_j["images"].bounds_j.best for each in found.components] == [25.0, 5.0]
    missing = summarise(passes, [], required=("dram",))
    assert (missing.total, missing.total_absent) == (None, "DRAM energy is missing: no meter saw it in trial 1")
    lost = summarise([passes[0], trial(2, reading(CPU, 20), absent={"gpu": "gone"})], [])
    assert (lost.total, lost.total_absent) == (None, "GPU energy is missing: gone")
    assert lost.amounts == {"images": 2.0}
    assert lost.components[0].per_amount_j == {}


def steady(number: int, outcomes: Sequence[Outcome]) -> Trial:
    """A trial with a steady window from its third to its eighth second, in which its GPU used 60 J."""
    whole = trial(number, reading(GPU, 100), outcomes=outcomes)
    begin_s = whole.start_s + 2.0
    window = SteadyWindow(begin_s, begin_s + 6.0, 2, measurement(reading(GPU, 60), start_s=begin_s, duration_s=6.0))
    return evolve(whole, steady=window, client=ClientLoad(2, 1.0, 0.001))


# Before the window, at its very begin, in it, a failure in it, at its very end, and after it.
UNDER_LOAD = [
    completion(0, sent_s=20.5, first_s=0.7),
    completion(1, sent_s=22.0, first_s=0.1),
    completion(2, sent_s=25.0, first_s=0.2),
    evolve(failure(3), sent_s=26.0, finished_s=26.5),
    completion(4, sent_s=28.0, first_s=0.3),
    completion(5, sent_s=28.5, first_s=0.9),
]


def test_latencies_and_goodput_are_of_requests_sent_in_the_steady_state() -> None:
    """Three answers and a failure were sent in it, two of them in time: half of the steady rate of requests.

    8 tokens in 6 s are the steady rate; a request of the pass has 20 / 6 tokens. The pass's own means stay.
    """
    found = summarise([steady(1, UNDER_LOAD)], [], slo=SLO)
    assert found.steady is not None
    assert found.ttft_s is not None
    assert (found.ttft_s.n, found.ttft_s.mean) == (3, pytest.approx(0.2))
    assert found.itl_s is not None
    assert found.itl_s.n == 9
    assert found.pass_ttft_s == pytest.approx(0.44)
    assert found.pass_e2e_s == pytest.approx(0.59)
    assert found.steady.output_tokens_per_s == pytest.approx(8 / 6)
    assert found.goodput is not None
    assert (found.goodput.good_requests, found.goodput.share) == (2, 0.5)
    assert found.goodput.requests_per_s == pytest.approx(0.5 * (8 / 6) / (20 / 6))
    assert found.latency_notes == {}
    assert summarise([steady(1, UNDER_LOAD)], []).goodput is None


def test_two_steady_states_are_pooled() -> None:
    """A second trial, of one answer at its begin: 4 requests more in all, and 4 tokens of 24 in 12 s of windows."""
    second = steady(2, [completion(0, sent_s=42.0, first_s=0.15)])
    found = summarise([steady(1, UNDER_LOAD), second], [], slo=SLO)
    assert found.ttft_s is not None
    assert (found.ttft_s.n, found.ttft_s.mean) == (4, pytest.approx(0.1875))
    assert found.pass_ttft_s == pytest.approx((0.7 + 0.1 + 0.2 + 0.3 + 0.9 + 0.15) / 6)
    assert found.goodput is not None
    assert (found.goodput.good_requests, found.goodput.share) == (1.5, pytest.approx(3 / 5))
    assert found.goodput.requests_per_s == pytest.approx(3 / 5 * (6 / 6) * 7 / 24)


def test_without_a_request_in_the_steady_state_there_is_no_latency_of_it() -> None:
    """Each latency says what to do; without a token, or with tokens in doubt, no rate of requests is known."""
    early = [completion(0, sent_s=21.0, first_s=1.5, step_s=1.0)]
    found = summarise([steady(1, early)], [], slo=SLO)
    note = "no request of a pass was sent in the steady state; raise scenario.num_samples"
    assert found.latency_notes == dict.fromkeys(("ttft", "itl", "tpot", "e2e"), note)
    assert (found.ttft_s, found.e2e_s, found.pass_ttft_s) == (None, None, 1.5)
    assert found.goodput is not None
    assert (found.goodput.good_requests, found.goodput.requests_per_s) == (0, None)
    failed = summarise([steady(1, [evolve(failure(), sent_s=25.0, finished_s=25.5)])], [], slo=SLO)
    assert failed.goodput is not None
    assert (failed.goodput.share, failed.goodput.requests_per_s) == (0.0, None)
    counters = ServerCounters(output_tokens=2000)
    doubtful = summarise([evolve(steady(1, UNDER_LOAD[:3]), server=counters)], [], slo=SLO)
    assert doubtful.tokens_in_doubt is not None
    assert doubtful.goodput is not None
    assert (doubtful.goodput.share, doubtful.goodput.requests_per_s) == (1.0, None)
    assert summarise([evolve(steady(1, UNDER_LOAD[:3]), server=counters)], []).goodput is None


def test_where_one_trial_has_no_steady_state_the_whole_passes_lead() -> None:
    """All their latencies, gaps too, and goodput over their durations."""
    ramp = evolve(steady(2, [completion(0, sent_s=42.0, first_s=0.15)]), steady=None, steady_absent="too few requests")
    found = summarise([steady(1, UNDER_LOAD), ramp], [], slo=SLO)
    assert (found.steady, found.steady_absent) == (None, "trial 2: too few requests")
    assert found.ttft_s is not None
    assert found.itl_s is not None
    assert (found.ttft_s.n, found.itl_s.n) == (6, 18)
    assert found.goodput is not None
    assert (found.goodput.good_requests, found.goodput.share) == (1.5, pytest.approx(3 / 7))
    assert found.goodput.requests_per_s == pytest.approx(0.15)
