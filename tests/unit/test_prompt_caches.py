"""Which part of the prompts came from a cache, by answers, fillers and counters, and what the verdict makes of it."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.prompt_caches import CacheUse, cache_findings, cache_use, cached_per_pass
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters
from tests.factories import ENGINE, completion, failure, trial


def engine(**settings: object) -> EngineFacts:
    return evolve(ENGINE, settings=settings)


SAME = "f" * 64
SALTED, ASKED = engine(salt="key"), engine(salt="key", cache_requested="load.salt: none")


def answer(number: int, cached: int | None, sha: str = "") -> Completion:
    """Of 100 prompt tokens, of which so many came from a cache."""
    return completion(number, prompt_tokens=100, cached_prompt_tokens=cached, rendered_sha256=sha or f"{number:x}" * 64)


def served(*cached: int | None, fillers: tuple[Completion, ...] = (), **fields: object) -> Trial:
    """A trial of a server."""
    answers = tuple(answer(number, each) for number, each in enumerate(cached))
    whole = trial(1, outcomes=answers)
    return evolve(whole, client=ClientLoad(1, 1.0, 0.0), fillers=fillers, **fields)  # type: ignore[arg-type]


def finding(facts: EngineFacts | None, *trials: Trial) -> tuple[str, str]:
    """The only one."""
    (found,) = cache_findings(trials, facts)
    assert found.check == "prefix cache"
    return found.level, found.message


def test_the_answers_tell_what_they_found() -> None:
    """60 of 400 tokens; all prompts begin with as many as the smallest hit."""
    assert cache_use([served(0, 20, 40, None)], SALTED) == CacheUse(0.15, pytest.approx(20 / 400), 20.0)
    assert cache_use([served(None, None)], SALTED) is None
    assert cache_use([served(0, 0)], SALTED) == CacheUse(0.0, 0.0, 0.0)
    assert cache_use([], SALTED) is None


def test_without_a_salt_the_smallest_hit_explains_nothing() -> None:
    """It may be a prompt of an earlier trial; nor does it where a trial sends a prompt twice."""
    assert cache_use([served(0, 20, 40)], engine(salt="none")) == CacheUse(0.2, 0.2, 0.0)
    twice = (answer(0, 20, SAME), answer(1, 40, SAME))
    repeated = evolve(served(), outcomes=twice)
    assert cache_use([repeated], SALTED) == CacheUse(0.3, 0.3, 0.0)
    assert cache_use([repeated], engine(salt="key", common_prefix_tokens=30)) == CacheUse(0.3, 0.05, 30.0)


def test_fillers_that_finished_are_answers_too() -> None:
    """Their hits and their prompts count; those that were cancelled report nothing."""
    fillers = (answer(4, 10), answer(5, None), evolve(answer(6, 90), finish_reason="cancelled"))
    assert cache_use([served(30, 30, fillers=fillers)], SALTED) == CacheUse(70 / 400, pytest.approx(40 / 400), 10.0)
    assert cache_use([served(None, None, fillers=fillers)], SALTED) == CacheUse(10 / 400, 0.0, 10.0)
    assert cache_use([served(None, None, fillers=fillers[1:])], SALTED) is None


def test_a_counter_speaks_where_no_answer_found_anything() -> None:
    """Of what it looked up, else of the prompts that it counts, else of those that were sent; hits of answers lead."""
    counters = ServerCounters(prefix_cache_hit_tokens=40, prompt_tokens=500, prefix_cache_queries_tokens=400)
    for server, share in (
        (counters, 0.1),
        (evolve(counters, prefix_cache_queries_tokens=None), 0.08),
        (ServerCounters(prefix_cache_hit_tokens=40), 0.2),
        (evolve(counters, prefix_cache_hit_tokens=0), 0.0),
    ):
        assert cache_use([served(None, None, server=server)], SALTED) == CacheUse(share, share, 0.0)
        assert cache_use([served(0, 0, server=server)], SALTED) == CacheUse(share, share, 0.0)
        assert cache_use([served(0, 60, server=server)], SALTED) == CacheUse(0.3, 0.0, 60.0)
    assert cache_use([served(None, server=ServerCounters(preemptions=1))], SALTED) is None


def test_a_pass_has_the_mean_of_its_trials_from_a_cache() -> None:
    """Of what answers say, where one of them says it; else of the counter, applied to the prompts that were sent."""
    counted = served(None, None, server=ServerCounters(prefix_cache_hit_tokens=40, prefix_cache_queries_tokens=400))
    assert cached_per_pass([counted, counted], [30.0, None]) == 15.0
    assert cached_per_pass([counted, counted], [None, None]) == pytest.approx(20.0)
    assert cached_per_pass([counted, served(None, None)], [None, None]) == pytest.approx(10.0)
    assert cached_per_pass([served(None, None)], [None]) is None
    assert cached_per_pass([], []) is None


def test_a_cache_that_was_asked_for_is_no_fault() -> None:
    """It is said as information, where anything came from it."""
    message = "15.0% of the prompt tokens came from a prefix cache"
    assert finding(ASKED, served(0, 20, 40, 0)) == ("INFO", f"{message}, as load.salt: none asks")
    assert finding(ASKED, served(0, 0))[0] == "PASS"
    assert finding(ASKED, served(1, 0))[0] == "PASS"
    silent = "the server does not report what it found in a cache"
    assert finding(ASKED, served(None)) == ("INFO", f"{silent}, which load.salt: none asks for")


def test_hits_beyond_one_percent_fail_unless_all_prompts_begin_alike() -> None:
    """What is beyond the common beginning is named."""
    assert finding(SALTED, served(1, 1))[0] == "PASS"
    level, message = finding(engine(salt="none"), served(2, 1))
    assert (level, message.partition(";")[0]) == ("FAIL", "1.5% of the prompt tokens came from a prefix cache")
    level, message = finding(SALTED, served(20, 23))
    assert level == "FAIL"
    assert (
        "21.5% of the prompt tokens came from a prefix cache, 1.5% beyond the 20 tokens that all begin with" in message
    )
    level, message = finding(SALTED, served(20, 21))
    assert (level, message.partition(": ")[2]) == ("INFO", "the 20 tokens with which all prompts begin")


def test_an_engine_in_process_is_asked_only_where_something_was_found() -> None:
    """Otherwise there is nothing to say of a cache that it may not have."""
    for cached, levels in (((0, 0), []), ((1, 1), []), ((None, None), []), ((40, 0), ["FAIL"])):
        here = evolve(served(*cached), client=None)
        assert [each.level for each in cache_findings([here], engine(salt="none"))] == levels


@pytest.mark.parametrize(
    ("salt", "trials", "level", "words"),
    [
        ("none", (served(None), served(None)), "WARN", "every trial sends the same prompts"),
        ("none", (served(None),), "INFO", "the prompts of the only trial had not been sent before in this run"),
        ("none", (served(None, fillers=(answer(1, None),)),), "WARN", "filler requests repeat the prompts"),
        ("key", (served(None), served(None)), "INFO", "every trial's prompts had a salt of its own"),
        ("key", (served(None, fillers=(answer(1, None),)),), "INFO", "every trial's prompts had a salt of its own"),
        ("text", (served(None), served(None)), "INFO", "every trial's prompts had a first line of its own"),
    ],
)
def test_a_server_that_reports_nothing_is_judged_by_what_was_sent(
    salt: str, trials: tuple[Trial, ...], level: str, words: str
) -> None:
    """Prompts that a cache may hold already are a warning."""
    seen = finding(engine(salt=salt), *trials)
    assert (seen[0], words in seen[1]) == (level, True)


@pytest.mark.parametrize(("salt", "level"), [("none", "WARN"), ("key", "WARN"), ("text", "INFO")])
def test_prompts_that_a_trial_repeats_are_found_unless_each_has_a_line_of_its_own(salt: str, level: str) -> None:
    """A salt of a trial is the same for both."""
    twice = evolve(served(), outcomes=(answer(0, None, SAME), answer(1, None, SAME), failure(2)))
    assert finding(engine(salt=salt), twice)[0] == level
