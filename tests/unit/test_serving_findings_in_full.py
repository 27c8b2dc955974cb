"""Every line that the checks of a server write: its level at each limit, and its whole sentence."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.serving_checks import (
    concurrency_findings,
    goodput_findings,
    serving_findings,
    token_doubt,
    token_doubts,
)
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, Goodput, ServerCounters, Slo
from ai_energy_benchmarks.domain.verdict import Finding, Level
from tests.factories import failure
from tests.unit.test_serving_checks import completion, trial

Line = tuple[Level, str]

SOUND: dict[str, Line] = {
    "client CPU": ("PASS", "the client used 10% of a core in its worst trial"),
    "client event loop": ("PASS", "the event loop woke up 0.0010 s late (99th percentile) in its worst trial"),
    "concurrency": ("PASS", "2.00 of 2 requests in flight, on average over the whole pass"),
    "token counts": ("PASS", "the server's own counter agrees with the tokens of its answers"),
    "prefix cache": ("PASS", "0.0% of the prompt tokens came from a prefix cache"),
    "preemptions": ("PASS", "0 requests were preempted and recomputed"),
}


def client(cpu_time_s: float = 1.0, lag_s: float | None = 0.001, concurrency: int = 2) -> ClientLoad:
    return ClientLoad(concurrency, cpu_time_s, lag_s)


def busy(share: float, level: Level) -> Line:
    return level, f"the client used {share:.0%} of a core in its worst trial"


def late(words: str, level: Level) -> Line:
    return level, f"the event loop woke up {words} s late (99th percentile) in its worst trial"


def counters(output_tokens: int | None = 128, preemptions: int | None = 0) -> ServerCounters:
    return ServerCounters(400, output_tokens, 400, 0, preemptions)


def doubted(counted: str, received: str, number: int = 1) -> Line:
    return "FAIL", (
        f"trial {number}: the server's own counter grew by {counted} output tokens, its answers report {received}: "
        "something else uses the server, or a count is wrong; J per token is withheld"
    )


AGREE_IN_ONE = "the server's own counter agrees with the tokens of its answers in 1 of 2 trials"
FAILED = evolve(failure(3), sent_s=5.0, finished_s=10.0)
WITH_FAILURE = (*trial().outcomes[:3], FAILED)
# Three in flight in the second half.
FILLER = completion(4, 5, 10)
THREE: Line = "PASS", "2.50 of 2 requests in flight, on average over the whole pass"

# Two trials → the lines that differ from those of a sound run; None for no line.
SITUATIONS: dict[str, tuple[Sequence[Trial], dict[str, Line | None]]] = {
    "all is well": ([trial()], {}),
    "twice": ([trial(), trial(number=2)], {}),
    # The client's processor time: WARN above 70 %, FAIL above 95 % of a core, in the worst of the trials.
    "CPU at the first limit": ([trial(client=client(7.0))], {"client CPU": busy(0.7, "PASS")}),
    "CPU above it": ([trial(client=client(7.01)), trial(number=2)], {"client CPU": busy(0.7, "WARN")}),
    "CPU at the second limit": ([trial(), trial(client=client(9.5), number=2)], {"client CPU": busy(0.95, "WARN")}),
    "CPU above that": ([trial(client=client(9.51))], {"client CPU": busy(0.95, "FAIL")}),
    # Its event loop: 10 and 100 ms.
    "loop at the first limit": ([trial(client=client(1, 0.01))], {"client event loop": late("0.0100", "PASS")}),
    "loop above it": ([trial(client=client(1, 0.0101))], {"client event loop": late("0.0101", "WARN")}),
    "loop at the second limit": ([trial(client=client(1, 0.1))], {"client event loop": late("0.1000", "WARN")}),
    "loop above that": (
        [trial(), trial(client=client(1, 0.1001), number=2)],
        {"client event loop": late("0.1001", "FAIL")},
    ),
    "loop seen in one": ([trial(client=client(1, None)), trial(number=2)], {}),
    "loop never seen": ([trial(client=client(1, None))], {"client event loop": None}),
    # A part of a trial is not judged by its client, unless there is no whole one.
    "a part": ([trial(), trial(number=2, client=client(9.9, 0.2), complete=False)], {}),
    "only parts": (
        [trial(client=client(9.9, 0.2), complete=False)],
        {"client CPU": busy(0.99, "FAIL"), "client event loop": late("0.2000", "FAIL")},
    ),
    "one in process": ([trial(), trial(number=2, client=None, server=counters(500))], {}),
    # Preemptions are counted where every trial knows them, or where there were any.
    "preempted": (
        [trial(server=counters(preemptions=1)), trial(number=2, server=counters(preemptions=2))],
        {"preemptions": ("WARN", "3 requests were preempted and recomputed")},
    ),
    "preempted where known": (
        [trial(server=counters(preemptions=1)), trial(number=2, server=counters(preemptions=None))],
        {"preemptions": ("WARN", "1 requests were preempted and recomputed")},
    ),
    "none where known": ([trial(), trial(number=2, server=counters(preemptions=None))], {"preemptions": None}),
    "none known": ([trial(server=counters(preemptions=None))], {"preemptions": None}),
    # The server's count of tokens: one token of each request, or 1 %.
    "four more": ([trial(server=counters(132))], {}),
    "five more": ([trial(server=counters(133))], {"token counts": doubted("133", "128")}),
    "four fewer": ([trial(server=counters(124))], {}),
    "five fewer": (
        [trial(), trial(number=2, server=counters(123))],
        {"token counts": doubted("123", "128", number=2)},
    ),
    "counted in one": ([trial(), trial(number=2, server=counters(None))], {"token counts": ("PASS", AGREE_IN_ONE)}),
    "counted in none": ([trial(server=counters(None))], {"token counts": None}),
    "with a failure": (
        [trial(), trial(number=2, outcomes=WITH_FAILURE, server=counters(500))],
        {"token counts": ("PASS", AGREE_IN_ONE)},
    ),
    "with a failed filler": (
        [trial(), trial(number=2, fillers=(FILLER, FAILED), server=counters(500))],
        {"token counts": ("PASS", AGREE_IN_ONE)},
    ),
    "a filler's tokens": ([trial(fillers=(FILLER,), server=counters(165))], {"concurrency": THREE}),
    "more than a filler's": (
        [trial(fillers=(FILLER,), server=counters(166))],
        {"concurrency": THREE, "token counts": doubted("166", "160")},
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_situation_has_these_lines(name: str) -> None:
    """In the order of the checks, each line whole."""
    trials, differing = SITUATIONS[name]
    lines = (SOUND | differing).items()
    expected = [Finding(line[0], check, line[1]) for check, line in lines if line is not None]
    assert list(serving_findings(trials)) == expected


def test_a_trial_without_requests_compares_nothing() -> None:
    """Nothing was counted and nothing was sent, which is no agreement."""
    empty = trial(outcomes=(), server=counters(0))
    assert "token counts" not in {each.check for each in serving_findings([empty])}
    assert token_doubt(evolve(empty, server=counters(500))) is None


def test_counts_of_long_answers_may_differ_by_a_hundredth() -> None:
    """Of 10,000 tokens in two answers 100 may be missing; the counter's own figure is what they are a part of."""
    outcomes = tuple(evolve(each, output_tokens=5_000) for each in trial().completions[:2])
    for counted, doubt in ((10_101, False), (10_102, True), (9_901, False), (9_900, True)):
        assert (token_doubt(trial(outcomes=outcomes, server=counters(counted))) is not None) is doubt, counted
    (finding,) = token_doubts([trial(outcomes=outcomes, server=counters(12_345))])
    assert (finding.level, finding.message) == doubted("12,345", "10,000")


