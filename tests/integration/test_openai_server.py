"""The client of OpenAI-compatible servers against servers whose every byte is scripted."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import polars
import pytest

from ai_energy_benchmarks import BenchmarkRunner, load_config
from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.server.http_connection import Response
from ai_energy_benchmarks.backends.server.openai import OpenAIServerBackend
from ai_energy_benchmarks.backends.server.replies import asks_to_try_again, retry_after_s
from ai_energy_benchmarks.backends.server.vllm import VllmBackend, VllmOptions
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.errors import BackendError, ConfigError
from tests.functional.commands import command
from tests.servers import Answer, Exchange, ScriptedServer, delta, event, running, usage


def settings(endpoint: str, model: str = "scripted", **options: object) -> BackendSettings:
    chosen = VllmOptions(**{"stall_timeout_s": 5.0, "retries": 2, **options})  # type: ignore[arg-type] # under test
    return BackendSettings(model, "auto", (0,), endpoint, "text-generation", chosen)


def batch(*texts: str, **generation: object) -> Batch:
    requests = tuple(
        Request(number, Prompt(number, text), (Message("user", text),)) for number, text in enumerate(texts)
    )
    return Batch(requests, Generation(**{"max_new_tokens": 8, **generation}))  # type: ignore[arg-type] # under test


def ask(
    server: ScriptedServer, wanted: Batch | None = None, *, endpoint: str | None = None, **options: object
) -> Outcome:
    (outcome,) = converse(settings(endpoint or server.endpoint, **options), wanted or batch("hello"))
    return outcome


def converse(chosen: BackendSettings, *batches: Batch, pause_s: float = 0.0) -> list[Outcome]:
    async def conversation() -> list[Outcome]:
        outcomes: list[Outcome] = []
        with VllmBackend(chosen) as backend:
            for wanted in batches:
                outcomes.extend(await backend.generate(wanted))
                await asyncio.sleep(pause_s)
            shown.append(f"{backend.facts()} {backend._client} {outcomes}")
        return outcomes

    return asyncio.run(conversation())


shown: list[str] = []


def completion(answer: Answer, **options: object) -> Completion:
    with running(answer) as server:
        outcome = ask(server, **options)
    assert isinstance(outcome, Completion), outcome
    return outcome


def failure(answer: Answer, **options: object) -> FailedCompletion:
    with running(answer) as server:
        outcome = ask(server, **options)
    assert isinstance(outcome, FailedCompletion), outcome
    return outcome


async def three_tokens(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.event(delta(role="assistant", content=""))
    for text in ("a", "b", "c"):
        await exchange.event(delta(content=text))
        await asyncio.sleep(0.05)
    await exchange.event(delta(finish_reason="length"))
    await exchange.event(usage(7, 3))
    await exchange.end_stream()


def test_tokens_come_from_usage_and_times_from_token_events() -> None:
    """Role-only, empty and usage chunks are no tokens; gaps between events are those the server made."""
    done = completion(three_tokens)
    assert (done.prompt_tokens, done.output_tokens, done.token_source, done.finish_reason) == (7, 3, "usage", "length")
    times_s = list(done.token_times_s)
    assert len(times_s) == 3
    assert times_s[1] - times_s[0] == pytest.approx(0.05, abs=0.03)
    assert done.ttft_s is not None
    assert done.tpot_s == pytest.approx(0.05, abs=0.03)


def test_chunks_are_not_tokens() -> None:
    """A chunk that carries several tokens is one event; the count is the server's, and TPOT is undefined."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="one two three"))
        await exchange.event(delta(content=" four", finish_reason="stop"))
        await exchange.event(usage(5, 9))
        await exchange.end_stream()

    done = completion(answer)
    assert (done.output_tokens, len(done.token_times_s), done.tpot_s) == (9, 2, None)


def test_a_stream_split_at_every_byte_reads_the_same() -> None:
    """However the network cuts the bytes, framing and events are put together again."""

    async def answer(exchange: Exchange) -> None:
        stream = event(delta(content="é☕")) + event(delta(content="b")) + event(usage(1, 2)) + b"data: [DONE]\n\n"
        framed = b"%x;ext=1\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(stream), stream)
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        for position in range(len(head + framed)):
            exchange.writer.write((head + framed)[position : position + 1])
            await asyncio.sleep(0)

    done = completion(answer)
    assert (done.output_tokens, len(done.token_times_s)) == (2, 2)


