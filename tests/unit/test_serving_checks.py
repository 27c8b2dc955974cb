"""The client's self-check and the server's own counters, from readings to findings."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.derived import derive
from ai_energy_benchmarks.analysis.prompt_caches import cache_use, cache_was_hit
from ai_energy_benchmarks.analysis.serving_checks import serving_findings, token_doubt
from ai_energy_benchmarks.analysis.steady import in_flight_mean
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.backends.server.vllm import VllmBackend
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.power import Device, Measurement, Reading
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters
from tests.factories import ENGINE

PAGE = """\
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="a b"} 100.0
vllm:generation_tokens_total{engine="1",model_name="a b"} 28.0 1700000000
vllm:prompt_tokens_total{engine="0",model_name="a b"} 1.5e3
vllm:generation_tokens_created{engine="0"} 1.7e9
vllm:num_preemptions_total 2
broken line
"""


def completion(number: int, sent_s: float, finished_s: float, cached: int | None = 0) -> Completion:
    times_s = array("d", (finished_s - 0.1 * later for later in reversed(range(32))))
    return Completion(number, 100, 32, "usage", sent_s, times_s, finished_s, "length", cached_prompt_tokens=cached)


def trial(**fields: object) -> Trial:
    outcomes = (completion(0, 0, 5), completion(1, 0, 5), completion(2, 5, 10), completion(3, 5, 10))
    reading = Reading(Device("gpu", "GPU-0"), Bounds.exact(128.0), "measured", "nvml", "guarded")
    whole = Trial(
        number=1,
        start_s=0,
        stop_s=10,
        measurement=Measurement(0, 10, (reading,)),
        outcomes=outcomes,
        client=ClientLoad(2, cpu_time_s=1.0, loop_lag_s=0.001),
        server=ServerCounters(400, 128, 400, 0, 0),
    )
    return evolve(whole, **fields)  # type: ignore[arg-type] # fields under test


def levels(one: Trial) -> dict[str, str]:
    return {finding.check: finding.level for finding in serving_findings([one])}


def test_counters_are_summed_over_engines() -> None:
    """Every label set counts, time stamps do not, and what is not on the page stays unknown."""
    found = VllmBackend.METRICS.read_counters(PAGE)
    assert found == ServerCounters(prompt_tokens=1500, output_tokens=128, preemptions=2)


def test_growth_is_unknown_where_a_counter_fell() -> None:
    """A server that restarted has no growth to tell."""
    assert ServerCounters(10, 5).since(ServerCounters(4, 9)) == ServerCounters(6, None)


def test_an_engine_in_process_has_no_such_checks() -> None:
    """Without a client of its own there is nothing to check."""
    assert list(serving_findings([trial(client=None)])) == []


def test_all_is_well() -> None:
    """A client at a tenth of a core, agreeing counts, no cache hits: every check passes."""
    assert set(levels(trial()).values()) == {"PASS"}


def test_tokens_are_said_to_agree_only_where_the_server_counts_them() -> None:
    """Its other counters say nothing about output tokens."""
    assert levels(trial())["token counts"] == "PASS"
    assert "token counts" not in levels(trial(server=ServerCounters(preemptions=0)))
    assert "token counts" not in levels(trial(server=None))


@pytest.mark.parametrize(
    ("output_tokens", "doubted"), [(128, False), (132, False), (124, False), (133, True), (64, True)]
)
def test_one_token_a_request_is_an_end_token_and_more_is_doubt(output_tokens: float, doubted: bool) -> None:
    """Four requests may differ by four tokens; beyond that J per token is withheld."""
    one = trial(server=ServerCounters(output_tokens=output_tokens))
    assert (token_doubt(one) is not None) is doubted
    (gpu,) = summarise([one], []).components
    assert (gpu.per_output_token_j is None) is doubted
    assert levels(one)["token counts"] == ("FAIL" if doubted else "PASS")


def test_every_figure_of_tokens_is_withheld_in_doubt() -> None:
    """Where J per output token is withheld, so are its inverse, J per token of any kind and time per output token."""
    for server, known in ((ServerCounters(output_tokens=128), True), (ServerCounters(output_tokens=400), False)):
        summary = summarise([trial(server=server)], [])
        figures = derive(summary, summary.components[0])
        of_output = (figures.per_output_token_j, figures.per_total_token_j, figures.output_tokens_per_j)
        withheld = (*of_output, figures.per_prompt_token_j, summary.tpot_s)
        assert [each is not None for each in withheld] == [known] * 5
        assert (summary.tokens_in_doubt is None) is known
        assert (figures.per_request_j is not None, summary.ttft_s is not None) == (True, True)


def test_concurrency_is_counted_over_the_whole_pass() -> None:
    """Two at a time until the end is two; a drain in which fewer are left counts, unless fillers kept the load up."""
    assert in_flight_mean(trial()) == pytest.approx(2)
    assert levels(trial(client=ClientLoad(4, 1.0, 0.001)))["concurrency"] == "WARN"
    assert levels(trial(client=ClientLoad(8, 1.0, 0.001)))["concurrency"] == "FAIL"
    drained = trial(outcomes=(completion(0, 0, 5), completion(1, 0, 5), completion(2, 5, 10)))
    assert in_flight_mean(drained) == pytest.approx(1.5)
    assert levels(drained)["concurrency"] == "WARN"
    filled = evolve(drained, fillers=(evolve(completion(3, 5, 10), finish_reason="cancelled"),))
    assert in_flight_mean(filled) == pytest.approx(2)


def test_a_window_of_no_length_has_nothing_in_flight() -> None:
    """Neither the pass nor a part of it."""
    assert in_flight_mean(trial(stop_s=0)) == 0.0
    assert in_flight_mean(trial(), trial(start_s=5, stop_s=5)) == 0.0
    assert in_flight_mean(trial(), trial(start_s=4, stop_s=6)) == 2.0


def test_a_client_at_its_limit_is_said() -> None:
    """CPU and event loop have limits for WARN and FAIL."""
    assert levels(trial(client=ClientLoad(2, 8.0, 0.02))) | {} == levels(trial()) | {
        "client CPU": "WARN",
        "client event loop": "WARN",
    }
    assert levels(trial(client=ClientLoad(2, 9.9, 0.2)))["client CPU"] == "FAIL"


def test_prompts_from_a_cache_fail() -> None:
    """More than 1 % of the prompt from a prefix cache is another workload than was asked for."""
    assert levels(trial(server=ServerCounters(prefix_cache_hit_tokens=40)))["prefix cache"] == "FAIL"
    told = (completion(0, 0, 5, cached=50), completion(1, 5, 10, cached=0))
    assert levels(trial(server=None, outcomes=told))["prefix cache"] == "FAIL"
    untold = (completion(0, 0, 5, cached=None), completion(1, 5, 10, cached=None))
    assert levels(trial(server=None, outcomes=untold))["prefix cache"] == "INFO"


@pytest.mark.parametrize(
    ("cached", "hits", "hit"),
    [(0, 0, False), (0, None, False), (None, None, False), (50, 0, True), (0, 40, True), (None, 40, True)],
)
def test_a_cache_was_hit_where_an_answer_or_the_server_counts_a_hit(
    cached: int | None, hits: int | None, hit: bool
) -> None:
    """Either of them is enough, and none of none."""
    outcomes = tuple(evolve(each, cached_prompt_tokens=cached) for each in trial().completions)
    one = trial(outcomes=outcomes, server=ServerCounters(prefix_cache_hit_tokens=hits))
    assert cache_was_hit([one]) is hit
    assert cache_was_hit([evolve(one, server=None)]) is bool(cached)
    assert cache_was_hit([]) is False


@pytest.mark.parametrize("counters", [ServerCounters(400, 128, preemptions=0), ServerCounters(output_tokens=128)])
def test_counters_without_one_of_hits_leave_it_to_the_answers(counters: ServerCounters) -> None:
    """Half of every prompt came from a cache: a server that counts other things does not make that 0 %."""
    cached = tuple(evolve(each, cached_prompt_tokens=50) for each in trial().completions)
    (finding,) = (
        each for each in serving_findings([trial(server=counters, outcomes=cached)]) if each.check == "prefix cache"
    )
    assert (finding.level, finding.message.partition(" of")[0]) == ("FAIL", "50.0%")
    untold = tuple(evolve(each, cached_prompt_tokens=None) for each in cached)
    assert levels(trial(server=counters, outcomes=untold))["prefix cache"] == "INFO"


def test_answers_that_say_nothing_where_nothing_was_found_are_told_by_the_others() -> None:
    """vLLM leaves the field out of an answer without a hit: 50 of 400 tokens are known, so 350 were computed."""
    first, *others = trial().completions
    untold = tuple(evolve(each, cached_prompt_tokens=None) for each in others)
    one = trial(server=None, outcomes=(evolve(first, cached_prompt_tokens=50), *untold))
    assert levels(one)["prefix cache"] == "FAIL"
    assert summarise([one], []).cached_prompt_tokens == 50
    assert summarise([one, evolve(one, number=2, outcomes=untold)], []).cached_prompt_tokens == 25


def test_a_counter_of_hits_is_set_against_what_was_looked_up() -> None:
    """Filler requests are in the server's counters and in no answer: 300 of 6,000 looked up are 5 %, not 75 %."""
    counters = ServerCounters(6000, 128, prefix_cache_queries_tokens=6000, prefix_cache_hit_tokens=300)
    untold = tuple(evolve(each, cached_prompt_tokens=None) for each in trial().completions)
    for server in (counters, evolve(counters, prefix_cache_queries_tokens=None)):
        one = trial(server=server, outcomes=untold)
        use = cache_use([one], None)
        assert use is not None
        assert use.share == pytest.approx(0.05)
        assert summarise([one], []).cached_prompt_tokens == pytest.approx(20)


