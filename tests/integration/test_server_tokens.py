"""Servers that send no usage: their texts are counted after the window, or their requests fail with a fix."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.base import BackendSettings, Recounts
from ai_energy_benchmarks.backends.server.openai import OpenAIServerBackend
from ai_energy_benchmarks.backends.server.tokens import local_counter
from ai_energy_benchmarks.config.model import (
    BackendConfig,
    BenchmarkConfig,
    MetricsConfig,
    ProtocolConfig,
    ScenarioConfig,
    WarmupConfig,
)
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.servers import Answer, Exchange, delta, running, usage
from tests.tiny_model import save_tiny_model


async def no_usage(exchange: Exchange) -> None:
    """Two chunks and no word of tokens, as llama-cpp-python's server has it."""
    if not exchange.path.endswith("/completions"):
        await exchange.document({}, 404)
        return
    await exchange.begin_stream()
    await exchange.event(delta(role="assistant", content=""))
    await exchange.event(delta(content="eight by"))
    await exchange.event(delta(content="tes", finish_reason="stop"))
    await exchange.end_stream()


def counting(path: str, key: str, *, as_list: bool = False, renders: bool = False) -> Answer:
    """The same server with an endpoint that counts one token a byte."""

    async def answer(exchange: Exchange) -> None:
        if exchange.path != path:
            await no_usage(exchange)
            return
        text = exchange.body.get(key)
        if text is None and renders:
            text = "".join(f"<{turn['role']}>{turn['content']}" for turn in exchange.body["messages"])  # type: ignore[attr-defined]
        count = len(str(text or ""))
        await exchange.document({"tokens": list(range(count))} if as_list else {"count": count})

    return answer


def generated(endpoint: str, **options: object) -> list[Outcome]:
    """Two requests in turn, recounted as the runner does."""
    chosen = OpenAIServerBackend.Options(**options)
    settings = BackendSettings("scripted", "auto", (0,), endpoint, "text-generation", chosen)

    async def conversation() -> list[Outcome]:
        outcomes: list[Outcome] = []
        with OpenAIServerBackend(settings) as backend:
            assert isinstance(backend, Recounts)
            for number in range(2):
                request = Request(number, Prompt(number, "hello"), (Message("user", "hello"),))
                (outcome,) = await backend.generate(Batch((request,), Generation(8)))
                counts = isinstance(outcome, Completion) and outcome.token_source == "retokenised"
                outcomes.append(backend.recount(outcome) if counts else outcome)
            notes.extend(backend.facts().notes)
        return outcomes

    return asyncio.run(conversation())


notes: list[str] = []


def tokens(outcomes: list[Outcome]) -> list[tuple[str, int, int]]:
    return [
        (each.token_source, each.prompt_tokens, each.output_tokens) for each in outcomes if isinstance(each, Completion)
    ]


@pytest.mark.parametrize(
    ("answer", "prompt_tokens"),
    [
        (counting("/tokenize", "prompt", renders=True), len("<user>hello")),
        (counting("/tokenize", "content", as_list=True), len("hello")),
        (counting("/extras/tokenize/count", "input"), len("hello")),
    ],
    ids=["vllm", "llama.cpp", "llama-cpp-python"],
)
def test_the_server_s_own_tokenizer_counts(answer: Answer, prompt_tokens: int) -> None:
    """The endpoint that the server has is found, and with a template of its own it is used for the prompt."""
    with running(answer) as server:
        outcomes = generated(server.endpoint)
    assert tokens(outcomes) == [("retokenised", prompt_tokens, 11)] * 2
    assert outcomes[0].text == "eight bytes"  # type: ignore[union-attr]
    assert "are counted by the server's" in notes[-1]
    assert ("without the chat template" in notes[-1]) is (prompt_tokens == len("hello"))


def test_chunks_of_several_tokens_leave_tpot_undefined() -> None:
    """Two events with eleven tokens do not say how many came first."""
    with running(counting("/extras/tokenize/count", "input")) as server:
        first = generated(server.endpoint)[0]
    assert isinstance(first, Completion)
    assert first.tpot_s is None


@pytest.mark.parametrize(("chunk", "thinking_tokens"), [("t", 3), ("many at once", None)])
def test_thinking_is_counted_where_each_chunk_is_one_token(chunk: str, thinking_tokens: int | None) -> None:
    """Chunks of several tokens do not say how many of them were thinking."""

    async def answer(exchange: Exchange) -> None:
        if exchange.path == "/extras/tokenize/count":
            await exchange.document({"count": len(str(exchange.body.get("input", "")))})
        elif exchange.path.endswith("/completions"):
            await exchange.begin_stream()
            for _ in range(3):
                await exchange.event(delta(reasoning_content=chunk))
            await exchange.event(delta(content="a", finish_reason="stop"))
            await exchange.end_stream()
        else:
            await exchange.document({}, 404)

    with running(answer) as server:
        first = generated(server.endpoint)[0]
    assert isinstance(first, Completion)
    assert (first.output_tokens, first.reasoning_tokens) == (3 * len(chunk) + 1, thinking_tokens)


def test_without_any_source_the_request_fails_with_its_cure() -> None:
    """Nothing is guessed from chunks; the reason names the option that helps."""
    with running(no_usage) as server:
        outcomes = generated(server.endpoint)
    assert all(isinstance(each, FailedCompletion) for each in outcomes)
    assert "backend.options.tokenizer" in outcomes[0].reason  # type: ignore[union-attr]