def test_usage_on_the_last_content_chunk_and_no_done() -> None:
    """``transformers serve`` puts usage on the last content chunk and never says ``[DONE]``."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a"))
        last = delta(content="b", finish_reason="stop") | {"usage": {"prompt_tokens": 4, "completion_tokens": 2}}
        await exchange.event(last)
        await exchange.end_stream(done=False)

    done = completion(answer)
    assert (done.output_tokens, done.finish_reason, len(done.token_times_s)) == (2, "stop", 2)


def test_windows_line_ends_and_null_content() -> None:
    """Events may end with CR LF, and content may be null."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for document in (delta(content=None, role="assistant"), delta(content="a"), delta(content="b"), usage(2, 2)):
            await exchange.chunk(event(document).replace(b"\n", b"\r\n"))
        await exchange.end_stream()

    assert len(completion(answer).token_times_s) == 2


def test_content_that_looks_like_protocol_is_content() -> None:
    """Text that quotes keys of the protocol is not mistaken for them."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content='"error": {"usage": {"finish_reason": "stop"}} data: [DONE]'))
        await exchange.event(delta(content="b", finish_reason="length"))
        await exchange.event(usage(2, 2))
        await exchange.end_stream()

    done = completion(answer)
    assert (done.output_tokens, done.finish_reason) == (2, "length")


def test_reasoning_and_tool_calls_are_token_events() -> None:
    """The first thinking chunk is the first token; reasoning tokens are counted apart where usage tells."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(reasoning_content="hm"))
        await exchange.event(delta(tool_calls=[{"index": 0, "function": {"arguments": "{"}}]))
        await exchange.event(delta(content="a", finish_reason="tool_calls"))
        await exchange.event(usage(2, 3, completion_tokens_details={"reasoning_tokens": 1}))
        await exchange.end_stream()

    done = completion(answer)
    assert (len(done.token_times_s), done.reasoning_tokens, done.finish_reason) == (3, 1, "stop")


def test_cached_prompt_tokens_are_reported() -> None:
    """What a prefix cache served is counted apart."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a"))
        await exchange.event(usage(20, 1, prompt_tokens_details={"cached_tokens": 16}))
        await exchange.end_stream()

    assert completion(answer).cached_prompt_tokens == 16


def test_no_usage_at_all_is_a_failure_and_not_a_guess() -> None:
    """Without usage the tokens are unknown, so no figure is made up from chunks."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a", finish_reason="stop"))
        await exchange.end_stream()

    assert "no usage" in failure(answer).reason


def test_an_error_event_in_the_stream_is_the_reason() -> None:
    """An engine that fails midway says so in its stream."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a"))
        await exchange.event({"error": {"message": "EngineDeadError", "code": 500}})
        await exchange.end_stream()

    assert "EngineDeadError" in failure(answer).reason


@pytest.mark.parametrize("tokens", [0, 4])
@pytest.mark.parametrize(
    "failed",
    [
        b'error: {"code":400,"message":"the request exceeds the available context size","type":"invalid"}',
        b'error:{"code":400,"message":"the request exceeds the available context size"}',
        b'event: error\ndata: {"message":"the request exceeds the available context size"}',
        b'data: {"error":{"message":"the request exceeds the available context size"}}',
    ],
    ids=["llama.cpp's field", "without a space", "an event of that name", "a key"],
)
def test_an_error_in_a_stream_is_the_reason_however_it_is_sent(failed: bytes, tokens: int) -> None:
    """llama.cpp sends it in a field of its own with status 200, before the first token or in the middle."""

    async def answer(exchange: Exchange) -> None:
        if exchange.path == "/tokenize":  # as llama.cpp's counts, so that no usage is needed
            await exchange.document({"tokens": list(range(len(str(exchange.body.get("content", "")))))})
            return
        await exchange.begin_stream()
        await exchange.event(delta(role="assistant", content=None))
        for _ in range(tokens):
            await exchange.event(delta(content="a"))
        await exchange.chunk(failed + b"\n\n")
        await exchange.end_stream()

    after = f" (after {tokens} token events)" if tokens else ""
    reason = failure(answer).reason
    assert (
        reason == f"the server reported an error in its stream: the request exceeds the available context size{after}"
    )


def test_text_that_quotes_an_error_field_is_text() -> None:
    """Line breaks within a JSON string are escaped, so no line of an event begins with it."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="\nerror: {}\nevent: error\n"))
        await exchange.event(delta(content="b", finish_reason="stop"))
        await exchange.event(usage(2, 2))
        await exchange.end_stream()

    assert completion(answer).output_tokens == 2


