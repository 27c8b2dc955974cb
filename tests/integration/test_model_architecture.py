"""Shapes read from transformers configs, against transformers' own count of the weights."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis import flops
from ai_energy_benchmarks.backends.model.architecture import architecture_of

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 500,
}
CONFIGS = {
    "llama": SMALL,
    "llama, tied": SMALL | {"tie_word_embeddings": True},
    "mistral": SMALL,
    "mixtral": SMALL | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2": SMALL,
    "qwen3": SMALL | {"head_dim": 16},
    "gpt2": {"n_embd": 64, "n_layer": 3, "n_head": 8, "n_positions": 128, "vocab_size": 500},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_shape_makes_as_many_weights_as_the_model_has(name: str) -> None:
    """To the last one."""
    config = transformers.AutoConfig.for_model(name.split(",", maxsplit=1)[0], **CONFIGS[name])
    model = transformers.AutoModelForCausalLM.from_config(config)
    shape = architecture_of(config)
    assert shape is not None
    assert flops.parameters(shape) == model.num_parameters()


def test_a_family_that_is_not_known_has_no_shape() -> None:
    """Rather none than a wrong one."""
    assert architecture_of(transformers.AutoConfig.for_model("bloom")) is None
