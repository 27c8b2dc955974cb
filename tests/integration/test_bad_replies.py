"""A server may send anything: one bad reply is one failed request, within limits of time and size."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.server import http_client
from ai_energy_benchmarks.backends.server import probe as server_probe
from ai_energy_benchmarks.backends.server.api_key import ApiKey
from ai_energy_benchmarks.backends.server.event_stream import EventStream
from ai_energy_benchmarks.backends.server.http_client import HttpClient, json_body
from ai_energy_benchmarks.backends.server.http_connection import HttpError
from ai_energy_benchmarks.backends.server.metrics_page import ANY
from ai_energy_benchmarks.backends.server.openai import OpenAIServerBackend
from ai_energy_benchmarks.backends.server.probe import Server, fetch_text, introduction
from ai_energy_benchmarks.backends.server.request_limits import limits_of
from ai_energy_benchmarks.backends.server.requests import OpenAIServerOptions
from ai_energy_benchmarks.domain.address import parse_address
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.outcome_table import OutcomeTable
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.errors import BackendError
from tests.servers import Answer, Exchange, delta, event, running, usage

DEEP = b"[" * 10_000 + b"]" * 10_000
BUDGET_TOKENS = 8


def settings(endpoint: str, **options: object) -> BackendSettings:
    chosen = OpenAIServerOptions(**{"stall_timeout_s": 5.0, "retries": 1, **options})  # type: ignore[arg-type] # under test
    return BackendSettings("scripted", "auto", None, endpoint, "text-generation", chosen)


def batch() -> Batch:
    return Batch((Request(0, Prompt(0, "hello"), (Message("user", "hello"),)),), Generation(BUDGET_TOKENS))


def ask(answer: Answer, requests: int = 1, **options: object) -> list[Outcome]:
    """The outcomes of requests one after the other."""

    async def conversation(chosen: BackendSettings) -> list[Outcome]:
        with OpenAIServerBackend(chosen) as backend:
            return [(await backend.generate(batch()))[0] for _ in range(requests)]

    with running(answer) as server:
        return asyncio.run(conversation(settings(server.endpoint, **options)))


def reason_of(answer: Answer, **options: object) -> str:
    (outcome,) = ask(answer, **options)
    assert isinstance(outcome, FailedCompletion)
    return outcome.reason


async def tokens(exchange: Exchange, count: int = BUDGET_TOKENS) -> None:
    await exchange.begin_stream()
    for _ in range(count):
        await exchange.event(delta(content=" the"))


def counts(output: int, prompt: int = 5, **details: object) -> dict[str, object]:
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": output, **details}}


def after_tokens(*chunks: bytes) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await tokens(exchange)
        for chunk in chunks:
            await exchange.chunk(chunk)
        await exchange.end_stream()

    return answer


def refusing(head: bytes, body: bytes = b"") -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.raw(head + b"content-length: %d\r\n\r\n%s" % (len(body), body))

    return answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (after_tokens(b'data: {"x":' + DEEP + b',"usage":{}}\n\n'), "no usage"),
        (after_tokens(b'data: {"error":{"a":' + DEEP + b"}}\n\n"), "error"),
        (after_tokens(b'data: {"error":{"a":' + b'{"a":' * 300 + b"1" + b"}" * 301 + b"}\n\n"), "error"),
        (after_tokens(b'data: {"error":{"message":"half \\ud83d of it"}}\n\n'), r"half \? of it"),
        (refusing(b"HTTP/1.1 400 No\r\n", b'{"error":' + DEEP + b"}"), "status 400"),
        (refusing(b"HTTP/1.1 503 Busy\r\nretry-after: 99999999\r\n"), "wait longer than 60 s"),
        (refusing(b"HTTP/1.1 503 Busy\r\nretry-after: " + b"9" * 5000 + b"\r\n"), "wait longer than 60 s"),
        (after_tokens(event(usage(5, 10**30))), "a count of more than 2,147,483,647 tokens"),
        (after_tokens(event(usage(10**30, 8))), "a count of more than"),
        (after_tokens(event(counts(8, prompt_tokens_details={"cached_tokens": 99999999999}))), "a count of more than"),
        (after_tokens(event(counts(8, completion_tokens_details={"reasoning_tokens": 10**11}))), "a count of more"),
        (after_tokens(b'data: {"choices":[],"usage":{},"timings":{"cache_n":99999999999}}\n\n'), "no usage"),
    ],
)  # fmt: skip
def test_a_bad_reply_is_a_failed_request(answer: Answer, reason: str) -> None:
    """Whatever it holds, with a reason that every file can hold."""
    found = reason_of(answer)
    assert found.encode()
    assert len(found) < 500
    assert re.search(reason, found)


def test_a_wait_in_odd_digits_is_none() -> None:
    """``²`` is a digit for Python and no number: the second attempt comes as if nothing had been asked."""
    sent: list[Exchange] = []

    async def answer(exchange: Exchange) -> None:
        sent.append(exchange)
        await exchange.raw(b"HTTP/1.1 503 Busy\r\nretry-after: \xb2\r\ncontent-length: 0\r\n\r\n")

    assert "status 503" in reason_of(answer)
    assert len(sent) == 2


def test_counts_of_every_event_may_be_anything() -> None:
    """A count with 30 digits in an event is not one; the final usage stands."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for _ in range(BUDGET_TOKENS):
            huge = b'"usage":{"prompt_tokens":5,"completion_tokens":1' + b"0" * 30 + b"}"
            await exchange.chunk(b'data: {"choices":[{"delta":{"content":" the"}}],' + huge + b"}\n\n")
        await exchange.event(usage(5, BUDGET_TOKENS))
        await exchange.end_stream()

    (outcome,) = ask(answer)
    assert isinstance(outcome, Completion)
    assert outcome.event_tokens == ()