def test_a_common_beginning_explains_hits_of_every_request_and_of_fillers() -> None:
    """16 of 100 tokens of every prompt, fillers' too: explained if all begin with so many, else too many."""
    untold = tuple(evolve(each, cached_prompt_tokens=None) for each in trial().completions)
    one = trial(server=ServerCounters(6000, 128, 6000, 960, 0), outcomes=untold)
    for common, level in ((16, "INFO"), (14, "FAIL"), (None, "FAIL")):
        engine = evolve(ENGINE, settings={"salt": "key", "common_prefix_tokens": common})
        found = {each.check: each.level for each in serving_findings([one], engine)}
        assert found["prefix cache"] == level, common


def first_tokens_after(number: int, *ttfts_s: float) -> Trial:
    """A trial of a server that says nothing of a cache, by the times to the first tokens of its requests."""
    outcomes = tuple(
        Completion(
            position,
            100,
            2,
            "usage",
            sent_s=0.0,
            token_times_s=array("d", (ttft_s, ttft_s + 1)),
            finished_s=ttft_s + 1,
            finish_reason="length",
        )
        for position, ttft_s in enumerate(ttfts_s)
    )
    return trial(number=number, server=None, outcomes=outcomes)


@pytest.mark.parametrize(
    ("first_s", "later_s", "words"),
    [
        (0.5, 0.1, "after 20% of the first trial's time"),
        (0.5, 0.41, "every trial's prompts had a salt"),
        (0.1, 0.5, "every trial's prompts had a salt"),
    ],
)
def test_first_tokens_that_come_much_sooner_in_later_trials_are_a_sign(
    first_s: float, later_s: float, words: str
) -> None:
    """A server may not know a salt and say nothing of its cache; its times to the first token tell."""
    salted = evolve(ENGINE, settings={"salt": "key"})
    trials = [first_tokens_after(1, *[first_s] * 8), *(first_tokens_after(n, *[later_s] * 8) for n in (2, 3))]
    (finding,) = (each for each in serving_findings(trials, salted) if each.check == "prefix cache")
    assert words in finding.message
    assert finding.level == ("WARN" if first_s > 2 * later_s else "INFO")