def test_a_server_may_have_gone_on_with_cancelled_requests() -> None:
    """For a quarter of a second at 32 tokens in 5 s, so by 1.6 tokens for each of two, above one for each request."""
    cancelled = tuple(
        evolve(completion(number, 5, 10), finish_reason="cancelled", output_tokens=0) for number in (4, 5)
    )
    for counted, doubt in ((201, False), (202, True), (186, False), (185, True)):
        seen = trial(fillers=cancelled, server=counters(counted))
        assert (token_doubt(seen) is not None) is doubt, counted


def test_answers_that_contradict_themselves_are_doubted_before_any_counter() -> None:
    """One token for 32 events, whatever the server's own counter says; the others are not doubted."""
    few = tuple(evolve(each, output_tokens=1) for each in trial().completions)
    for server in (counters(4), counters(None), None):
        found = token_doubts([trial(outcomes=few, server=server), trial(number=2)])
        message = (
            "trial 1: 4 of 4 answers report output tokens that cannot be true, such as 1 for 32 token events; "
            "J per token is withheld"
        )
        assert found == (Finding("FAIL", "token counts", message),)


def test_one_line_for_each_trial_in_doubt() -> None:
    """And none that says that others agree."""
    trials = [trial(server=counters(64)), trial(number=2), trial(number=3, server=counters(256))]
    found = [(each.level, each.message) for each in serving_findings(trials) if each.check == "token counts"]
    assert found == [doubted("64", "128"), doubted("256", "128", number=3)]


