"""Servers that follow the protocol in their own way: what is counted, what fails with a reason, and what is doubted."""

from __future__ import annotations

import gzip
import json

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.answer_facts import AnswerFacts
from ai_energy_benchmarks.analysis.empty_answers import unknown_end_findings
from ai_energy_benchmarks.analysis.token_counts import output_contradiction
from ai_energy_benchmarks.backends.server.event_stream import EventStream
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from tests.integration.test_bad_replies import ask
from tests.integration.test_token_counts import answer as counted_answer
from tests.integration.test_token_counts import served
from tests.servers import Answer, Exchange, delta, event, usage

DONE = b"data: [DONE]\n\n"
PING = b"event: ping\ndata: {}\n\n"
LENGTH = event(delta(finish_reason="length"))
USAGE = event(usage(5, 8))
TEXTS = [event(delta(content=f" w{number}")) for number in range(8)]


def stream(*parts: bytes) -> Answer:
    """These chunks, and the end of the body."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for part in parts:
            await exchange.chunk(part)
        await exchange.end_stream(done=False)

    return answer


def body(content: bytes, *headers: str) -> Answer:
    """A body that is no stream of events."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, f"Content-Length: {len(content)}", *headers)
        await exchange.raw(content)

    return answer


def with_usage(counts: list[int], *, final: int | None = None, text: str = " w") -> Answer:
    """Usage with every token event, and perhaps one of the whole answer at the end."""
    parts = []
    for count in counts:
        document = delta(content=text)
        document["usage"] = {"prompt_tokens": 5, "completion_tokens": count}
        parts.append(event(document))
    parts += [LENGTH] + ([] if final is None else [event(usage(5, final))])
    return stream(*parts, DONE)


def choice_usage() -> bytes:
    document = delta(finish_reason="length")
    document["choices"][0]["usage"] = {"prompt_tokens": 5, "completion_tokens": 8}  # type: ignore[index] # of this test
    return event(document)


def one(answer: Answer) -> Outcome:
    (outcome,) = ask(answer, stall_timeout_s=2.0)
    return outcome


WHOLE = {"choices": [{"message": {"content": " w"}, "finish_reason": "length"}], "usage": usage(5, 8)["usage"]}


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        pytest.param(stream(*[part.replace(b"\n", b"\r\n") for part in [*TEXTS, LENGTH, USAGE, DONE]]), 8, id="CRLF"),
        pytest.param(stream(b"\xef\xbb\xbf" + TEXTS[0], *TEXTS[1:], LENGTH, USAGE, DONE), 8, id="byte order mark"),
        pytest.param(
            stream(b": ping\n\n", *TEXTS[:4], b":\n\n", *TEXTS[4:], b": x\n" + LENGTH, USAGE, DONE), 8, id="comments"
        ),
        pytest.param(
            stream(b"id: 1\nevent: message\nretry: 9\n" + TEXTS[0], PING, *TEXTS[1:], PING, LENGTH, USAGE, DONE),
            8,
            id="fields",
        ),
        pytest.param(stream(*TEXTS, LENGTH, USAGE, *[PING] * 12, DONE), 8, id="pings after usage"),
        pytest.param(stream(*TEXTS, LENGTH, USAGE, DONE, b"junk"), 8, id="junk after [DONE]"),
        pytest.param(stream(*TEXTS[:3], DONE, *TEXTS[3:], LENGTH, USAGE), 8, id="early [DONE]"),
        pytest.param(stream(*TEXTS, LENGTH, event(usage(0, 0)), USAGE, DONE), 8, id="usage of 0 first"),
        pytest.param(
            stream(
                *TEXTS, LENGTH, event({"choices": [], "usage": {"prompt_tokens": 5.0, "completion_tokens": 8.0}}), DONE
            ),
            8,
            id="whole floats",
        ),
        pytest.param(stream(*TEXTS, choice_usage(), DONE), 8, id="usage in the choice"),
        pytest.param(with_usage([1, 2, 3, 4, 5, 6, 7, 8]), 8, id="cumulative usage"),
        pytest.param(with_usage([1] * 8, final=8), 8, id="usage of each event and of all"),
        pytest.param(
            stream(*[event({**delta(content=" w"), "usage": None, "error": None})] * 8, LENGTH, USAGE, DONE),
            8,
            id="nulls",
        ),
        pytest.param(
            stream(*[event(delta(function_call={"arguments": "{"}))] * 8, LENGTH, USAGE, DONE), 8, id="function call"
        ),
        pytest.param(stream(*[event(delta(refusal=" no"))] * 8, LENGTH, USAGE, DONE), 8, id="refusal"),
        pytest.param(stream(*[event(delta(thinking=" hm"))] * 4, *TEXTS[:4], LENGTH, USAGE, DONE), 8, id="thinking"),
        pytest.param(body(json.dumps(WHOLE).encode()), 1, id="no stream"),
        pytest.param(body(json.dumps(WHOLE, indent=2).encode()), 1, id="no stream, on many lines"),
    ],
)
def test_what_has_one_meaning_is_counted(answer: Answer, events: int) -> None:
    """Five prompt tokens and eight output tokens, however they are wrapped."""
    done = one(answer)
    assert isinstance(done, Completion), done
    assert (done.prompt_tokens, done.output_tokens, len(done.token_times_s)) == (5, 8, events)
    assert (done.finish_reason, done.token_source) == ("length", "usage")
    assert done.finished_s >= done.token_times_s[-1]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(body(gzip.compress(b"".join(TEXTS)), "Content-Encoding: gzip"), "compressed (gzip)", id="gzip"),
        pytest.param(body(b'{"error": {"message": "overloaded"}}'), "overloaded", id="error"),
        pytest.param(body(b'{"detail": "no such model"}'), "the server reports: no such model", id="detail"),
        pytest.param(body(b'{"object": "error", "message": "too long"}'), "the server reports: too long", id="object"),
        pytest.param(body(b"<html>Log in</html>"), "begins with '<html>Log in</html>'", id="a page"),
        pytest.param(body(b""), "the answer is empty", id="nothing"),
        pytest.param(stream(b'\xef\xbb\xbferror: {"code": 400, "message": "bad"}\n\n'), "bad", id="error field"),
        pytest.param(
            stream(*TEXTS, event({**delta(content=" w"), "error": {"message": "half"}}), LENGTH, USAGE, DONE),
            "half",
            id="error with text",
        ),
        pytest.param(with_usage([2, 2, 2, 2]), "its usage is that of each event", id="usage of each event"),
        pytest.param(with_usage([64, 64, 64]), "its usage is that of each event", id="large events"),
        pytest.param(with_usage([3, 1, 2, 2]), "its usage is that of each event", id="uneven events"),
        pytest.param(
            stream(
                *TEXTS,
                LENGTH,
                event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 8, "total_tokens": 60}}),
                DONE,
            ),
            "but 60 in total",
            id="total",
        ),
        pytest.param(
            stream(event(usage(5, 0)), *TEXTS, LENGTH, DONE), "no usage at the end", id="usage before the text"
        ),
        pytest.param(
            stream(*TEXTS, LENGTH, event({"choices": [], "usage": None}), DONE), "no usage at the end", id="null usage"
        ),
        pytest.param(stream(*TEXTS, LENGTH, event(usage(5, -20)), DONE), "no whole numbers", id="negative usage"),
        pytest.param(stream(*TEXTS, LENGTH, event(usage(5, 20.5)), DONE), "no whole numbers", id="half a token"),
        pytest.param(stream(DONE), "no usage", id="[DONE] alone"),
    ],
)
def test_what_is_no_answer_fails_with_what_came(answer: Answer, reason: str) -> None:
    """The reason quotes the server, or says which count is not believed, so that one knows what to look at."""
    outcome = one(answer)
    assert isinstance(outcome, FailedCompletion), outcome
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("answer", "output_tokens", "events"),
    [
        pytest.param(stream(*TEXTS[:4], event(usage(5, 4)), *TEXTS[4:], LENGTH, DONE), 4, 8, id="usage before the end"),
        pytest.param(stream(*TEXTS, LENGTH, USAGE, DONE, *TEXTS[:3]), 8, 11, id="text after [DONE]"),
        pytest.param(stream(*TEXTS, LENGTH, USAGE, event(usage(5, 0)), DONE), 0, 8, id="usage taken back"),
    ],
)
def test_counts_that_events_contradict_withhold_what_they_are_in(
    answer: Answer, output_tokens: int, events: int
) -> None:
    """The answer is one, and its count is not believed."""
    done = one(answer)
    assert isinstance(done, Completion), done
    assert (done.output_tokens, len(done.token_times_s)) == (output_tokens, events)
    assert output_contradiction(served(1, done)) is not None


