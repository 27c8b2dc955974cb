"""Reasoning in a run: what is chosen, what is refused, what the verdict says, what is counted as thinking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.thinking import thinking_tokens
from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.rendering import rendered_text
from ai_energy_benchmarks.backends.server.vllm import VllmBackend
from ai_energy_benchmarks.config.model import BackendConfig, BenchmarkConfig, ProtocolConfig, ScenarioConfig
from ai_energy_benchmarks.domain.prompts import Message, Prompt, Request, TemplateValue
from ai_energy_benchmarks.domain.result import Reasoning
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.runner.reasoning import count_thinking, observe, plan_reasoning
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, Journal
from tests.servers import Exchange, running

PROMPT = Prompt(0, "Why?")


class Template:
    """A tokenizer of one token a character, whose chat template is a Python function."""

    def __init__(self, deaf: bool = False, ends: str = "") -> None:
        self.chat_template = "a template"
        self.deaf = deaf
        self.ends = ends

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, str]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        **arguments: TemplateValue,
    ) -> str:
        turns = "".join(f"[{turn['role']}]{turn['content']}" for turn in conversation)
        heard = "" if self.deaf else "".join(f"[{name}={value}]" for name, value in sorted(arguments.items()))
        return f"{turns}{heard}[assistant]{self.ends}"

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, token_ids: list[int]) -> str:
        return "".join(map(chr, token_ids))


def config(model: str, reasoning: bool | None = None, **scenario: object) -> BenchmarkConfig:
    return BenchmarkConfig(
        backend=BackendConfig("pytorch", model),
        scenario=ScenarioConfig(num_samples=2, reasoning=reasoning, **scenario),  # type: ignore[arg-type] # under test
        protocol=ProtocolConfig(bare_idle_s=0, resident_idle_s=0, trials=1),
    )


def finding(model: str, reasoning: bool | None, template: Template | None = None) -> tuple[Finding, ...]:
    return observe(plan_reasoning(config(model, reasoning)), PROMPT, template or Template()).findings


def test_absent_sends_nothing_and_says_nothing() -> None:
    """The model keeps its own default; a known family is still named."""
    plan = plan_reasoning(config("Qwen/Qwen3-0.6B"))
    observed = observe(plan, PROMPT, Template())
    assert plan.formatter.format(0, PROMPT) == Request(0, PROMPT, (Message("user", "Why?"),))
    assert observed.findings == ()
    assert observed.reasoning.family == "qwen3"
    assert observed.reasoning.sent == {}


def test_what_was_sent_is_in_the_result() -> None:
    """With the hash of the first prompt as rendered, and of what the other way would have been."""
    seen = observe(plan_reasoning(config("Qwen/Qwen3-0.6B", False)), PROMPT, Template()).reasoning
    other = observe(plan_reasoning(config("Qwen/Qwen3-0.6B", True)), PROMPT, Template()).reasoning
    assert seen.sent == {"enable_thinking": False}
    assert (seen.rendered_sha256, seen.opposite_sha256) == (other.opposite_sha256, other.rendered_sha256)
    assert len(seen.rendered_sha256) == 64
    assert seen.rendered_sha256 != seen.opposite_sha256


@pytest.mark.parametrize("reasoning", [True, False])
def test_a_switch_that_the_template_does_not_hear_is_a_warning(reasoning: bool) -> None:
    """On and off that render to the same prompt are the same measurement."""
    (heard,) = finding("Qwen/Qwen3-0.6B", reasoning)
    (unheard,) = finding("Qwen/Qwen3-0.6B", reasoning, Template(deaf=True))
    assert heard.level == "PASS"
    assert unheard.level == "WARN"
    assert "render to the same prompt" in unheard.message


def test_a_server_renders_unseen() -> None:
    """Without a template in this process nothing is claimed of it."""
    observed = observe(plan_reasoning(config("Qwen/Qwen3-0.6B", True)), PROMPT, None)
    assert [each.level for each in observed.findings] == ["INFO"]
    assert observed.reasoning.rendered_sha256 == ""
    assert observed.reasoning.sent == {"enable_thinking": True}


@pytest.mark.parametrize(("heard", "level"), [(True, "PASS"), (False, "WARN")])
def test_a_server_that_shows_what_it_renders_is_asked(heard: bool, level: str) -> None:
    """vLLM tells the ids of a rendered prompt, so its switch is judged, too."""

    async def answer(exchange: Exchange) -> None:
        thinks = exchange.body.get("chat_template_kwargs", {}).get("enable_thinking") if heard else None
        await exchange.document({"count": 2, "tokens": [1, 2] if thinks else [1, 2, 3]})

    with running(answer) as server:
        backend = VllmBackend(BackendSettings("scripted", "auto", (0,), server.endpoint, "text-generation", None))
        observed = observe(plan_reasoning(config("Qwen/Qwen3-0.6B", True)), PROMPT, None, backend)
    assert [each.level for each in observed.findings] == [level]
    assert {each.path for each in server.seen} == {"/tokenize"}


def test_a_server_that_does_not_show_what_it_renders_is_left_alone() -> None:
    """An answer without ids is no rendering."""

    async def answer(exchange: Exchange) -> None:
        await exchange.document({"detail": "Not Found"}, 404)

    with running(answer) as server:
        backend = VllmBackend(BackendSettings("scripted", "auto", (0,), server.endpoint, "text-generation", None))
        observed = observe(plan_reasoning(config("Qwen/Qwen3-0.6B", True)), PROMPT, None, backend)
    assert [each.level for each in observed.findings] == ["INFO"]


@pytest.mark.parametrize("model", ["Qwen/Qwen3-Next-80B-A3B-Thinking", "openai/gpt-oss-20b"])
def test_off_that_cannot_be_is_a_warning(model: str) -> None:
    """A model that cannot stop thinking is measured, and the verdict says that it thought."""
    levels = {each.level: each.message for each in finding(model, False)}
    assert "cannot stop thinking" in levels["WARN"]


def test_off_of_an_unknown_model_is_told() -> None:
    """It may think or not; nothing was sent for it."""
    assert [each.level for each in finding("us/unknown", False)] == ["INFO"]


def test_a_switch_that_its_authors_did_not_publish_is_told() -> None:
    """DeepSeek names no way to turn R1's thinking off."""
    assert any("publishes no way" in each.message for each in finding("deepseek-ai/DeepSeek-R1", False))


