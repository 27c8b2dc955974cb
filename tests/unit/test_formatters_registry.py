"""Which reasoning format a model gets, by name."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.formatters.family_file import TYPES
from ai_energy_benchmarks.formatters.harmony import HarmonyFormatter
from ai_energy_benchmarks.formatters.registry import FormatterRegistry


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("openai/gpt-oss-20b", "gpt-oss"),
        ("unsloth/gpt-oss-120b-BF16", "gpt-oss"),
        ("HuggingFaceTB/SmolLM3-3B", "smollm3"),
        ("Qwen/Qwen3-0.6B", "qwen3"),
        ("/models/Qwen3-0.6B/", "qwen3"),
        ("Qwen3-0.6B-Q8_0.gguf", "qwen3"),
        ("Qwen/Qwen3-4B-Thinking-2507", "qwen3-thinking"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "qwen3-instruct"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3-instruct"),
        ("Qwen/Qwen2.5-Coder-14B", "qwen"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek-r1"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3.1"),
        ("deepseek-ai/DeepSeek-V3.2-Exp", "deepseek-v3.1"),
        ("deepseek-ai/DeepSeek-V3", "deepseek"),
        ("deepseek-ai/DeepSeek-V3-0324", "deepseek"),
        ("tencent/Hunyuan-1.8B-Instruct", "hunyuan"),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", "nemotron-v1"),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1_5", "nemotron"),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nemotron"),
        ("LGAI-EXAONE/EXAONE-4.0-32B", "exaone-4"),
        ("microsoft/Phi-4-reasoning-plus", "phi-4-reasoning"),
        ("microsoft/phi-4", "phi"),
        ("google/gemma-3-270m-it", "gemma"),
        ("google/gemma-4-31B-it", "gemma-4"),
        ("mistralai/Magistral-Small-2507", "magistral"),
        ("zai-org/GLM-4.5-Air", "glm-4.5"),
        ("zai-org/GLM-4.6", "glm-4.5"),
        ("ibm-granite/granite-3.3-8b-instruct", "granite-3.3"),
        ("ibm-granite/granite-4.0-h-tiny", "granite"),
        ("deepcogito/cogito-v1-preview-llama-70B", "cogito"),
        ("moonshotai/Kimi-K2-Instruct", "kimi"),
        ("MiniMaxAI/MiniMax-M1-80k", "minimax"),
        ("swiss-ai/Apertus-8B-Instruct-2509 ", "apertus"),
    ],
)
def test_a_model_belongs_to_its_family(model: str, family: str) -> None:
    """The family is found by the last part of a hub id, a directory or a file, with or without space around it."""
    found = FormatterRegistry().find(model)
    assert found is not None
    assert found.name == family


@pytest.mark.parametrize(
    "model",
    [
        "cognitivecomputations/dolphin-2.9.1-phi-3-kensho-4.5b",
        "cognitivecomputations/dolphin-2_6-phi-2",
        "someone/my-gpt-oss-20b",
        "someone/NotQwen3-0.6B",
        "Qwen/Qwen-Image",
        "Qwen/Qwen3-Embedding-0.6B",
        "black-forest-labs/FLUX.1-dev",
        "",
    ],
)
def test_a_name_that_only_contains_a_family_is_unknown(model: str) -> None:
    """Patterns are anchored: dolphin is not phi, and an embedding model is no chat model."""
    registry = FormatterRegistry()
    assert registry.find(model) is None
    assert registry.get_formatter(model) is None
    assert registry._find_model_config(model) is None


def test_deepseek_coder_does_not_think() -> None:
    """A model without a switch has a family and no format."""
    registry = FormatterRegistry()
    assert registry.get_formatter("deepseek-ai/deepseek-coder-6.7b-instruct") is None
    config = registry._find_model_config("deepseek-ai/deepseek-coder-6.7b-instruct")
    assert config is not None
    assert config["formatter"] is None


def test_an_exact_name_counts_before_any_pattern() -> None:
    """SmolLM3's base model matches the family's pattern, but has an entry of its own."""
    registry = FormatterRegistry()
    assert registry.get_formatter("HuggingFaceTB/SmolLM3-3B") is not None
    assert registry.get_formatter("HuggingFaceTB/SmolLM3-3B-Base") is None


def test_gpt_oss_has_the_harmony_format() -> None:
    """Callers ask with isinstance."""
    assert isinstance(FormatterRegistry().get_formatter("openai/gpt-oss-120b"), HarmonyFormatter)


def test_every_family_names_its_source() -> None:
    """A switch that nobody published is not in our file."""
    entries = FormatterRegistry().entries
    assert [entry.name for entry in entries if not entry.keys.get("source")] == []


def test_every_type_of_our_file_can_be_made() -> None:
    """No entry names a type that has no class."""
    registry = FormatterRegistry()
    made = {entry.keys["type"] for entry in registry.entries}
    assert made <= {*TYPES, None}
    assert {type(registry.get_formatter(model)).__name__ for model in ("openai/gpt-oss-20b", "Qwen/Qwen3-8B")} == {
        "HarmonyFormatter",
        "ChatTemplateFormatter",
    }


@pytest.fixture
def text_models(shared_data: Path) -> set[str]:
    """The models of October 2025."""
    with (shared_data / "aienergyscore_models_oct_2025.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["Task"] == "text_gen"]
    models = {row["Models to Add"].strip().removeprefix("https://huggingface.co/") for row in rows}
    assert len(models) > 30
    return models


def test_every_text_model_of_aienergyscore_is_known(text_models: set[str]) -> None:
    """Each is in some family."""
    registry = FormatterRegistry()
    assert {model for model in text_models if registry.find(model) is None} == set()


def test_every_text_model_of_aienergyscore_has_its_line(root: Path, text_models: set[str]) -> None:
    """The table shows each model under its present family and type, and what its family's authors left open."""
    text = (root / "docs" / "reasoning.md").read_text(encoding="utf-8")
    registry = FormatterRegistry()
    for model in text_models:
        family = registry.find(model)
        assert family is not None
        assert f"| {model} | {family.name}: {family.type or 'none'} |" in text
        assert family.note in text