def test_two_choices_that_were_not_asked_for_are_longer_than_the_limit() -> None:
    """The tokens of both are counted, and the verdict fails for the limit that was not kept."""
    parts = []
    for text in TEXTS:
        parts += [text, text.replace(b'"index": 0', b'"index": 1')]
    done = one(stream(*parts, LENGTH, event(usage(5, 16)), DONE))
    assert isinstance(done, Completion)
    facts = AnswerFacts()
    facts.add(done)
    assert (done.output_tokens, facts.longer) == (16, 1)


def test_usage_of_each_event_says_nothing_of_the_tokens_until_then() -> None:
    """Neither for a finished nor for a cancelled request; a count that grows does."""
    for counts, expected in (([2, 2, 2], []), ([3, 1, 2], []), ([2, 4, 6], [2, 2, 2]), ([1, 1, 2], [1, 0, 1])):
        events = EventStream()
        for number, count in enumerate(counts):
            document = {**delta(content=" w"), "usage": {"prompt_tokens": 5, "completion_tokens": count}}
            events.feed(float(number), event(document))
        assert list(events.event_tokens(even=True)) == expected


def test_thinking_beyond_the_output_is_not_part_of_it() -> None:
    """Then the output tokens leave it out, as those of some hosted services do, and cannot be those of the energy."""
    doubt = output_contradiction(served(1, counted_answer(reasoning_tokens=50)))
    assert doubt is not None
    assert "40 for 50 thinking tokens among them" in doubt
    assert output_contradiction(served(1, counted_answer(reasoning_tokens=41))) is None


def test_an_answer_that_ended_at_another_limit_warns() -> None:
    """One token fewer may be an end token that is not counted; many fewer are a limit of the server."""
    short = evolve(counted_answer(output_tokens=30), token_times_s=counted_answer().token_times_s[:30])
    (line,) = unknown_end_findings([served(1, short, counted_answer(1))])
    assert (line.level, line.check) == ("WARN", "finish reason")
    assert line.message.startswith("1 of 2 answers ended at a limit of tokens before their own was reached")
    assert not list(unknown_end_findings([served(1, counted_answer(output_tokens=39))]))
    assert not list(unknown_end_findings([served(1, evolve(short, finish_reason="stop"))]))