def test_what_comes_through_fits_the_columns() -> None:
    """The largest counts that are believed can be kept in columns."""
    largest = 2**31 - 1
    details = {"cached_tokens": largest}
    (outcome,) = ask(after_tokens(event(counts(largest, largest, prompt_tokens_details=details))))
    assert isinstance(outcome, Completion)
    table = OutcomeTable()
    table.extend([outcome])
    assert table[0] == outcome


def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break or a letter outside ASCII is named by its variable, with how to fix it."""
    for key in ("sk-secret€", "sk-secret\nx", "sk-secret\x07"):
        monkeypatch.setenv("AEB_TEST_KEY", key)
        with pytest.raises(BackendError, match="AEB_TEST_KEY") as caught:
            ApiKey("AEB_TEST_KEY").headers()
        assert "secret" not in str(caught.value)


def test_an_address_outside_ascii_is_sent_as_the_network_has_it() -> None:
    """Paths and queries are percent-encoded, what is encoded already stays, and hosts are in their ASCII form."""
    address = parse_address("http://bücher.example/dïr/a%20b/v1?näme=1")
    assert address.authority == "xn--bcher-kva.example:80"
    assert address.target("/v1/models") == "/d%C3%AFr/a%20b/v1/models?n%C3%A4me=1"


def test_a_prompt_with_half_a_character_is_sent() -> None:
    """As the escape that JSON has for it."""
    assert json_body({"prompt": "half \ud83d"}) == b'{"prompt":"half \\ud83d"}'


@pytest.mark.parametrize("value", ["1e308", "-1e308", "9" * 400, "nan"])
def test_figures_without_bound_are_no_samples(value: str) -> None:
    """Sums of a page stay numbers."""
    page = "".join(f'{name}{{engine="{engine}"}} {value}\n' for engine in "01" for name in (
        "vllm:prompt_tokens_total", "vllm:num_requests_running", "vllm:kv_cache_usage_perc"))  # fmt: skip
    assert (ANY.read_counters(page), ANY.read_gauges(page)) == (None, None)


# Limits


async def drips(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for _ in range(1000):
        await exchange.event(delta(content=" the"))
        await asyncio.sleep(0.01)


def test_a_request_has_a_total_time() -> None:
    """``request_timeout_s`` ends an answer that never stalls; by default it is long, and longer with more tokens."""
    assert "had not ended after 0.2 s (after " in reason_of(drips, request_timeout_s=0.2)
    assert limits_of({}, 100, 200, 600.0, None).total_s == 2600.0
    assert limits_of({}, 100, 200, 600.0, 7.0).total_s == 7.0


def test_comments_do_not_keep_a_request_alive() -> None:
    """They come from the server's timer, not from its model."""

    async def comments(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for _ in range(1000):
            await exchange.chunk(b": still here\n\n")
            await asyncio.sleep(0.01)

    assert reason_of(comments, stall_timeout_s=0.2) == "no event was received for 0.2 s"


def test_thinking_and_other_events_keep_a_request_alive() -> None:
    """Any event that is no comment restarts the stall limit."""

    async def slow(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for document in (delta(role="assistant"), delta(reasoning_content="hm"), delta(content="a"), usage(5, 2)):
            await asyncio.sleep(0.15)
            await exchange.event(document)
        await exchange.end_stream()

    (outcome,) = ask(slow, stall_timeout_s=0.3)
    assert isinstance(outcome, Completion)


def test_an_answer_has_a_largest_size() -> None:
    """64 kB for each token of the budget and 1 MB; more where log probabilities are asked for."""

    async def endless(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for _ in range(10**5):
            await exchange.event(delta(content=" the" * 250))

    assert "larger than 1,512,000 bytes" in reason_of(endless)
    plain = limits_of({}, 100, 200, 600.0, None).size_bytes
    assert plain == 1_000_000 + 200 * 64_000
    assert limits_of({"logprobs": True, "top_logprobs": 20}, 100, 200, 600.0, None).size_bytes > plain
    assert limits_of({"prompt_logprobs": -1}, 100, 200, 600.0, None).size_bytes > 10**10


def test_endless_headers_end() -> None:
    """Neither one head without end nor interim answers without end are read for long."""

    async def head(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000)
        await asyncio.sleep(10)

    async def interim(exchange: Exchange) -> None:
        for _ in range(10**4):
            await exchange.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    assert "its headers do not end" in reason_of(head)
    assert "larger than" in reason_of(interim)


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_interim_answers_are_passed_over(pieces: int) -> None:
    """100 Continue and 103 Early Hints before the answer change nothing, however the network splits them."""

    async def answer(exchange: Exchange) -> None:
        early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n"
        for start in range(0, len(early), pieces):
            await exchange.raw(early[start : start + pieces])
            await asyncio.sleep(0)
        await exchange.raw(b"transfer-encoding: chunked\r\n\r\n")
        await exchange.event(delta(content="a"))
        await exchange.event(usage(5, 1))
        await exchange.end_stream()

    (outcome,) = ask(answer)
    assert isinstance(outcome, Completion)


@pytest.mark.parametrize("framing", [b"-4\r\nabcd\r\n", b"1" * 70_000, b"5;" + b"x" * 70_000])
def test_impossible_chunks_are_refused(framing: bytes) -> None:
    """A negative size, and a size line without end."""

    async def answer(exchange: Exchange) -> None:
        await tokens(exchange)
        await exchange.raw(framing)
        await asyncio.sleep(10)

    assert "not HTTP" in reason_of(answer)


@pytest.mark.parametrize("head", [b"transfer-encoding: chunked\r\n", b"content-length: 3\r\n"])
def test_two_lengths_of_one_body_are_refused(head: bytes) -> None:
    """Which of them holds cannot be known (RFC 9112, section 6.3)."""
    assert "not HTTP" in reason_of(refusing(b"HTTP/1.1 200 OK\r\n" + head, b"abcdef"))


def test_an_answer_that_switches_protocols_is_refused() -> None:
    """What follows it would be no HTTP."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    assert reason_of(refusing(head))


def test_a_negative_length_is_refused() -> None:
    """It would otherwise pass for a body until the connection ends."""
    assert "not HTTP" in reason_of(refusing(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\nx: ", b""))


def test_an_event_of_many_megabytes_is_put_together_once() -> None:
    """In whichever blocks it comes; each is joined to the others a single time."""
    large = b'data: {"choices":[{"delta":{"content":"' + b"a" * 3_000_000 + b'"}}]}'
    data = large + b"\n\n" + b": x\n\n" + large + b"\r\n\r\n"
    stream = EventStream(keep=True)
    for start in range(0, len(data), 1000):
        stream.feed(1.0, data[start : start + 1000])
        assert len(stream._rest) <= 3010
    stream.close(2.0)
    assert [len(each) for each in stream.kept] == [len(large), 3, len(large)]
    assert len(stream.token_times_s) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_events_are_the_same_in_whichever_blocks(size: int) -> None:
    """Line ends on the border of two blocks, of both kinds, end an event as they do within one."""
    data = b'data: {"text": "a"}\n\ndata: {"text": "b"}\r\n\r\n: c\n\ndata: {\ndata: "text": "d"}\n\ndata: [DONE]\n\n'
    stream = EventStream(keep=True)
    for start in range(0, len(data), size):
        stream.feed(float(start), data[start : start + size])
    assert stream.kept == data.replace(b"\r", b"").split(b"\n\n")[:-1]
    assert (len(stream.token_times_s), stream.ended) == (3, True)


def test_an_answer_is_complete_with_done_and_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that stays open after them costs a moment of a few requests, and no end of a request is late."""

    async def stays_open(exchange: Exchange) -> None:
        await tokens(exchange)
        await exchange.event(usage(5, BUDGET_TOKENS))
        await exchange.chunk(b"data: [DONE]\n\n")

    monkeypatch.setattr(http_client, "_PATIENCE_S", 0.02)
    outcomes = ask(stays_open, requests=6)
    assert all(isinstance(each, Completion) for each in outcomes)
    for each in outcomes:
        assert isinstance(each, Completion)
        assert each.finished_s - each.token_times_s[-1] < 1.0


def test_a_body_that_ends_in_time_keeps_its_connection() -> None:
    """The end of the body may come in a segment of its own: the connection serves the next request."""
    writers: list[object] = []

    async def answer(exchange: Exchange) -> None:
        writers.append(exchange.writer)
        await tokens(exchange)
        await exchange.event(usage(5, BUDGET_TOKENS))
        await exchange.chunk(b"data: [DONE]\n\n")
        await asyncio.sleep(0.01)
        await exchange.raw(b"0\r\n\r\n")

    assert all(isinstance(each, Completion) for each in ask(answer, requests=3))
    assert len(set(map(id, writers))) == 1


def test_usage_may_come_after_done() -> None:
    """It is waited for, where there was none before."""

    async def late(exchange: Exchange) -> None:
        await tokens(exchange)
        await exchange.chunk(b"data: [DONE]\n\n")
        await asyncio.sleep(0.2)
        await exchange.event(usage(5, BUDGET_TOKENS))
        await exchange.end_stream(done=False)

    (outcome,) = ask(late)
    assert isinstance(outcome, Completion)


@contextmanager
def pages(send: Callable[[socket.socket], None]) -> Iterator[Server]:
    """A server that answers every connection's first request with ``send``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return  # the test is over
            try:
                with connection:
                    connection.recv(65536)
                    send(connection)
            except OSError:
                pass  # the client has hung up

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Server(parse_address(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def dripping_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{")
    drip(connection)


def dripping_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    drip(connection)


def drip(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x")
        time.sleep(0.01)


def negative_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-4\r\nabcd\r\n")
    drip(connection)


def deep(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(DEEP), DEEP))


@pytest.mark.parametrize("send", [endless, dripping_body, dripping_head, negative_chunks])
def test_pages_without_end_end(send: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """``/v1/models`` is an error that names it; ``/metrics`` is left out, before and within a window."""
    monkeypatch.setattr(server_probe, "_ANSWER_S", 0.2)
    monkeypatch.setattr(server_probe, "_LARGEST_ANSWER_BYTES", 2**20)
    monkeypatch.setattr(http_client, "_PAGE_LIMITS", http_client.Limits(1.0, 0.2, 2**20))
    with pages(send) as server:
        with pytest.raises(BackendError, match="/v1/models cannot be read"):
            introduction(server, "m", "KEY")
        assert fetch_text(server, "/metrics") is None

        async def within_a_window() -> str | None:
            with HttpClient(server.address) as client:
                return await client.text("/metrics")

        assert asyncio.run(within_a_window()) is None


def test_a_deep_list_of_models_is_none() -> None:
    """As with a server that lists none."""
    with pages(deep) as server:
        assert introduction(server, "m", "KEY").version is None


def test_a_total_limit_counts_from_the_first_attempt() -> None:
    """Retries have no time of their own."""

    async def request() -> None:
        with running(drips) as server, HttpClient(parse_address(server.endpoint)) as client:
            limits = http_client.Limits(total_s=1.0)
            await client.request(
                "POST", "/", b"{}", lambda _, block: None, limits=limits, since_s=time.perf_counter() - 2
            )

    with pytest.raises(HttpError, match="had not ended after 1 s"):
        asyncio.run(request())