@pytest.mark.parametrize("word", ["abort", "error", "content_filter"])
def test_an_answer_that_the_engine_gave_up_is_a_failure(word: str) -> None:
    """vLLM ends an aborted request with usage and ``[DONE]``, as if it were complete (vllm-project/vllm#57082)."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for _ in range(10):
            await exchange.event(delta(content="a"))
        await exchange.event(delta(content="", finish_reason=word))
        await exchange.event(usage(20, 10))
        await exchange.end_stream()

    assert failure(answer).reason == f"the server ended the answer with finish_reason {word!r} (after 10 token events)"


def test_a_stream_that_just_ends_is_a_failure() -> None:
    """Neither a finish reason nor ``[DONE]``: a server that was told to stop, or cuts one answer for the next."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(role="assistant", content="a"))
        await exchange.event(usage(20, 1))
        await exchange.end_stream(done=False)

    assert failure(answer).reason == ("the stream ended with neither a finish reason nor [DONE] (after 1 token events)")


@pytest.mark.parametrize(("counted", "is_answer"), [(0, False), (1, True)])
def test_an_answer_without_a_token_is_none_and_an_end_token_at_once_is_one(counted: int, is_answer: bool) -> None:
    """Nothing by events and by count is a failed request; an end token is counted and shows no text."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(role="assistant", content=""))
        await exchange.event(delta(finish_reason="stop"))
        await exchange.event(usage(20, counted))
        await exchange.end_stream()

    if is_answer:
        done = completion(answer)
        assert (done.output_tokens, done.ttft_s, done.finish_reason) == (1, None, "stop")
    else:
        assert failure(answer).reason == "the answer has no token, by events and by count"


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_a_refusal_carries_the_server_s_words(status: int) -> None:
    """Status and message of a refusal are the reason; of a path that is not there also the address."""

    async def answer(exchange: Exchange) -> None:
        await exchange.document({"error": {"message": "context is too long"}}, status)

    reason = failure(answer).reason
    assert reason.startswith(f"status {status}: context is too long")
    assert ("/v1/chat/completions); check backend.endpoint" in reason) == (status == 404)


def test_busy_is_tried_again_after_the_time_the_server_asks_for() -> None:
    """A 429 with retry-after is waited for; the wait is latency, not lost."""
    answers: list[int] = []

    async def answer(exchange: Exchange) -> None:
        answers.append(1)
        if len(answers) == 1:
            await exchange.document({"message": "busy"}, 429, "Retry-After: 1")
        else:
            await three_tokens(exchange)

    done = completion(answer)
    assert len(answers) == 2
    assert done.ttft_s is not None
    assert done.ttft_s > 1


def test_busy_for_good_is_a_failure_with_its_status() -> None:
    """After the last try the refusal stands."""

    async def answer(exchange: Exchange) -> None:
        await exchange.document({"message": "still busy"}, 503, "Retry-After: 0")

    assert failure(answer).reason == "status 503: still busy"


def test_a_server_that_dies_midway_is_a_failure_with_how_far_it_came() -> None:
    """A connection that closes in the stream fails that request, with the events seen."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a"))
        await asyncio.sleep(0.05)
        exchange.writer.transport.abort()

    reason = failure(answer).reason
    assert "closed the connection in the middle" in reason
    assert "after 1 token events" in reason


def test_an_answer_that_is_cut_after_its_role_and_some_text_is_a_failure() -> None:
    """Only ``[DONE]`` ends a stream before its connection does: a chunk without a text does not."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(role="assistant", content=""))
        await exchange.event(delta(content="a"))
        await exchange.event(usage(7, 1))
        await asyncio.sleep(0.05)
        exchange.writer.transport.abort()

    assert "(after 1 token events)" in failure(answer).reason


@pytest.mark.parametrize(
    ("asked", "attempt", "wait_s"), [("", 1, 1), ("", 4, 8), ("", 9, 30), ("5", 1, 5), ("60", 1, 60)]
)
def test_a_busy_server_is_waited_for_twice_as_long_each_time(asked: str, attempt: int, wait_s: float) -> None:
    """As long as it asks for, up to a minute; else one second, two, four, at most half a minute."""
    assert retry_after_s(Response(503, {"retry-after": asked} if asked else {}), attempt) == wait_s


@pytest.mark.parametrize(
    ("status", "again"), [(429, True), (502, True), (503, True), (504, True), (500, False), (400, False)]
)
def test_only_a_busy_server_is_asked_again(status: int, again: bool) -> None:
    """A gateway that waited in vain is busy too; a refusal stands."""
    assert asks_to_try_again(Response(status)) is again


def test_a_server_that_hangs_is_a_failure_after_the_stall_limit() -> None:
    """Silence ends after the stall limit, counted from the last byte."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a"))
        await asyncio.sleep(30)

    assert "nothing was received for 0.5 s" in failure(answer, stall_timeout_s=0.5).reason


