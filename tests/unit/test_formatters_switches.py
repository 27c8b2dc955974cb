"""What each kind of switch puts into a request, on and off."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ai_energy_benchmarks.domain.prompts import Message, Prompt, Request, TemplateValue
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.formatters.registry import FormatterRegistry
from ai_energy_benchmarks.formatters.values import plain

PROMPT = Prompt(3, "Why?")
USER = (Message("user", "Why?"),)


def request(model: str, reasoning: bool, params: Mapping[str, TemplateValue] | None = None) -> Request:
    formatter = FormatterRegistry().get_formatter(model)
    assert formatter is not None
    return formatter.bind(reasoning, params).format(7, PROMPT)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen3-0.6B", "enable_thinking"),
        ("LGAI-EXAONE/EXAONE-4.0-32B", "enable_thinking"),
        ("zai-org/GLM-4.6", "enable_thinking"),
        ("swiss-ai/Apertus-8B-Instruct-2509", "enable_thinking"),
        ("google/gemma-4-31B-it", "enable_thinking"),
        ("deepseek-ai/DeepSeek-V3.1", "thinking"),
        ("ibm-granite/granite-3.3-2b-instruct", "thinking"),
    ],
)
def test_a_template_argument_is_sent_for_on_and_for_off(model: str, name: str) -> None:
    """Off is said as plainly as on, and the prompt stays as it is."""
    for state in (True, False):
        assert request(model, state) == Request(7, PROMPT, USER, template_arguments={name: state})


def test_harmony_sends_an_effort_and_leaves_the_prompt_alone() -> None:
    """Nothing is pasted into the user's turn; servers get the effort in both places where they may look."""
    sent = request("openai/gpt-oss-20b", True, {"reasoning_effort": " high "})
    assert sent.messages == USER
    assert sent.template_arguments == sent.parameters == {"reasoning_effort": "high"}


@pytest.mark.parametrize(("reasoning", "effort"), [(True, "medium"), (False, "low")])
def test_harmony_without_parameters(reasoning: bool, effort: str) -> None:
    """On is the model's own default; off is the lowest effort there is."""
    assert request("openai/gpt-oss-20b", reasoning).template_arguments == {"reasoning_effort": effort}


@pytest.mark.parametrize(
    ("model", "on", "off"),
    [
        ("HuggingFaceTB/SmolLM3-3B", "/think", "/no_think"),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1_5", "/think", "/no_think"),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", "detailed thinking on", "detailed thinking off"),
    ],
)
def test_a_flag_stands_in_a_system_turn(model: str, on: str, off: str) -> None:
    """On and off are both sent."""
    assert request(model, True).messages == (Message("system", on), *USER)
    assert request(model, False).messages == (Message("system", off), *USER)


def test_a_flag_goes_before_the_system_turn_of_a_conversation() -> None:
    """Templates take one system turn, so the two are one; the rest of the conversation follows."""
    formatter = FormatterRegistry().get_formatter("HuggingFaceTB/SmolLM3-3B")
    assert formatter is not None
    bound, talk = formatter.bind(False), (Message("user", "Hi"), Message("assistant", "Hello"))
    told = Prompt(3, "Why?", history=(Message("system", "Be brief."), *talk))
    assert bound.format(7, told).messages == (Message("system", "/no_think\n\nBe brief."), *talk, *USER)
    assert bound.format(7, Prompt(3, "Why?", history=talk)).messages == (Message("system", "/no_think"), *talk, *USER)


def test_hunyuans_flag_stands_before_the_prompt() -> None:
    """As its model card asks."""
    assert request("tencent/Hunyuan-1.8B-Instruct", True).messages == (Message("user", "/think Why?"),)
    assert request("tencent/Hunyuan-1.8B-Instruct", False).messages == (Message("user", "/no_think Why?"),)


def test_no_empty_system_turn_is_sent() -> None:
    """Cogito's off is its default, for which nothing is sent."""
    assert request("deepcogito/cogito-v1-preview-llama-70B", False).messages == USER
    assert request("deepcogito/cogito-v1-preview-llama-70B", True).messages[0].role == "system"


def test_a_prefix_opens_or_closes_thinking_in_the_answer() -> None:
    """The assistant's turn begins with it."""
    assert request("deepseek-ai/DeepSeek-R1", True) == Request(7, PROMPT, USER, assistant_prefix="<think>\n")
    assert request("deepseek-ai/DeepSeek-R1", False).assistant_prefix == "<think>\n\n</think>\n\n"


@pytest.mark.parametrize("value", [True, "true", "True", " TRUE "])
def test_a_synonym_of_the_switch_may_repeat_it(value: TemplateValue) -> None:
    """Callers name the switch enable_thinking for every family, and send text for booleans."""
    assert request("Qwen/Qwen3-0.6B", True, {"enable_thinking": value}).template_arguments == {"enable_thinking": True}
    assert request("deepseek-ai/DeepSeek-R1", True, {"enable_thinking": value}).template_arguments == {}


@pytest.mark.parametrize(
    ("model", "reasoning", "params", "message"),
    [
        ("Qwen/Qwen3-0.6B", True, {"enable_thinking": "false"}, "contradicts"),
        ("Qwen/Qwen3-0.6B", False, {"enable_thinking": True}, "contradicts"),
        ("Qwen/Qwen3-0.6B", True, {"enable_thinking": 1}, "contradicts"),
        ("Qwen/Qwen3-0.6B", True, {"reasoning_effort": "low"}, "no such parameter"),
        ("openai/gpt-oss-20b", True, {"reasoning_effort": "extreme"}, "does not know 'extreme'"),
        ("openai/gpt-oss-20b", True, {"effort": "low"}, "no such parameter"),
        ("openai/gpt-oss-20b", False, {"reasoning_effort": "high"}, "is false"),
    ],
)
def test_a_parameter_is_honoured_or_refused(
    model: str, reasoning: bool, params: dict[str, TemplateValue], message: str
) -> None:
    """None is left out in silence, and each refusal has a fix."""
    with pytest.raises(ConfigError, match=message) as caught:
        request(model, reasoning, params)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("given", "meant"),
    [("true", True), ("False", False), ("none", None), ("512", 512), ("-1", -1), (" low ", "low"), (0.5, 0.5), (1, 1)],
)
def test_text_is_read_as_what_it_means(given: TemplateValue, meant: TemplateValue) -> None:
    """OmegaConf mappings of callers hold everything as text."""
    value = plain(given)
    assert value == meant
    assert type(value) is type(meant)
