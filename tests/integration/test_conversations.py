"""Conversations from a file to what an engine sees: earlier turns under the model's own chat template."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import evolve

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from ai_energy_benchmarks import BenchmarkRunner, load_config
from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import BackendError, BenchmarkError, ConfigError
from tests.servers import Exchange, delta, running, usage
from tests.tiny_model import CHAT_TEMPLATE, save_tiny_model

TURNS = (("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
BEFORE = "<|system|>Be brief.\n<|user|>a\n<|assistant|>b\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1])


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({"conversations": [{"from": who, "value": said} for who, said in TURNS]}))
    return path


def runner(path: Path, backend: str, turns: str, *, repeat: bool = True, **overrides: object) -> BenchmarkRunner:
    file = path.parent / "benchmark.yaml"
    file.write_text(f"""
backend: {backend}
scenario:
  dataset_name: {path}
  text_column_name: conversations
  dataset_options: {{turns: {turns}}}
  num_samples: 2
  repeat: {repeat}
  generate_kwargs: {{max_new_tokens: 3}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, warmup: {{requests: 1}}, trials: 1}}
metrics: {{enabled: false}}
save_texts: true
output_dir: {path.parent / "out"}
""")
    return BenchmarkRunner(load_config(file, overrides), reporters=[])


def local(model: Path) -> str:
    return f"{{type: pytorch, model: {model}, device: cpu}}"


def hashes(result: BenchmarkResult) -> list[str]:
    (trial,) = result.trials
    return [each.rendered_sha256 for each in trial.outcomes if isinstance(each, Completion)]


@pytest.mark.parametrize(
    ("turns", "seen"),
    [
        ("first", ["<|user|>a\n<|assistant|>"] * 2),
        ("last", [f"{BEFORE}<|user|>c\n<|assistant|>"] * 2),
        ("all", ["<|system|>Be brief.\n<|user|>a\n<|assistant|>", f"{BEFORE}<|user|>c\n<|assistant|>"]),
    ],
)
def test_the_template_renders_the_turns_that_were_asked_for(
    model: Path, chats: Path, turns: str, seen: list[str]
) -> None:
    """As the model sees them, to the byte; and the hash of the dataset knows them."""
    result = runner(chats, local(model), turns).measure()
    assert hashes(result) == [sha256(text.encode()).hexdigest() for text in seen]
    assert result.subject.dataset_options == {"turns": turns, "skip_empty": False}
    assert (
        result.dataset_sha256
        != runner(chats, local(model), {"first": "last"}.get(turns, "first")).measure().dataset_sha256
    )


def test_a_saved_prompt_is_the_whole_conversation(model: Path, chats: Path) -> None:
    """With the names of the speakers, since the last turn alone says nothing of what the model had to read."""
    assert runner(chats, local(model), "last").measure().prompts == {
        0: "system: Be brief.\n\nuser: a\n\nassistant: b\n\nuser: c"
    }


def generate(model: Path, *requests: Request) -> tuple[Outcome, ...]:
    options = PyTorchOptions()
    with PyTorchBackend(BackendSettings(str(model), "cpu", (0,), None, "text-generation", options)) as backend:
        return asyncio.run(backend.generate(Batch(requests, Generation(max_new_tokens=6))))


def conversation(text: str, *history: Message) -> Request:
    prompt = Prompt(0, text, history=history)
    return Request(0, prompt, (*history, Message("user", text)))


def test_only_the_last_turn_is_cut_to_fit(model: Path) -> None:
    """Its words stay where an earlier turn says the same; earlier turns that are too long by themselves fail."""
    same, long = "z" * 120, "y" * 300
    done, failed = generate(
        model,
        conversation(same, Message("user", same), Message("assistant", "b")),
        evolve(conversation("c", Message("user", long), Message("assistant", "b")), number=1),
    )
    assert isinstance(done, Completion)
    around = len(f"<|user|>{same}\n<|assistant|>b\n<|user|>\n<|assistant|>")
    assert (done.prompt_tokens, done.truncated_prompt_tokens) == (250, around + 120 - 250)
    kept = f"<|user|>{same}\n<|assistant|>b\n<|user|>{'z' * (250 - around)}\n<|assistant|>"
    assert done.rendered_sha256 == sha256(kept.encode()).hexdigest()
    assert isinstance(failed, FailedCompletion)
    assert failed.reason == "the conversation before the prompt alone exceeds the 250 tokens that the context leaves"


def test_a_model_without_a_template_has_no_place_for_earlier_turns(tmp_path: Path) -> None:
    """They fail with what to do; a single turn is still sent as text."""
    bare = save_tiny_model(tmp_path / "bare", end_ids=[1], chat=False)
    failed, done = generate(
        bare,
        conversation("c", Message("user", "a"), Message("assistant", "b")),
        evolve(conversation("c"), number=1),
    )
    assert isinstance(failed, FailedCompletion)
    assert "no chat template" in failed.reason
    assert "turns: first" in failed.reason
    assert isinstance(done, Completion)


def test_a_template_that_refuses_a_turn_is_quoted(tmp_path: Path) -> None:
    """As those of Gemma and Mistral do with system turns; the others of the batch go on."""
    strict = save_tiny_model(tmp_path / "strict", end_ids=[1])
    file = next(each for each in strict.iterdir() if "chat_template" in each.name)
    guard = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    file.write_text(guard + CHAT_TEMPLATE)
    failed, done = generate(strict, conversation("c", Message("system", "s")), evolve(conversation("c"), number=1))
    assert isinstance(failed, FailedCompletion)
    assert failed.reason == "the model's chat template refuses these turns: System role not supported"
    assert isinstance(done, Completion)


async def two_tokens(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for text in ("a", "b"):
        await exchange.event(delta(content=text))
    await exchange.event(delta(finish_reason="length"))
    await exchange.event(usage(7, 2))
    await exchange.end_stream()


def served(endpoint: str, api: str = "chat") -> str:
    return f"{{type: openai, model: scripted, endpoint: '{endpoint}', options: {{api: {api}}}}}"


def test_a_server_gets_the_turns(chats: Path) -> None:
    """In the chat's own form; the warm-up begins differently, so that no cache of prefixes is warmed."""
    with running(two_tokens) as server:
        runner(chats, served(server.endpoint), "last").measure()
    sent = [each.body["messages"] for each in server.seen if each.method == "POST"]
    expected = [{"role": role, "content": said} for role, said in TURNS[:4]]
    assert sent[1:] == [expected, expected]
    assert sent[0] == [{"role": "system", "content": "Warm-up 1. Be brief."}, *expected[1:]]