def test_an_answer_that_is_not_http_is_a_failure() -> None:
    """Garbage is named as such."""

    async def answer(exchange: Exchange) -> None:
        await exchange.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    assert "not HTTP" in failure(answer).reason


def test_an_answer_until_the_connection_closes_is_complete() -> None:
    """A server without lengths or chunks ends its answer by closing."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200)
        await exchange.raw(event(delta(content="a", finish_reason="stop")) + event(usage(1, 1)))
        exchange.writer.close()

    assert completion(answer).output_tokens == 1


def test_a_connection_is_kept_and_a_dead_one_replaced() -> None:
    """Requests reuse a connection; one that the server closed meanwhile is not used again."""
    ports: list[int] = []

    async def answer(exchange: Exchange) -> None:
        ports.append(exchange.writer.get_extra_info("peername")[1])
        await three_tokens(exchange)
        if len(ports) == 2:
            exchange.writer.close()

    with running(answer) as server:
        outcomes = converse(settings(server.endpoint), batch("a"), batch("b"), batch("c"), pause_s=0.05)
    assert all(isinstance(each, Completion) for each in outcomes)
    assert ports[0] == ports[1] != ports[2]


def test_what_is_sent_is_what_was_asked() -> None:
    """Budget, minimum, greedy and template arguments go out under the server's own names."""
    request = Request(0, Prompt(0, "hi"), (Message("user", "hi"),), {"enable_thinking": False})
    wanted = Batch((request,), Generation(max_new_tokens=8, min_new_tokens=8, stop_strings=("END",)))
    with running(three_tokens) as server:
        ask(server, wanted, extra_body={"ignore_eos": True})
    (sent,) = [each for each in server.seen if each.method == "POST"]
    assert sent.path == "/v1/chat/completions"
    assert sent.body == {
        "model": "scripted",
        "messages": [{"role": "user", "content": "hi"}],
        "chat_template_kwargs": {"enable_thinking": False},
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 8,
        "min_tokens": 8,
        "temperature": 0,
        "stop": ["END"],
        "ignore_eos": True,
    }


@pytest.mark.parametrize(
    ("key", "value", "fix"),
    [
        ("n", 2, "one answer a request"),
        ("best_of", 4, "one answer a request"),
        ("use_beam_search", True, "beams"),
        ("echo", True, "as if it had been generated"),
        ("stream", False, "answers are streamed"),
        ("stream_options", None, "usage is always asked for"),
        ("max_tokens", 5, "set scenario.generate_kwargs.max_new_tokens instead"),
        ("max_completion_tokens", 5, "set scenario.generate_kwargs.max_new_tokens instead"),
        ("model", "other", "set backend.model instead"),
        ("prompt", "other", "scenario.dataset_name"),
    ],
)
def test_what_would_be_another_measurement_is_refused(key: str, value: object, fix: str) -> None:
    """Several answers a request are one stream to nobody: the check names the key, its value and the fix."""
    for kind in (VllmBackend, OpenAIServerBackend):
        chosen = settings("http://localhost:1/v1", extra_body={key: value})
        (problem,) = kind(chosen).problems(Demand(Generation()))
        assert problem.startswith(f"backend.options.extra_body.{key}: {value!r} is refused; ")
        assert fix in problem


def test_what_says_nothing_new_or_is_the_server_s_own_is_sent() -> None:
    """One answer, streamed, not echoed is what is asked for anyway."""
    harmless = {"n": 1, "best_of": 1, "echo": False, "stream": True, "use_beam_search": False, "logprobs": True}
    chosen = settings("http://localhost:1/v1", extra_body=harmless)
    assert VllmBackend(chosen).problems(Demand(Generation())) == ()


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"options": {"num_predict": 5}}, "options.num_predict: 5"),
        ({"options": {"n": 2}}, "options.n: 2"),
        ({"nvext": {"deeper": {"best_of": 2}}}, "nvext.deeper.best_of: 2"),
        ({"n": [2]}, "n: [2]"),
    ],
)
def test_a_refused_key_is_refused_in_a_block_of_parameters_too(block: dict[str, object], path: str) -> None:
    """Ollama has them in ``options``."""
    chosen = settings("http://localhost:1/v1", extra_body=block)
    (problem,) = OpenAIServerBackend(chosen).problems(Demand(Generation()))
    assert problem.startswith(f"backend.options.extra_body.{path} is refused; ")


NESTED: dict[str, object] = {
    "stop_token_ids": [1, 2],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": {"properties": {"n": {"type": "integer"}, "model": {"type": "string"}}}},
    },
    "options": {"num_ctx": 4096, "mirostat": None, "stop": ["a", "b"]},
    "logit_bias": {"50256": -100},
    "chat_template_kwargs": {"custom": {"deep": [True, 1.5]}},
}