def test_a_file_of_the_user_adds_a_family(tmp_path: Path) -> None:
    """No code is needed for a new model."""
    file = tmp_path / "formats.yaml"
    file.write_text(
        "families:\n"
        "  ours:\n"
        "    type: parameter\n"
        "    patterns: ['our-model-.*']\n"
        "    on: {thinking_level: 2}\n"
        "    off: {thinking_level: 0}\n"
        "    source: our own card\n"
    )
    formatter = FormatterRegistry(file).get_formatter("us/our-model-7b")
    assert formatter is not None
    assert formatter.bind(True).switch.parameters == {"thinking_level": 2}
    assert formatter.bind(False).switch.parameters == {"thinking_level": 0}


def test_a_file_of_the_user_is_laid_over_ours(tmp_path: Path) -> None:
    """What it gives replaces ours; what it leaves out stays."""
    file = tmp_path / "formats.yaml"
    file.write_text("families:\n  qwen3:\n    on: {enable_thinking: true, budget: 5}\n    models: {us/tuned: {}}\n")
    registry = FormatterRegistry(file)
    for model in ("Qwen/Qwen3-0.6B", "us/tuned"):
        formatter = registry.get_formatter(model)
        assert formatter is not None
        assert formatter.bind(True).switch.template_arguments == {"enable_thinking": True, "budget": 5}
        assert formatter.bind(False).switch.template_arguments == {"enable_thinking": False}


def test_an_override_holds_for_one_model(tmp_path: Path) -> None:
    """The other models of the family keep their switch."""
    file = tmp_path / "formats.yaml"
    file.write_text("families:\n  qwen3:\n    models:\n      us/plain: {type: null, default: off}\n")
    registry = FormatterRegistry(file)
    assert registry.get_formatter("us/plain") is None
    assert registry.get_formatter("Qwen/Qwen3-0.6B") is not None


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("families:\n  a:\n    typ: prefix\n", 3, "did you mean 'type'?"),
        ("families:\n  a:\n    type: magic\n", 3, "must be one of 'harmony'"),
        ("families:\n  a:\n    type: prefix\n    on: {x: 1}\n", 4, "on: must be text"),
        ("families:\n  a:\n    type: chat_template\n    on: yes please\n", 4, "on: must be a mapping"),
        ("families:\n  a:\n    patterns: ['(']\n", 3, "is not a regular expression"),
        ("families:\n  a:\n    patterns: one\n", 3, "must be a list"),
        ("families:\n  a:\n    thinking: ['<think>']\n", 3, "thinking: must be a list of 2"),
        ("families:\n  a:\n    default: maybe\n", 3, "must be one of 'on', 'off'"),
        ("families:\n  a: {}\n  a: {}\n", 2, "is given twice, in lines 2 and 3"),
        ("families:\n  a:\n    models:\n      m: {plase: prompt}\n", 4, "did you mean 'place'?"),
        ("families:\n  qwen3:\n    type: prefix\n", 2, "on: must be text"),
        ("familys: {}\n", 1, "did you mean 'families'?"),
        ("- a\n", 1, "must be a mapping"),
        ("other: 1\n", 1, "families: is required and missing"),
    ],
)
def test_a_mistake_names_its_file_and_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    """The user is taken to the line that is wrong."""
    file = tmp_path / "formats.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        FormatterRegistry(file).find("Qwen/Qwen3-0.6B")
    assert f"line {line}: " in caught.value.message or f"{file}:{line}: " in caught.value.message
    assert str(file) in caught.value.message
    assert message in caught.value.message
    assert caught.value.remedy


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Two wrong lines give two lines of error below the file's name."""
    file = tmp_path / "formats.yaml"
    file.write_text("families:\n  a:\n    type: magic\n    default: maybe\n")
    with pytest.raises(ConfigError) as caught:
        FormatterRegistry(file).find("x")
    assert len(caught.value.message.splitlines()) == 3


@pytest.mark.parametrize("name", ["missing.yaml", "broken.yaml"])
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, name: str) -> None:
    """Also one that is no YAML."""
    (tmp_path / "broken.yaml").write_text("families: [\n")
    with pytest.raises(ConfigError, match=name):
        FormatterRegistry(tmp_path / name).find("x")