@pytest.mark.parametrize("turns", ["last", "all"])
def test_a_completion_cannot_carry_earlier_turns(chats: Path, turns: str) -> None:
    """Refused before anything is sent, with both ways out; the first turn alone can be sent."""
    with pytest.raises(BackendError, match=r"dataset_options\.turns: .*\n  fix: set .*api: chat, or turns"):
        runner(chats, served("http://localhost:1", "completions"), turns).check()
    runner(chats, served("http://localhost:1", "completions"), "first").check()


def test_raw_text_cannot_carry_earlier_turns(model: Path, chats: Path) -> None:
    """Without the chat template there is nothing that could name the speakers."""
    raw = {"scenario.chat_template": False}
    with pytest.raises(ConfigError, match="chat_template: false sends raw text"):
        runner(chats, local(model), "last", **raw).check()
    runner(chats, local(model), "first", **raw).check()


@pytest.mark.parametrize("name", ["builtin", "synthetic"])
def test_where_there_are_no_conversations_turns_are_refused(model: Path, chats: Path, name: str) -> None:
    """The datasets of the package hold single prompts, so the key is unknown there."""
    with pytest.raises(BenchmarkError, match=r"scenario\.dataset_options\.turns"):
        runner(chats, local(model), "last", **{"scenario.dataset_name": name}).check()