def test_nested_values_are_sent_as_they_are_and_recorded(tmp_path: Path) -> None:
    """From the file to the server; names within a JSON schema are no parameters, and the result holds them as JSON."""
    with running(three_tokens) as server:
        (tmp_path / "config.yaml").write_text(
            f"backend:\n  {{type: openai, model: scripted, endpoint: '{server.endpoint}',\n"
            f"   options: {{extra_body: {json.dumps(NESTED).replace(chr(34) + '50256' + chr(34), '50256')}}}}}\n"
            "scenario: {num_samples: 1, generate_kwargs: {max_new_tokens: 8}}\n"
            "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}, trials: 1}\n"
            f"metrics: {{enabled: false}}\nreporters: [json]\noutput_dir: {tmp_path / 'out'}\n"
        )
        runner = BenchmarkRunner(load_config(tmp_path / "config.yaml"))
        runner.run()
    bodies = [each.body for each in server.seen if each.method == "POST"]
    assert bodies
    assert all({key: body[key] for key in NESTED} == NESTED for body in bodies)
    assert load_config(tmp_path / "out" / "config.yaml").backend == runner.config.backend
    assert runner.result is not None
    assert runner.result.engine is not None
    generation = runner.result.engine.generation
    assert json.loads(str(generation["options"])) == NESTED["options"]
    assert json.loads(str(generation["stop_token_ids"])) == [1, 2]


def test_template_arguments_of_both_are_sent_and_one_of_both_is_refused() -> None:
    """A reasoning switch would otherwise be overwritten while the report says that it was set."""
    request = Request(0, Prompt(0, "hi"), (Message("user", "hi"),), {"enable_thinking": False})
    wanted = Batch((request,), Generation(max_new_tokens=8))
    with running(three_tokens) as server:
        ask(server, wanted, extra_body={"chat_template_kwargs": {"date": "today"}})
    (sent,) = [each for each in server.seen if each.method == "POST"]
    assert sent.body["chat_template_kwargs"] == {"date": "today", "enable_thinking": False}
    for given in ({"enable_thinking": True}, None):
        chosen = settings("http://localhost:1/v1", extra_body={"chat_template_kwargs": given})
        (problem,) = VllmBackend(chosen).problems(Demand(Generation(), sample=request))
        assert "scenario.reasoning sets enable_thinking there" in problem


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{a: [1, .nan]}", "extra_body.a[1]: must be a finite number"),
        ("{a: [{1: x, '1': y}]}", "extra_body.a[0]: has a key both as text and as a number"),
    ],
)
def test_what_json_cannot_hold_is_refused_where_it_stands(tmp_path: Path, value: str, problem: str) -> None:
    """However deep; all of it has its path."""
    (tmp_path / "config.yaml").write_text(
        f"backend: {{type: openai, model: m, endpoint: 'http://localhost:1', options: {{extra_body: {value}}}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml")
    assert problem in caught.value.message


def test_several_answers_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """``validate`` says so too, with the key's path."""
    file = tmp_path / "config.yaml"
    with running(three_tokens) as server:
        file.write_text(
            f"backend: {{type: openai, model: scripted, endpoint: '{server.endpoint}', "
            "options: {extra_body: {n: 2}}}\nmetrics: {enabled: false}\nscenario: {num_samples: 2}\n"
        )
        done = command("validate", file, cwd=tmp_path)
        assert [each for each in server.seen if each.method == "POST"] == []
    assert done.code != 0
    assert "backend.options.extra_body.n: 2 is refused" in done.out + done.err