def test_the_server_s_tokenizer_is_asked_for_no_token_that_opens_a_text() -> None:
    """vLLM and llama.cpp put one before every text unless they are told not to; an answer has none."""

    async def answer(exchange: Exchange) -> None:
        if exchange.path == "/tokenize":
            opened = exchange.body.get("add_special_tokens", True) is not False
            text = exchange.body.get("prompt")
            await exchange.document({"count": opened + len(str(text).split())} if text else {}, 200 if text else 400)
        else:
            await no_usage(exchange)

    with running(answer) as server:
        first, _ = generated(server.endpoint)
    assert tokens([first]) == [("retokenised", 1 + 1, 2)]


def test_an_answer_without_a_text_is_no_answer() -> None:
    """There is nothing to count, so no token by any source."""

    async def answer(exchange: Exchange) -> None:
        if exchange.path == "/extras/tokenize/count":
            await exchange.document({"count": len(str(exchange.body.get("input", "")))})
        else:
            await exchange.begin_stream()
            await exchange.event(delta(role="assistant", content=""))
            await exchange.event(delta(finish_reason="stop"))
            await exchange.end_stream()

    with running(answer) as server:
        outcomes = generated(server.endpoint)
    assert [each.reason for each in outcomes if isinstance(each, FailedCompletion)] == [
        "the answer has no token, by events and by count"
    ] * 2


def test_usage_comes_first() -> None:
    """A server that tells is believed, and its texts are not kept."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a", finish_reason="stop"))
        await exchange.event(usage(9, 4))
        await exchange.end_stream()

    with running(answer) as server:
        outcomes = generated(server.endpoint)
    assert tokens(outcomes) == [("usage", 9, 4)] * 2
    assert not any(each.path.startswith(("/tokenize", "/extras")) for each in server.seen)


def test_a_server_that_stops_sending_usage_midway_fails_those_requests() -> None:
    """Texts are kept only until usage has come; a later answer without it cannot be counted."""
    answers: list[int] = []

    async def answer(exchange: Exchange) -> None:
        answers.append(1)
        await exchange.begin_stream()
        await exchange.event(delta(content="a", finish_reason="stop"))
        if len(answers) == 1:
            await exchange.event(usage(9, 4))
        await exchange.end_stream()

    with running(answer) as server:
        first, second = generated(server.endpoint)
    assert isinstance(first, Completion)
    assert isinstance(second, FailedCompletion)


class TestLocalTokenizer:
    """``backend.options.tokenizer``."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """A model directory with a tokenizer of one token a byte."""
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
        return save_tiny_model(tmp_path, end_ids=[1])

    def test_a_directory_counts_with_its_template(self, directory: Path) -> None:
        """One token a byte: the answer has 11, and the prompt those of its template."""
        with running(no_usage) as server:
            outcomes = generated(server.endpoint, tokenizer=str(directory))
        rendered = "<|user|>hello\n<|assistant|>"
        assert tokens(outcomes) == [("retokenised", len(rendered), 11)] * 2

    def test_an_answer_has_no_token_that_opens_a_text(self, tmp_path: Path) -> None:
        """A tokenizer that puts one before every text must not add it to an answer, which was generated after one."""
        tokenizers = pytest.importorskip("tokenizers")
        opening = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<s>": 0, "a": 1, "b": 2}, unk_token="a"))
        opening.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        opening.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
        opening.save(str(tmp_path / "tokenizer.json"))
        counter = local_counter(str(tmp_path / "tokenizer.json"))
        assert counter.output_tokens("a b") == 2
        assert counter.prompt_tokens(Request(0, Prompt(0, "a b"))) == 3

    def test_a_tokenizer_json_counts_without_a_template(self, directory: Path) -> None:
        """The file alone has no template, so the prompt's own text is counted."""
        with running(no_usage) as server:
            outcomes = generated(server.endpoint, tokenizer=str(directory / "tokenizer.json"))
        assert tokens(outcomes) == [("retokenised", 5, 11)] * 2

    def test_a_tokenizer_that_is_not_there_is_an_error_with_a_cure(self, directory: Path) -> None:
        """It is found on entering, before anything is measured."""
        with running(no_usage) as server, pytest.raises(BackendError, match="cannot be loaded") as caught:
            generated(server.endpoint, tokenizer=str(directory / "nowhere"))
        assert caught.value.remedy is not None


def test_a_whole_run_warns_of_counted_tokens(tmp_path: Path) -> None:
    """The runner counts after each window, the totals add up, and the verdict says how they were counted."""
    with running(counting("/extras/tokenize/count", "input")) as server:
        config = BenchmarkConfig(
            backend=BackendConfig("openai", "scripted", endpoint=server.endpoint),
            scenario=ScenarioConfig(num_samples=3),
            protocol=ProtocolConfig(bare_idle_s=0, resident_idle_s=0, warmup=WarmupConfig(requests=1), trials=2),
            metrics=MetricsConfig(enabled=False),
            output_dir=tmp_path,
        )
        result = BenchmarkRunner(config, reporters=[]).measure()
    assert result.summary.output_tokens == 3 * 11
    assert result.summary.prompt_tokens == sum(map(len, result.prompts.values()))
    levels = {finding.check: finding.level for finding in result.verdict.findings}
    assert levels["token counts"] == "WARN"