@pytest.mark.parametrize(
    ("model", "scenario", "message"),
    [
        ("us/unknown", {"reasoning": True}, "no reasoning format is known for 'us/unknown'"),
        ("google/gemma-3-1b-it", {"reasoning": True}, "does not think"),
        ("Qwen/Qwen3-0.6B", {"reasoning_params": {"enable_thinking": True}}, "no effect without"),
        ("Qwen/Qwen3-0.6B", {"reasoning": True, "chat_template": False}, "needs the chat template"),
        ("google/gemma-3-1b-it", {"reasoning": False, "reasoning_params": {"budget": 1}}, "no such parameter"),
        ("us/unknown", {"reasoning": True, "reasoning_formats": Path("missing.yaml")}, "there is no file missing.yaml"),
    ],
)
def test_what_cannot_be_sent_is_refused(model: str, scenario: dict[str, object], message: str) -> None:
    """Before anything is loaded, with a fix."""
    with pytest.raises(ConfigError) as caught:
        plan_reasoning(config(model, **scenario))  # type: ignore[arg-type] # keys under test
    assert message in caught.value.message
    assert caught.value.remedy


def test_on_is_fine_for_what_always_thinks() -> None:
    """Nothing needs to be sent, and the verdict says so."""
    assert [each.level for each in finding("MiniMaxAI/MiniMax-M1-80k", True)] == ["INFO"]


@pytest.mark.parametrize(
    ("ends", "prefix", "rendered"),
    [
        ("", "<think>\n", "<think>\n"),
        ("<think>\n", "<think>\n", "<think>\n"),
        ("<think>\n", "<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
        ("<think>", "<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
        ("", "", ""),
    ],
)
def test_a_prefix_is_not_repeated(ends: str, prefix: str, rendered: str) -> None:
    """Some chat templates open the thinking themselves; only what is missing is added."""
    request = Request(0, PROMPT, (Message("user", "Why?"),), assistant_prefix=prefix)
    assert rendered_text(Template(ends=ends), request) == f"[user]Why?[assistant]{rendered}"


def test_a_parameter_reaches_the_template_in_process() -> None:
    """There is no request whose key it could be."""
    request = Request(0, PROMPT, (Message("user", "Why?"),), parameters={"effort": "low"})
    assert rendered_text(Template(), request) == "[user]Why?[effort=low][assistant]"


@pytest.mark.parametrize(
    ("output", "begun", "count"),
    [
        ("<think>ab</think>cd", False, 17),
        ("ab</think>cd", True, 10),
        ("</think>", True, 8),
        ("<think>abcd", False, 11),
        ("abcd", True, 4),
        ("abcd", False, 0),
        ("", False, 0),
        ("<think>a</think>b</think>c", False, 16),
    ],
)
def test_thinking_ends_with_the_closing_tag(output: str, begun: bool, count: int) -> None:
    """The tag itself is thinking; an output that never closes it is all thinking or none."""
    ids = [ord(letter) for letter in output]
    assert thinking_tokens(ids, Template().decode, "<think>", "</think>", begun=begun) == count


def test_a_family_that_never_thinks_has_no_thinking_tokens() -> None:
    """For an unknown model they are unknown, which is not zero."""
    families = [plan_reasoning(config(model)).family for model in ("google/gemma-3-1b-it", "us/unknown")]
    assert [count_thinking(family, False, [1, 2], Template()) for family in families] == [0, None]


class ThinkingBackend(FakeBackend):
    """Every output is "<think>ab</think>c"."""

    async def generate(self, batch):  # type: ignore[no-untyped-def] # as FakeBackend
        outcomes = await super().generate(batch)
        ids = tuple(ord(letter) for letter in "<think>ab</think>c")
        return tuple(evolve(each, output_token_ids=ids, output_tokens=len(ids)) for each in outcomes)


class Letters:
    def prompts(self, count: int, tokenizer: object) -> tuple[Prompt, ...]:
        return tuple(Prompt(index, "ab"[index % 2]) for index in range(count))


def test_thinking_is_counted_apart_in_a_run() -> None:
    """Per request and in the mean, and what was sent stands in the report document."""
    from ai_energy_benchmarks.runner import BenchmarkRunner

    journal = Journal()
    clock = FakeClock(journal)
    backend = ThinkingBackend(journal, clock, tokenizer=Template())
    runner = BenchmarkRunner(
        config("Qwen/Qwen3-0.6B", True),
        backend=backend,
        collector=FakeCollector(journal, clock),
        reporters=[],
        dataset=Letters(),  # type: ignore[arg-type] # made by hand: no from_settings
        clock=clock,
    )
    document = runner.run()
    assert runner.result is not None
    assert {each.reasoning_tokens for each in runner.result.trials[0].completions} == {17}
    assert document["tokens"]["reasoning"] == 34
    assert document["reasoning"]["sent"] == {"enable_thinking": True}
    assert isinstance(runner.result.reasoning, Reasoning)
    assert {"PASS"} == {each.level for each in runner.result.verdict.findings if each.check == "reasoning"}