def test_raw_prompts_go_to_the_completions_path() -> None:
    """``api: completions`` sends the text itself."""
    with running(three_tokens) as server:
        ask(server, api="completions")
    (sent,) = [each for each in server.seen if each.method == "POST"]
    assert (sent.path, sent.body["prompt"]) == ("/v1/completions", "hello")


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key from the environment reaches the server and no text of ours."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with running(three_tokens) as server:
        ask(server)
    assert server.seen[-1].headers["authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in shown[-1]


@pytest.mark.parametrize("headers", [("Retry-After: 0",), ("Retry-After: 0", "Connection: close")])
def test_any_server_error_with_a_time_to_try_again_is_tried_again(headers: tuple[str, ...]) -> None:
    """Also a 500, and also where the server closes the connection with its refusal."""
    answers: list[int] = []

    async def answer(exchange: Exchange) -> None:
        answers.append(1)
        if len(answers) > 1:
            await three_tokens(exchange)
            return
        await exchange.document({"message": "warming up"}, 500, *headers)
        if len(headers) > 1:
            exchange.writer.close()

    assert completion(answer).output_tokens == 3


def test_a_server_that_hangs_before_it_answers_is_a_failure_after_the_stall_limit() -> None:
    """Not a single byte comes, so there is nothing to say of token events."""

    async def answer(exchange: Exchange) -> None:
        await asyncio.sleep(30)

    assert failure(answer, stall_timeout_s=0.4).reason == "nothing was received for 0.4 s"


def test_a_server_that_dies_before_it_answers_is_a_failure() -> None:
    """The reason tells this from an answer that was cut."""

    async def answer(exchange: Exchange) -> None:
        exchange.writer.transport.abort()

    assert failure(answer).reason == "the server closed the connection before it answered"


@pytest.mark.parametrize("announced", ["Transfer-Encoding: chunked", "Content-Length: 100000"])
def test_a_half_closed_connection_is_an_answer_that_was_cut(announced: str) -> None:
    """A server that will send no more, but still reads, has not finished what it announced."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, announced)
        data = event(delta(content="a"))
        await (exchange.chunk(data) if "chunked" in announced else exchange.raw(data))
        exchange.writer.write_eof()
        await asyncio.sleep(10)

    reason = failure(answer, stall_timeout_s=8.0).reason
    assert reason == "the server closed the connection in the middle of its answer (after 1 token events)"


def test_a_connection_half_closed_between_requests_is_not_used_again() -> None:
    """The next request goes out on a new one and does not fail."""

    async def answer(exchange: Exchange) -> None:
        await three_tokens(exchange)
        exchange.writer.write_eof()

    with running(answer) as server:
        outcomes = converse(settings(server.endpoint), batch("a"), batch("b"), pause_s=0.1)
    assert [type(each) for each in outcomes] == [Completion, Completion]


def test_a_connection_closed_while_the_loop_was_blocked_is_not_used_again() -> None:
    """The client looks before it sends, since its event loop cannot have seen the end yet."""
    may_close, closed = threading.Event(), threading.Event()

    async def answer(exchange: Exchange) -> None:
        await three_tokens(exchange)
        if not closed.is_set():
            await asyncio.to_thread(may_close.wait, 10)
            exchange.writer.close()
            await exchange.writer.wait_closed()
            closed.set()

    async def conversation(server: ScriptedServer) -> tuple[Outcome, ...]:
        with VllmBackend(settings(server.endpoint)) as backend:
            first = await backend.generate(batch("a"))
            may_close.set()
            assert closed.wait(10)
            return *first, *await backend.generate(batch("b"))

    with running(answer) as server:
        outcomes = asyncio.run(conversation(server))
    assert [type(each) for each in outcomes] == [Completion, Completion]


@pytest.mark.parametrize(("version", "board_ids"), [("0.11.0+cpu", ()), ("0.11.0", None)])
def test_a_vllm_server_for_cpus_uses_no_gpu(version: str, board_ids: tuple[str, ...] | None) -> None:
    """By the version that it reports; of any other build it is not known which GPUs it uses."""
    with running(three_tokens) as server:
        server.pages["/version"] = lambda: json.dumps({"version": version})
        with VllmBackend(settings(server.endpoint)) as backend:
            assert backend.facts().board_ids == board_ids


def test_nothing_is_missing_after_done() -> None:
    """A connection that breaks behind ``[DONE]`` has brought the whole answer."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a", finish_reason="stop"))
        await exchange.event(usage(3, 1))
        await exchange.chunk(b"data: [DONE]\n\n")
        await asyncio.sleep(0.05)
        exchange.writer.transport.abort()

    done = completion(answer)
    assert (done.output_tokens, done.finish_reason) == (1, "stop")


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/proxy/of/mine", "/proxy/of/mine/v1"])
def test_the_endpoint_may_have_a_path_and_leave_v1_out(tail: str) -> None:
    """Models, metrics and requests are all asked for behind the path."""
    with running(three_tokens) as server:
        outcome = ask(server, endpoint=f"http://127.0.0.1:{server.port}{tail}")
    assert isinstance(outcome, Completion), outcome
    prefix = "/proxy/of/mine" if "proxy" in tail else ""
    paths = [each.path for each in server.seen]
    assert {f"{prefix}/v1/models", f"{prefix}/v1/chat/completions"} <= set(paths)
    assert all(path.startswith(prefix) and "/v1/v1" not in path for path in paths)


