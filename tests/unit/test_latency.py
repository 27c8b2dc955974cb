"""Times of requests, whole and in a part of a run."""

from __future__ import annotations

import io
from array import array

import pytest
from attrs import evolve
from rich.console import Console

from ai_energy_benchmarks.analysis.latency import pooled
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reanalysis.cutting import cut_trial
from ai_energy_benchmarks.results.reanalysis.parts import of_a_part
from tests.factories import completion, result, trial


@pytest.mark.parametrize(("finish_reason", "tpot_s"), [("stop", 0.05), ("length", 0.0375)])
def test_an_end_token_that_nobody_saw_is_in_neither_time_nor_count(finish_reason: str, tpot_s: float) -> None:
    """Four events 0.05 s apart and five tokens: the last is the end token, if an end token ended the answer."""
    done = evolve(completion(output_tokens=4), output_tokens=5, finish_reason=finish_reason, token_source="usage")
    assert done.tpot_s == pytest.approx(tpot_s)


def test_the_gaps_of_a_part_are_those_within_it() -> None:
    """Requests that had begun before it bring their later gaps, and none after its end."""
    whole = evolve(trial(1), outcomes=(completion(output_tokens=9, sent_s=20.0),), measurement=None)
    (done,) = whole.completions
    cut = cut_trial(whole, done.token_times_s[2] - whole.start_s, done.token_times_s[5] - whole.start_s, {})
    summary, _ = of_a_part(summarise([cut], ()), (whole,), (cut,), None)
    assert summary.itl_s is not None
    assert summary.itl_s.n == 3
    assert summary.ttft_s is None


def chunked(tokens: int, per_event: int, *, number: int = 0, event_s: float = 0.04) -> Completion:
    """A server's answer of which every event carries so many tokens, ``event_s`` apart."""
    events = tokens // per_event
    times_s = array("d", (0.1 + event_s * event for event in range(events)))
    first = 1 if per_event == 1 else None
    return Completion(
        number, 10, tokens, "usage", 0.0, times_s, times_s[-1], "length", first_event_tokens=first, rendered_sha256=""
    )


def test_gaps_between_chunks_are_not_called_itl() -> None:
    """Four tokens of 10 ms each in a chunk: the 40 ms between chunks have their own name, with tokens per event."""
    found = result([evolve(trial(1), outcomes=(chunked(40, 4), chunked(40, 4, number=1)))])
    latency = report_document(found)["latency_ms"]
    assert latency["itl"] is None
    assert latency["inter_chunk"]["p50"] == pytest.approx(40)
    assert (latency["inter_chunk"]["n"], latency["tokens_per_event"]) == (18, 4)
    assert latency["notes"]["itl"].startswith("a token event carries 4 tokens")
    assert latency["notes"]["tpot"] == "0 of 2 requests: 2 had a first event with an unknown number of tokens"
    row = result_row(found)
    assert (row["itl_p50_ms"], row["tokens_per_event"]) == ("", "4.0")
    assert float(row["inter_chunk_p50_ms"]) == pytest.approx(40)
    text = io.StringIO()
    ConsoleReporter(Console(file=text, width=200)).report(found)
    assert "inter-chunk" in text.getvalue()
    assert "INFO latency: TPOT: 0 of 2 requests" in text.getvalue()


@pytest.mark.parametrize(("tokens", "chunks"), [(101, False), (103, True)])
def test_one_token_in_fifty_more_makes_gaps_those_of_chunks(tokens: int, chunks: bool) -> None:
    """From 0.98 events a token on, a gap is one between tokens; below it is not."""
    found = pooled([evolve(chunked(100, 1), output_tokens=tokens)])
    assert (found.itl_s is None, found.inter_chunk_s is not None) == (chunks, chunks)


def test_end_tokens_without_a_text_make_no_chunks() -> None:
    """Ten tokens in nine events are one each, if the tenth ended the answer: servers show no text for it."""
    done = evolve(chunked(9, 1), output_tokens=10, finish_reason="stop")
    assert pooled([done]).inter_chunk_s is None
    assert pooled([evolve(done, finish_reason="length")]).inter_chunk_s is not None


def test_an_end_token_in_process_has_its_event() -> None:
    """Three tokens in two steps of two and one: the later one took the whole gap."""
    done = evolve(completion(output_tokens=2), output_tokens=3, finish_reason="stop", first_event_tokens=2)
    assert done.tpot_s == pytest.approx(0.05)


def test_a_latency_says_of_how_many_requests_it_is_known() -> None:
    """45 of 48 requests have a time per token: the other three had one token."""
    outcomes = [completion(number, output_tokens=1 if number < 3 else 4) for number in range(48)]
    summary = summarise([evolve(trial(1), outcomes=outcomes)], ())
    assert summary.tpot_s is not None
    assert summary.tpot_s.n == 45
    assert summary.latency_notes == {"tpot": "45 of 48 requests: 3 had one token"}
    silent = evolve(completion(), token_times_s=[], first_event_tokens=None)
    assert pooled([silent, completion()]).notes["ttft"] == "1 of 2 requests: 1 showed no token event"


def test_the_name_of_the_gaps_of_a_part_is_that_of_the_whole() -> None:
    """Cutting spreads tokens over events, end tokens too, so only whole requests tell what an event carries."""
    ended = evolve(
        completion(output_tokens=9, sent_s=20.0), output_tokens=10, finish_reason="stop", token_source="usage"
    )
    whole = evolve(trial(1), outcomes=(ended,), measurement=None)
    cut = cut_trial(whole, 0.0, 0.3, {})
    summary, _ = of_a_part(summarise([cut], ()), (whole,), (cut,), None)
    assert summary.itl_s is not None
    assert summary.inter_chunk_s is None
    several = evolve(whole, outcomes=(evolve(ended, output_tokens=40, first_event_tokens=None),))
    cut = cut_trial(several, 0.0, 0.3, {})
    summary, _ = of_a_part(summarise([cut], ()), (several,), (cut,), None)
    assert (summary.itl_s, summary.inter_chunk_s is not None) == (None, True)


def test_a_request_that_begins_in_a_part_keeps_the_tokens_of_its_first_event() -> None:
    """What its first event carried is known in the part too; of one that had begun before it is not."""
    whole = evolve(trial(1), outcomes=(completion(output_tokens=9, sent_s=20.0),), measurement=None)
    (begun,) = cut_trial(whole, 0.0, 0.3, {}).completions
    (later,) = cut_trial(whole, 0.2, 0.5, {}).completions
    assert (begun.first_event_tokens, later.first_event_tokens) == (1, None)