@pytest.mark.parametrize(("wanted", "level"), [(2, "PASS"), (3, "WARN"), (4, "WARN"), (5, "FAIL"), (1, "PASS")])
def test_concurrency_warns_below_nine_tenths_and_fails_below_half(wanted: int, level: Level) -> None:
    """Two were in flight; exactly half of four is a WARN."""
    (finding,) = concurrency_findings([trial(client=client(concurrency=wanted))])
    message = f"2.00 of {wanted} requests in flight, on average over the whole pass"
    assert finding == Finding(level, "concurrency", message)


def test_exactly_nine_tenths_are_enough() -> None:
    """One of ten places was free: 9 in flight of 10, but not 8.99."""
    outcomes = tuple(completion(number, 0, 10) for number in range(9))
    nine = trial(outcomes=outcomes, client=client(concurrency=10))
    (finding,) = concurrency_findings([nine])
    assert (finding.level, finding.message.partition(" requests")[0]) == ("PASS", "9.00 of 10")
    less = evolve(nine, outcomes=(*outcomes[:8], completion(8, 0, 9.9)))
    for trials in ([nine, less], [less, nine]):
        (finding,) = concurrency_findings(trials)
        assert (finding.level, finding.message.partition(" requests")[0]) == ("WARN", "8.99 of 10")


def test_concurrency_may_be_that_of_parts() -> None:
    """Where a part of each trial counts: two until 5 s, then one."""
    drained = trial(outcomes=(completion(0, 0, 5), completion(1, 0, 5), completion(2, 5, 10)))
    parts = {1: evolve(drained, start_s=0, stop_s=5)}
    (finding,) = concurrency_findings([drained], parts)
    message = "2.00 of 2 requests in flight, on average over the part of each trial that counts"
    assert finding == Finding("PASS", "concurrency", message)
    (whole,) = concurrency_findings([drained])
    assert (whole.level, whole.message.partition(" requests")[0]) == ("WARN", "1.50 of 2")
    assert list(concurrency_findings([])) == []
    unwatched = evolve(drained, client=None)
    assert list(concurrency_findings([unwatched])) == []
    for trials in ([unwatched, drained], [drained, unwatched]):
        assert list(concurrency_findings(trials)) == [whole]


def answers_in_one_piece(count: int) -> list[Completion]:
    return [evolve(completion(number, 0, 5), token_times_s=array("d", (5.0,))) for number in range(count)]


def test_the_first_thousand_answers_tell_whether_a_server_streams() -> None:
    """What comes after them is not looked at."""
    streamed = completion(1000, 5, 10)
    one_piece = "every answer came in one piece: times to the first token are those of the whole answer"
    for before, expected in ((1000, [("WARN", one_piece)]), (999, [])):
        found = serving_findings([trial(server=None, outcomes=(*answers_in_one_piece(before), streamed))])
        assert [(each.level, each.message) for each in found if each.check == "streaming"] == expected
    later = [trial(outcomes=answers_in_one_piece(2)), trial(number=2)]
    for trials in (later, later[::-1]):
        assert "streaming" not in {each.check for each in serving_findings(trials)}
    # An answer without any event did not come in one piece either.
    silent = evolve(trial(), outcomes=[evolve(completion(0, 0, 5), token_times_s=array("d"))])
    assert "streaming" not in {each.check for each in serving_findings([silent])}


@pytest.mark.parametrize(
    ("share", "unknown", "line"),
    [
        (1.0, 0.0, ("PASS", "100.0% of the requests kept TTFT ≤ 0.5 s, E2E ≤ 2 s")),
        (0.999, 0.0, ("INFO", "99.9% of the requests kept TTFT ≤ 0.5 s, E2E ≤ 2 s")),
        (0.0, 0.0, ("INFO", "0.0% of the requests kept TTFT ≤ 0.5 s, E2E ≤ 2 s")),
        (
            None,
            2.5,
            (
                "WARN",
                "TTFT ≤ 0.5 s, E2E ≤ 2 s: unknown for 2.5 requests per pass: some of their token times are missing",
            ),
        ),
        (
            None,
            0.0,
            ("WARN", "TTFT ≤ 0.5 s, E2E ≤ 2 s: unknown, as no request was sent in the time that counts"),
        ),
    ],
)
def test_goodput_is_one_line(share: float | None, unknown: float, line: Line) -> None:
    """With its objectives; unknown for the requests of which it is, or for want of any."""
    summary = summarise([trial()], [])
    found = Goodput(Slo(0.5, None, 2.0), 1.0, unknown, None, share)
    (finding,) = goodput_findings(evolve(summary, goodput=found))
    assert (finding.check, finding.level, finding.message) == ("goodput", *line)
    assert list(goodput_findings(summary)) == []