def test_a_redirection_says_where_to() -> None:
    """It is not followed, for the energy would be that of another address."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(307, "Location: https://elsewhere.example/v1", "Content-Length: 0")

    assert "https://elsewhere.example/v1" in failure(answer).reason


def test_a_key_that_the_server_quotes_is_not_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in files nor in output, although refusals and stream errors repeat it."""
    key = "sk-very-secret-of-this-test"
    monkeypatch.setenv("MY_KEY", key)
    answers = count()

    async def answer(exchange: Exchange) -> None:
        quoted = {"error": {"message": f"bad key {exchange.headers['authorization']}"}}
        number = next(answers)
        if number % 3 == 0:
            await exchange.document(quoted, 401)
        elif number % 3 == 1:
            await exchange.begin_stream()
            await exchange.event(quoted)
            await exchange.end_stream()
        else:
            await three_tokens(exchange)

    with running(answer) as server:
        (tmp_path / "config.yaml").write_text(
            f"backend:\n  {{type: openai, model: scripted, endpoint: '{server.endpoint}',\n"
            "   options: {api_key_env: MY_KEY}}\n"
            "scenario: {num_samples: 6, generate_kwargs: {max_new_tokens: 8}}\n"
            "load: {concurrency: 2}\n"
            "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}, trials: 1}\n"
            "metrics: {enabled: false}\noutput_dir: out\n"
        )
        done = command("run", "config.yaml", "-vv", "--log-file", "run.log", cwd=tmp_path, MY_KEY=key)
    assert done.code in (0, 1), done.err
    assert any("bad key Bearer ***" in reason for reason in _reasons(tmp_path / "out" / "requests.parquet"))
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    written |= {"log": (tmp_path / "run.log").read_bytes(), "out": done.out.encode(), "err": done.err.encode()}
    written["cells"] = str(polars.read_parquet(tmp_path / "out" / "timeline.parquet").to_dicts()).encode()
    assert [name for name, content in written.items() if key.encode() in content] == []


def test_user_and_password_are_sent_and_nowhere_written(tmp_path: Path) -> None:
    """Neither in files nor in output, although a refusal repeats them; the result can still be analysed again."""
    seen: list[str] = []

    async def answer(exchange: Exchange) -> None:
        seen.append(exchange.headers["authorization"])
        if len(seen) % 2:
            await three_tokens(exchange)
        else:
            await exchange.document({"error": {"message": f"not {seen[-1]}, which is bob:hunter2"}}, 401)

    with running(answer) as server:
        endpoint = server.endpoint.replace("//", "//bob:hunter2@") + "/chat/completions"
        (tmp_path / "config.yaml").write_text(
            f"backend:\n  {{type: openai, model: scripted, endpoint: '{endpoint}'}}\n"
            "scenario: {num_samples: 6, generate_kwargs: {max_new_tokens: 8}}\n"
            "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}, trials: 1}\n"
            "metrics: {enabled: false}\noutput_dir: out\n"
        )
        valid = command("validate", "config.yaml", cwd=tmp_path)
        done = command("run", "config.yaml", "-vv", cwd=tmp_path)
        again = command("reanalyze", "out", cwd=tmp_path)
        rerun = command("run", "out/config.yaml", cwd=tmp_path)
    assert valid.code == 0, valid.err
    assert done.code in (0, 1), done.err
    assert set(seen) == {"Basic Ym9iOmh1bnRlcjI="}
    assert again.code == 0, again.err
    assert rerun.code != 0
    assert "backend.endpoint: *** stands for a user, a password" in rerun.err
    output = "".join(each.out + each.err for each in (valid, done, again, rerun))
    assert "***@" in output
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    written |= {"output": output.encode()}
    secrets = (b"hunter2", b"Ym9iOmh1bnRlcjI")
    assert [name for name, content in written.items() if any(secret in content for secret in secrets)] == []


def _reasons(file: Path) -> list[str]:
    reasons: list[str] = polars.read_parquet(file)["reason"].drop_nulls().to_list()
    assert "sk-very-secret" not in " ".join(reasons)
    return reasons


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for, made by the openssl command."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", chain], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def test_a_stream_through_tls_reads_the_same(certificate: ssl.SSLContext) -> None:
    """However TLS cuts a long stream into records, every event is seen."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for _ in range(300):
            await exchange.event(delta(content="x" * 1000))
        await exchange.event(usage(1, 300))
        await exchange.end_stream()

    with running(answer, tls=certificate) as server:
        done = ask(server, endpoint=server.endpoint.replace("http:", "https:"), verify_tls=False)
    assert isinstance(done, Completion), done
    assert len(done.token_times_s) == 300


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: ssl.SSLContext) -> None:
    """Unless told otherwise, the client talks only to whom the system's authorities know."""
    with running(three_tokens, tls=certificate) as server:
        endpoint = server.endpoint.replace("http:", "https:")
        with pytest.raises(BackendError, match="CERTIFICATE_VERIFY_FAILED"):
            VllmBackend(settings(endpoint)).__enter__()


