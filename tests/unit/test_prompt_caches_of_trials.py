"""What caches held where trials differ: one of several has it, and what a part of them lacks is none."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.prompt_caches import (
    CacheUse,
    cache_findings,
    cache_use,
    cache_was_hit,
    cached_per_pass,
)
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ServerCounters
from tests.factories import ENGINE, completion, failure
from tests.unit.test_prompt_caches import SALTED, answer, engine, finding, served

UNSALTED = engine(salt="none")


def timed(*ttft_s: float | None, first: int = 0) -> Trial:
    """A trial whose requests had their first tokens after these times; None for one that showed none."""
    outcomes = [
        failure(number) if after_s is None else completion(number, first_s=after_s, prompt_tokens=100)
        for number, after_s in enumerate(ttft_s, start=first)
    ]
    return evolve(served(), outcomes=tuple(outcomes))


def test_a_hit_in_any_trial_is_a_hit() -> None:
    """By its answers or by the server's counter, and one token is enough."""
    hit = served(None, server=ServerCounters(prefix_cache_hit_tokens=1))
    for trials, expected in (
        ([served(0, 0)], False),
        ([served(0, 1)], True),
        ([served(0), served(1)], True),
        ([served(1), served(0)], True),
        ([hit], True),
        ([served(None), hit], True),
        ([served(None, server=ServerCounters(prefix_cache_hit_tokens=0))], False),
        ([served(None, server=ServerCounters())], False),
        ([], False),
    ):
        assert cache_was_hit(trials) is expected


def test_the_smallest_hit_is_that_of_all_trials_and_their_fillers() -> None:
    """A trial or a filler without a hit has none that could be the smallest."""
    for trials, smallest in (
        ([served(30), served(20)], 20.0),
        ([served(20), served(30)], 20.0),
        ([served(0), served(20)], 20.0),
        ([served(30, fillers=(answer(1, 25),))], 25.0),
        ([served(30, fillers=(answer(1, 40),))], 30.0),
        ([served(30, fillers=(answer(1, 25), answer(2, 40), answer(3, 0)))], 25.0),
        ([served(0, fillers=(answer(1, 40), answer(2, 25), answer(3, 35)))], 25.0),
    ):
        use = cache_use(trials, SALTED)
        assert use is not None
        assert use.common_tokens == smallest


def test_failed_fillers_are_no_answers() -> None:
    """They tell nothing of a cache."""
    one = evolve(served(20, 40), fillers=(failure(2), answer(3, 0)))
    assert cache_use([one], SALTED) == CacheUse(0.2, pytest.approx(20 / 300), 20.0)


def test_a_counter_that_one_trial_lacks_has_not_grown_there() -> None:
    """A server whose counter appears with the first hit: 40 of 400 and nothing of 200."""
    counters = ServerCounters(prefix_cache_hit_tokens=40, prefix_cache_queries_tokens=400)
    without = ServerCounters(prefix_cache_queries_tokens=200)
    trials = [served(None, None, server=counters), served(None, None, server=without)]
    assert cache_use(trials, UNSALTED) == CacheUse(pytest.approx(40 / 600), pytest.approx(40 / 600), 0.0)
    assert cached_per_pass(trials, [None, None]) == pytest.approx(10.0)
    assert cached_per_pass(trials[::-1], [None, None]) == pytest.approx(10.0)


def test_what_all_prompts_begin_with_explains_hits_of_the_counter() -> None:
    """30 tokens of each of two prompts of 100 are 30 % of them, so 40 % hits are 10 % too many; 20 % are none."""
    prefix = engine(salt="key", common_prefix_tokens=30)
    for hits, beyond in ((160, 0.1), (80, 0.0)):
        counters = ServerCounters(prefix_cache_hit_tokens=hits, prefix_cache_queries_tokens=400)
        use = cache_use([served(None, None, server=counters)], prefix)
        assert use == CacheUse(hits / 400, pytest.approx(beyond), 30.0)


def test_a_prompt_that_any_trial_repeats_is_repeated() -> None:
    """Then the smallest hit explains nothing, and a silent server warns; order does not matter."""
    twice = evolve(served(), outcomes=(answer(0, 20, "f" * 64), answer(1, 40, "f" * 64)))
    for trials in ([twice, served(20, 40)], [served(20, 40), twice]):
        assert cache_use(trials, SALTED) == CacheUse(0.3, 0.3, 0.0)
    silent = evolve(served(), outcomes=(answer(0, None, "f" * 64), answer(1, None, "f" * 64)))
    for trials in ([silent, served(None)], [served(None), silent]):
        assert finding(SALTED, *trials)[0] == "WARN"


def test_one_trial_of_a_server_makes_it_served() -> None:
    """The others may lack what their client did."""
    here = evolve(served(None), client=None)
    for trials in ((served(None), here), (here, served(None))):
        assert finding(SALTED, *trials)[0] == "INFO"
    assert list(cache_findings([here, here], SALTED)) == []