def test_chance_is_no_sign_of_a_cache() -> None:
    """Six requests that were all faster happen by chance once in 64 times, seven of eight once in 28."""
    salted = evolve(ENGINE, settings={"salt": "text"})
    for first_s, later_s in (([0.5] * 6, [0.1] * 6), ([0.5] * 8, [0.1] * 7 + [0.9])):
        trials = [first_tokens_after(1, *first_s), first_tokens_after(2, *later_s)]
        (finding,) = (each for each in serving_findings(trials, salted) if each.check == "prefix cache")
        assert finding.level == "INFO"


def test_a_cache_of_an_engine_in_process_is_told_where_it_was_hit() -> None:
    """As information where its option asks for one; nothing is said of engines without hits."""
    cached = tuple(evolve(each, cached_prompt_tokens=50) for each in trial().completions)
    one = trial(client=None, server=None, outcomes=cached)
    (finding,) = serving_findings([one], evolve(ENGINE, settings={"enable_block_reuse": True}))
    assert (finding.level, finding.message.partition(", as ")[2]) == (
        "INFO",
        "backend.options.enable_block_reuse: true asks",
    )
    (finding,) = serving_findings([one], evolve(ENGINE, settings={"enable_block_reuse": False}))
    assert finding.level == "FAIL"


def test_a_counter_that_was_not_on_the_page_had_not_grown() -> None:
    """SGLang shows its cached tokens from the first hit on; one that is gone has no growth to tell."""
    before, after = ServerCounters(prompt_tokens=100), ServerCounters(prompt_tokens=300, prefix_cache_hit_tokens=40)
    assert after.since(before) == ServerCounters(prompt_tokens=200, prefix_cache_hit_tokens=40)
    assert before.since(after) == ServerCounters()


def test_preemptions_warn() -> None:
    """Requests that were computed twice cost energy twice."""
    assert levels(trial(server=ServerCounters(preemptions=3)))["preemptions"] == "WARN"
    assert levels(trial(server=ServerCounters(preemptions=0)))["preemptions"] == "PASS"
    assert "preemptions" not in levels(trial(server=ServerCounters()))
    assert "preemptions" not in levels(trial(server=None))


@pytest.mark.parametrize(("output_tokens", "level"), [(32, "WARN"), (3, "WARN"), (2, None)])
def test_answers_in_one_piece_warn(output_tokens: int, level: str | None) -> None:
    """A server that does not stream has no first token to time; two tokens may be one event and the end."""
    whole = trial(server=None)
    outcomes = tuple(
        evolve(each, output_tokens=output_tokens, token_times_s=each.token_times_s[-1:]) for each in whole.completions
    )
    assert levels(evolve(whole, outcomes=outcomes)).get("streaming") == level
    assert "streaming" not in levels(evolve(whole, outcomes=(*outcomes[1:], whole.completions[0])))