def test_a_model_that_is_not_served_names_those_that_are() -> None:
    """The wrong name is found before anything is measured."""
    with running(three_tokens, model="llama") as server:
        backend = VllmBackend(settings(server.endpoint, model="lama"))
        with pytest.raises(BackendError, match="it serves llama"):
            backend.__enter__()


def test_nobody_listening_is_an_error_with_a_cure() -> None:
    """A wrong port is an error on entering, not a run of failures."""
    with running(three_tokens) as server:
        endpoint = server.endpoint
    with pytest.raises(BackendError, match="no server answers"):
        VllmBackend(settings(endpoint)).__enter__()


def test_the_first_question_waits_no_longer_than_for_any_connection() -> None:
    """Where nothing is accepted, ``connect_timeout_s`` ends the wait of the probe too."""
    with socket.socket() as deaf, ExitStack() as queue:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # more than wait to be accepted, so that the next is not even answered
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        began_s = time.monotonic()
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        with pytest.raises(BackendError, match=r"no server answers .*timed out"):
            VllmBackend(settings(endpoint, connect_timeout_s=0.3)).__enter__()
        assert time.monotonic() - began_s < 5


def test_questions_go_past_proxies_as_requests_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment stands in the way of neither."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert completion(three_tokens).output_tokens == 3


def test_parameters_the_server_does_not_know_are_refused_by_name() -> None:
    """A plain OpenAI server has no top_k; vLLM has. Batches are the server's own affair."""
    demand = Demand(Generation(do_sample=True, top_k=5), batch_size=4)
    plain = OpenAIServerBackend(settings("http://localhost:1/v1")).problems(demand)
    assert [problem.partition(":")[0] for problem in plain] == [
        "scenario.generate_kwargs.top_k",
        "scenario.input_shapes.batch_size",
    ]
    assert len(VllmBackend(settings("http://localhost:1/v1")).problems(demand)) == 1


def test_many_requests_are_on_their_way_at_once() -> None:
    """The server holds every answer back until all four requests are there."""
    arrived: list[Exchange] = []
    everybody = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        arrived.append(exchange)
        if len(arrived) == 4:
            everybody.set()
        await everybody.wait()
        await three_tokens(exchange)

    with running(answer) as server:
        outcomes = converse(settings(server.endpoint), batch("a", "b", "c", "d"))
    assert [outcome.number for outcome in outcomes] == [0, 1, 2, 3]
    assert all(isinstance(each, Completion) for each in outcomes)


def test_an_answer_is_begun_where_the_server_can_go_on_with_it() -> None:
    """A prefix goes out as an assistant's turn that vLLM continues, and switches as keys of the request."""
    messages = (Message("user", "hi"),)
    request = Request(0, Prompt(0, "hi"), messages, assistant_prefix="<think>\n", parameters={"effort": "low"})
    with running(three_tokens) as server:
        ask(server, Batch((request,), Generation(max_new_tokens=8)))
    (sent,) = [each for each in server.seen if each.method == "POST"]
    assert sent.body["messages"] == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "<think>\n"}]
    assert (sent.body["add_generation_prompt"], sent.body["continue_final_message"]) == (False, True)
    assert sent.body["effort"] == "low"


def test_a_switch_that_a_server_would_not_see_is_refused() -> None:
    """A plain server cannot go on with a begun answer, and raw text has no template."""
    begun = Request(0, Prompt(0, "hi"), (Message("user", "hi"),), assistant_prefix="<think>\n")
    templated = Request(0, Prompt(0, "hi"), (Message("user", "hi"),), {"enable_thinking": False})
    plain_server = OpenAIServerBackend(settings("http://localhost:1"))
    raw = VllmBackend(settings("http://localhost:1", api="completions"))
    assert "cannot begin the answer" in str(plain_server.problems(Demand(Generation(), sample=begun)))
    assert plain_server.problems(Demand(Generation(), sample=templated)) == ()
    assert "no chat template" in str(raw.problems(Demand(Generation(), sample=templated)))


@pytest.mark.parametrize(("output_tokens", "thinking"), [(5, 3), (9, None)])
def test_thinking_is_counted_by_the_events_that_carry_it(output_tokens: int, thinking: int | None) -> None:
    """A reasoning parser marks them; where events bring several tokens each, nobody knows how many were thinking."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for text in ("a", "b", "c"):
            await exchange.event(delta(reasoning_content=text))
        await exchange.event(delta(content="d"))
        await exchange.event(delta(finish_reason="stop"))
        await exchange.event(usage(7, output_tokens))
        await exchange.end_stream()

    assert completion(answer).reasoning_tokens == thinking
