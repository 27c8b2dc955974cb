"""Latencies of answers that differ in every way: by hand, as objects, as a table and in parts, all the same."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.latency import Latencies, Pooling, latency_findings, not_single, pooled
from ai_energy_benchmarks.analysis.pool import Pool
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.completions import Completion, FinishReason
from ai_energy_benchmarks.domain.statistics import Distribution, distribution
from tests.factories import trial
from tests.unit.test_tokens_of_windows import frame


def answer(
    *times_s: float,
    tokens: int | None = None,
    first: int | None = 1,
    reason: FinishReason = "length",
    finished_s: float | None = None,
) -> Completion:
    """Sent at 10 s, with events so much later."""
    events = array("d", (10.0 + time_s for time_s in times_s))
    last_s = events[-1] if events else 10.0
    return Completion(
        0, 5, len(times_s) if tokens is None else tokens, "usage", 10.0, events,
        last_s if finished_s is None else finished_s, reason, first_event_tokens=first, rendered_sha256="a" * 64,
    )  # fmt: skip


def both(*answers: Completion, gaps: bool = True) -> Pooling:
    """The sums over these, which do not depend on how they come."""
    by_object, by_table = Pooling(gaps=gaps), Pooling(gaps=gaps)
    for done in answers:
        by_object.add(done)
    by_table.add_table(frame(*answers))
    assert by_table == by_object
    for at in range(len(answers)):
        first, second = Pooling(gaps=gaps), Pooling(gaps=gaps)
        for done in answers[:at]:
            first.add(done)
        for done in answers[at:]:
            second.add(done)
        assert first + second == by_object
    assert by_table.latencies() == by_object.latencies()
    return by_object


def of(*seconds: float) -> Distribution:
    found = distribution(seconds)
    assert found is not None
    return found


SILENT = answer(tokens=3, finished_s=14.0)
SINGLE = answer(0.5)
UNKNOWN = answer(0.25, 1.25, tokens=2, first=None)
AT_ONCE = answer(0.25, 0.75, tokens=2, first=2)
PLAIN = answer(1.0, 1.5, 3.0, 3.5)
ENDED = answer(2.0, 2.25, 2.75, tokens=4, reason="stop")


@pytest.mark.parametrize(
    ("answers", "latencies"),
    [
        ([], Latencies(None, None, None, None)),
        ([PLAIN], Latencies(of(1.0), of(0.5, 1.5, 0.5), of(2.5 / 3), of(3.5), None, 1.0)),
        # The end token of the fourth has no event: three in 0.75 s, the first of them at its begin.
        ([ENDED], Latencies(of(2.0), of(0.25, 0.5), of(0.375), of(2.75), None, 1.0)),
        (
            [PLAIN, ENDED],
            Latencies(of(1.0, 2.0), of(0.5, 1.5, 0.5, 0.25, 0.5), of(2.5 / 3, 0.375), of(3.5, 2.75), None, 1.0),
        ),
        ([SINGLE], Latencies(of(0.5), None, None, of(0.5), None, 1.0, {"tpot": "0 of 1 requests: 1 had one token"})),
        (
            [SILENT],
            Latencies(None, None, None, of(4.0), None, None, {
                "ttft": "0 of 1 requests: 1 showed no token event", "tpot": "0 of 1 requests: 1 showed no token event",
            }),
        ),
        (
            [UNKNOWN],
            Latencies(of(0.25), of(1.0), None, of(1.25), None, 1.0, {
                "tpot": "0 of 1 requests: 1 had a first event with an unknown number of tokens",
            }),
        ),
        (
            [AT_ONCE],
            Latencies(of(0.25), of(0.5), None, of(0.75), None, 1.0, {
                "tpot": "0 of 1 requests: 1 had no token after those of the first event",
            }),
        ),
        (
            [PLAIN, SILENT, SINGLE, SILENT, AT_ONCE, UNKNOWN, SINGLE, SINGLE],
            Latencies(
                of(1.0, 0.5, 0.25, 0.25, 0.5, 0.5), of(0.5, 1.5, 0.5, 0.5, 1.0), of(2.5 / 3),
                of(3.5, 4.0, 0.5, 4.0, 0.75, 1.25, 0.5, 0.5), None, 1.0, {
                    "ttft": "6 of 8 requests: 2 showed no token event",
                    "tpot": "1 of 8 requests: 1 had a first event with an unknown number of tokens, 1 had no token "
                    "after those of the first event, 3 had one token, 2 showed no token event",
                },
            ),
        ),
        # Ten tokens in four events: 2.5 to an event. Those that no event showed do not count.
        (
            [evolve(PLAIN, output_tokens=10), SILENT],
            Latencies(
                of(1.0), None, of(2.5 / 9), of(3.5, 4.0), of(0.5, 1.5, 0.5), 2.5, {
                    "ttft": "1 of 2 requests: 1 showed no token event",
                    "tpot": "1 of 2 requests: 1 showed no token event",
                    "itl": "a token event carries 2.5 tokens on average, so its gaps are called inter-chunk",
                },
            ),
        ),
        # Three tokens in four events.
        (
            [evolve(PLAIN, output_tokens=3)],
            Latencies(of(1.0), None, of(1.25), of(3.5), of(0.5, 1.5, 0.5), 0.75, {
                "itl": "a token event carries 0.75 tokens on average, so its gaps are called inter-chunk",
            }),
        ),
    ],
)  # fmt: skip
def test_latencies_by_hand(answers: Sequence[Completion], latencies: Latencies) -> None:
    """Each gap once, each time per token and to the first token of each request that has one, and why not of all."""
    found = (both(*answers) if answers else Pooling()).latencies()
    assert found == latencies
    assert pooled(answers) == found


def test_an_end_token_without_an_event_follows_the_first_one() -> None:
    """Of an answer whose only event shows one token, and of one that has none at all: one token in two events."""
    found = both(answer(0.5, tokens=0), answer(0.5, tokens=2, reason="stop")).latencies()
    assert (found.tokens_per_event, found.tpot_s) == (0.5, None)
    assert found.notes["tpot"] == ("0 of 2 requests: 1 had no token after those of the first event, 1 had one token")


def test_without_gaps_only_the_first_token_and_the_end_are_pooled() -> None:
    """Neither gaps nor times per token, nor a word on them; so do both together if one of them has none."""
    answers = (PLAIN, SILENT, SINGLE)
    found = both(*answers, gaps=False).latencies()
    assert found == Latencies(of(1.0, 0.5), None, None, of(3.5, 4.0, 0.5))
    full, less = Pooling(), Pooling(gaps=False)
    assert ((full + less).gaps, (less + full).gaps, (full + full).gaps) == (False, False, True)


@pytest.mark.parametrize("most", range(1, 9))
def test_very_many_gaps_are_counted_in_bins_as_they_come(most: int) -> None:
    """Those of one request together, so that a table is cut where requests end."""
    answers = (PLAIN, SINGLE, SILENT, UNKNOWN, PLAIN, ENDED, SINGLE, AT_ONCE, PLAIN)
    by_object, by_table = Pooling(gaps_s=Pool(most)), Pooling(gaps_s=Pool(most))
    for done in answers:
        by_object.add(done)
    by_table.add_table(frame(*answers))
    assert by_table == by_object
    latencies = by_table.latencies()
    assert latencies == by_object.latencies()
    assert latencies.itl_s is not None
    assert (latencies.itl_s.n, latencies.itl_s.mean) == (13, pytest.approx((3 * 2.5 + 1.0 + 0.75 + 0.5) / 13))


def test_tokens_per_event_are_those_of_all_requests() -> None:
    """Four events of one token and two of three."""
    pooling = both(PLAIN, evolve(ENDED, token_times_s=array("d", (11.0, 12.0)), output_tokens=6))
    assert pooling.tokens_per_event == 10 / 6
    assert Pooling().tokens_per_event is None


@pytest.mark.parametrize(
    ("per_event", "chunks"),
    [(None, False), (0.979, True), (0.98, False), (1.0, False), (1 / 0.98, False), (1.021, True), (0.0, True)],
)
def test_events_of_one_token_each(per_event: float | None, chunks: bool) -> None:
    """Two in a hundred may be missing on either side."""
    assert not_single(per_event) is chunks


def test_notes_that_are_alike_are_one_line() -> None:
    """In the order in which they come, with the latencies in capitals."""
    summary = evolve(summarise([trial()], ()), latency_notes={"ttft": "few", "itl": "in chunks", "tpot": "few"})
    lines = [(found.level, found.check, found.message) for found in latency_findings(summary)]
    assert lines == [("INFO", "latency", "TTFT, TPOT: few"), ("INFO", "latency", "ITL: in chunks")]
    assert list(latency_findings(evolve(summary, latency_notes={}))) == []
