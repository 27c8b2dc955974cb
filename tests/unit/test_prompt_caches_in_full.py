"""Every sentence on prompts from a cache, whole, with the level and the situation that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.prompt_caches import cache_findings
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ServerCounters
from ai_energy_benchmarks.domain.verdict import Finding, Level
from tests.factories import failure
from tests.unit.test_prompt_caches import ASKED, SALTED, SAME, answer, engine, served
from tests.unit.test_prompt_caches_of_trials import timed

FIX = (
    "; fix: set load.salt: text, switch the server's cache off, or set load.salt: none if the cache is what you measure"
)
SILENT = "the server does not report what it found in a cache"
NOTHING = "0.0% of the prompt tokens came from a prefix cache"
PREFIXED = engine(salt="key", common_prefix_tokens=30)
UNSALTED, TEXT = engine(salt="none"), engine(salt="text")


def sooner(percent: int, but: str) -> str:
    return (
        f"{but} later trials had their first tokens after {percent}% of the first trial's time: their prompts "
        f"probably came from a cache, or the warm-up was too short{FIX}"
    )


YET = "the server reports that it found nothing in a cache, yet"


def found_none(*ttft_s: float) -> Trial:
    """A trial whose answers report that nothing came from a cache."""
    whole = timed(*ttft_s)
    return evolve(whole, outcomes=[evolve(each, cached_prompt_tokens=0) for each in whole.completions])


def found_few(*ttft_s: float) -> Trial:
    """As ``found_none``, but one token of the first prompt did."""
    whole = found_none(*ttft_s)
    first, *others = whole.completions
    return evolve(whole, outcomes=[evolve(first, cached_prompt_tokens=1), *others])


def in_process(*trials: Trial) -> list[Trial]:
    return [evolve(each, client=None) for each in trials]


def twice(first: int | None, second: int | None) -> Trial:
    """The same prompt two times."""
    return evolve(served(), outcomes=(answer(0, first, SAME), answer(1, second, SAME)))


SLOW, FAST = [0.8] * 7, [0.4] * 7
COUNTER = ServerCounters(prefix_cache_hit_tokens=3, prefix_cache_queries_tokens=200)

SITUATIONS: dict[str, tuple[EngineFacts | None, Sequence[Trial], tuple[Level, str] | None]] = {
    # What was reported.
    "nothing found": (SALTED, [served(0, 0)], ("PASS", NOTHING)),
    "one percent": (SALTED, [served(1, 1)], ("PASS", "1.0% of the prompt tokens came from a prefix cache")),
    "one percent, unsalted": (UNSALTED, [served(1, 1)], ("PASS", "1.0% of the prompt tokens came from a prefix cache")),
    "1.5 %": (UNSALTED, [served(2, 1)], ("FAIL", f"1.5% of the prompt tokens came from a prefix cache{FIX}")),
    "1.5 % by the counter": (
        UNSALTED,
        [served(None, None, server=COUNTER)],
        ("FAIL", f"1.5% of the prompt tokens came from a prefix cache{FIX}"),
    ),
    "without an engine": (None, [served(2, 1)], ("FAIL", f"1.5% of the prompt tokens came from a prefix cache{FIX}")),
    "all begin alike": (
        SALTED,
        [served(20, 21)],
        ("INFO", "20.5% of the prompt tokens came from a prefix cache: the 20 tokens with which all prompts begin"),
    ),
    "beyond the beginning": (
        SALTED,
        [served(20, 23)],
        (
            "FAIL",
            "21.5% of the prompt tokens came from a prefix cache, 1.5% beyond the 20 tokens that all begin with" + FIX,
        ),
    ),
    "less than the beginning": (
        PREFIXED,
        [served(10, 34)],
        # Four beyond in one of two answers; that 20 fewer were found in the other makes up for nothing.
        (
            "FAIL",
            "22.0% of the prompt tokens came from a prefix cache, 2.0% beyond the 30 tokens that all begin with" + FIX,
        ),
    ),
    "asked for": (
        ASKED,
        [served(1, 2)],
        ("INFO", "1.5% of the prompt tokens came from a prefix cache, as load.salt: none asks"),
    ),
    "asked for, one percent": (
        ASKED,
        [served(1, 1)],
        ("PASS", "1.0% of the prompt tokens came from a prefix cache"),
    ),
    "asked for by a switch": (
        engine(salt="none", enable_prefix_caching=True),
        [served(40, 0)],
        (
            "INFO",
            "20.0% of the prompt tokens came from a prefix cache, as backend.options.enable_prefix_caching: true asks",
        ),
    ),
    # What nothing reported, though later trials were faster.
    "nothing found, yet sooner": (
        SALTED,
        [found_none(*SLOW), found_none(*FAST)],
        ("WARN", sooner(50, YET)),
    ),
    "something found, and sooner": (
        SALTED,
        [found_few(*SLOW), found_few(*FAST)],
        ("PASS", "0.1% of the prompt tokens came from a prefix cache"),
    ),
    "asked for, nothing found, yet sooner": (ASKED, [found_none(*SLOW), found_none(*FAST)], ("PASS", NOTHING)),
    "nothing found, not sooner": (SALTED, [found_none(*FAST), found_none(*SLOW)], ("PASS", NOTHING)),
    "in process, yet sooner": (SALTED, in_process(found_none(*SLOW), found_none(*FAST)), None),
    "in process, one percent": (UNSALTED, in_process(served(1, 1)), None),
    "in process, 1.5 %": (
        UNSALTED,
        in_process(served(1, 2)),
        ("FAIL", f"1.5% of the prompt tokens came from a prefix cache{FIX}"),
    ),
    "in process, silent": (UNSALTED, in_process(timed(*SLOW), timed(*FAST)), None),
    # What a silent server may have found.
    "silent, sooner": (SALTED, [timed(*SLOW), timed(*FAST)], ("WARN", sooner(50, f"{SILENT}, and"))),
    "silent, exactly four fifths": (
        SALTED,
        [timed(*[5.0] * 7), timed(*[4.0] * 7)],
        ("WARN", sooner(80, f"{SILENT}, and")),
    ),
    "silent, asked for": (ASKED, [timed(*SLOW), timed(*FAST)], ("INFO", f"{SILENT}, which load.salt: none asks for")),
    "silent, unsalted, two trials": (
        UNSALTED,
        [served(None), served(None)],
        ("WARN", f"{SILENT}, and every trial sends the same prompts{FIX}"),
    ),
    "silent, unsalted, fillers": (
        UNSALTED,
        [served(None, fillers=(answer(1, None),))],
        ("WARN", f"{SILENT}, and filler requests repeat the prompts of their pass{FIX}"),
    ),
    "silent, unsalted, twice": (
        UNSALTED,
        [twice(None, None)],
        ("WARN", f"{SILENT}, and prompts of a trial were sent before in it{FIX}"),
    ),
    "silent, salted, twice": (
        SALTED,
        [twice(None, None), twice(None, None)],
        ("WARN", f"{SILENT}, and prompts of a trial were sent before in it{FIX}"),
    ),
    "silent, text, twice": (
        TEXT,
        [twice(None, None)],
        ("INFO", f"{SILENT}; every trial's prompts had a first line of its own"),
    ),
    "silent, salted": (
        SALTED,
        [served(None), served(None)],
        ("INFO", f"{SILENT}; every trial's prompts had a salt of its own"),
    ),
    "silent, unsalted, one trial": (
        UNSALTED,
        [served(None)],
        ("INFO", f"{SILENT}; the prompts of the only trial had not been sent before in this run"),
    ),
    "silent, all failed": (
        SALTED,
        [evolve(served(), outcomes=(failure(0),))] * 2,
        ("INFO", f"{SILENT}; every trial's prompts had a salt of its own"),
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_situation_has_this_line(name: str) -> None:
    """Of the whole run, with its level."""
    facts, trials, expected = SITUATIONS[name]
    lines = [] if expected is None else [Finding(expected[0], "prefix cache", expected[1])]
    assert list(cache_findings(trials, facts)) == lines


@pytest.mark.parametrize("slower", range(4))
def test_requests_that_took_exactly_as_long_were_not_faster(slower: int) -> None:
    """Of seven, ten and so on: the sign test counts those that were faster, and an equal one was not."""
    fast = 12
    first, later = timed(*[0.8] * (fast + slower)), timed(*[0.4] * fast, *[0.8] * slower)
    # By chance so many of 12, 13, 14 or 15 are faster in 1 of 4,096, 14 of 8,192, 106 of 16,384, 576 of 32,768.
    (finding,) = cache_findings([first, later], SALTED)
    assert finding.level == ("INFO" if slower == 3 else "WARN")


def test_the_median_request_decides() -> None:
    """Of twelve requests to 40 %, 60 % and 70 % of their time, two of which lie next to the middle: 65 %."""
    first = timed(*[1.0] * 12)
    (finding,) = cache_findings([first, timed(*[0.4] * 4, *[0.6] * 2, *[0.7] * 6)], SALTED)
    assert finding.message == sooner(65, f"{SILENT}, and")