def test_fillers_of_any_trial_repeat_prompts() -> None:
    """Of a single trial without a salt; with several every trial repeats them."""
    filled = served(None, fillers=(answer(1, None),))
    assert "filler requests repeat" in finding(UNSALTED, filled)[1]
    assert "every trial sends the same prompts" in finding(UNSALTED, filled, served(None))[1]


@pytest.mark.parametrize(
    ("later", "drop"),
    [
        # All seven faster: chance passes it in 1 of 128; six of seven in 8 of 128.
        ([0.4] * 7, "50%"),
        ([0.64] * 7, "80%"),
        ([0.65] * 7, None),
        ([0.4] * 6, None),
        ([0.4] * 6 + [0.9], None),
        ([0.4] * 9 + [0.9], None),
        ([0.4] * 10 + [0.9], "50%"),
        ([0.4] * 7 + [None], "50%"),
    ],
)
def test_later_first_tokens_that_are_clearly_faster_warn(later: list[float | None], drop: str | None) -> None:
    """By the median request to four fifths, and by a sign test to one in a hundred."""
    level, message = finding(SALTED, timed(*[0.8] * len(later)), timed(*later))
    expected = f"later trials had their first tokens after {drop} of the first trial's time"
    assert (level, expected in message) == (("INFO", False) if drop is None else ("WARN", True))


def test_a_request_is_compared_with_itself_over_all_later_trials() -> None:
    """By their median; what the first trial did not show, or what no later one did, is not compared."""
    first = timed(*[0.8] * 7, None)
    middle, last = timed(*[0.2] * 7, 0.2), timed(*[0.4] * 7, 0.4)
    assert "after 50% of" in finding(SALTED, first, middle, last, last)[1]
    assert "after 38% of" in finding(SALTED, first, middle, last)[1]
    assert finding(SALTED, timed(*[None] * 7), last)[0] == "INFO"
    instant = timed(*[0.0] * 8)
    assert finding(SALTED, instant, last)[0] == "INFO"


def test_a_trial_in_which_all_tokens_came_slowly_is_no_sign_of_a_cache() -> None:
    """An H100's server took 47 % for the first token later and 37 % for all others: it had prepared itself."""

    def slowed(by: float, step: float) -> Trial:
        requests = [completion(number, first_s=0.1 * by, step_s=0.02 * step, prompt_tokens=100) for number in range(8)]
        return evolve(served(), outcomes=tuple(requests))

    assert "every trial sends the same prompts" in finding(UNSALTED, slowed(2.1, 2.7), slowed(1.0, 1.0))[1]
    assert "probably came from a cache" in finding(UNSALTED, slowed(2.1, 1.1), slowed(1.0, 1.0))[1]


def test_only_the_first_thousand_requests_are_compared() -> None:
    """By their numbers."""
    for number, level in ((993, "WARN"), (994, "INFO")):
        first, later = timed(*[0.8] * 7, first=number), timed(*[0.4] * 7, first=number)
        assert finding(SALTED, first, later)[0] == level
    # Six of eight: neither the one of number 1,000 nor the one after it.
    assert finding(SALTED, timed(*[0.8] * 8, first=994), timed(*[0.4] * 8, first=994))[0] == "INFO"


def test_what_an_engine_s_settings_say_of_its_cache() -> None:
    """A salt by default of vLLM alone, a switch that is on, and a common beginning that is a number of tokens."""
    once: tuple[Completion, ...] = (answer(1, None),)
    silent = served(None, fillers=once)
    assert "a salt of its own" in finding(evolve(ENGINE, backend="vllm", settings={}), silent)[1]
    for backend in ("openai", "vllm2"):
        assert "filler requests repeat" in finding(evolve(ENGINE, backend=backend, settings={}), silent)[1]
    for switch in ("enable_prefix_caching", "enable_block_reuse"):
        asked = evolve(ENGINE, backend="vllm", settings={switch: True})
        assert f"which backend.options.{switch}: true asks for" in finding(asked, silent)[1]
        off = evolve(ENGINE, backend="vllm", settings={switch: False})
        assert "asks for" not in finding(off, silent)[1]
    both = evolve(ENGINE, settings={"enable_prefix_caching": True, "cache_requested": "load.salt: none"})
    assert "which load.salt: none asks for" in finding(both, silent)[1]
    assert cache_use([served(20, 40)], engine(salt="key", common_prefix_tokens="many")) == CacheUse(0.3, 0.1, 20.0)
    assert cache_use([served(20, 40)], engine(salt="key", common_prefix_tokens=0)) == CacheUse(0.3, 0.3, 0.0)
    assert cache_use([served(20, 40)], None) == CacheUse(0.3, 0.3, 0.0)
