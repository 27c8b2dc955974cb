"""What is measured is the model that was saved, generating in the way that the report states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

transformers = pytest.importorskip("transformers")

from ai_energy_benchmarks.backends.base import BackendSettings  # noqa: E402 # needs transformers
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend  # noqa: E402 # needs transformers
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions  # noqa: E402 # needs transformers
from ai_energy_benchmarks.domain.engine import EngineFacts  # noqa: E402 # needs transformers
from ai_energy_benchmarks.errors import BackendError  # noqa: E402 # needs transformers
from tests.tiny_model import save_tiny_model  # noqa: E402 # needs transformers


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny_model(tmp_path / "model", end_ids=[1])


def loaded(directory: Path, **options: Any) -> EngineFacts:
    chosen = PyTorchOptions(threads=1, **options)
    with PyTorchBackend.from_settings(
        BackendSettings(str(directory), "cpu", (0,), None, "text-generation", chosen)
    ) as backend:
        return backend.facts()


def changed(file: Path, **values: object) -> None:
    """Write other values into a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def resaved(directory: Path, kind: str, drop: str = "", add: dict[str, Any] | None = None) -> None:
    """Save the model as another class would, without or with more of its weights."""
    from safetensors.torch import load_file, save_file

    file = directory / "model.safetensors"
    weights = {name: value for name, value in load_file(file).items() if not drop or not name.startswith(drop)}
    save_file({**weights, **(add or {})}, file, {"format": "pt"})
    changed(directory / "config.json", architectures=[kind])


def test_a_whole_checkpoint_has_nothing_to_be_told(model: Path) -> None:
    """Every weight was found and used, with the cache that is the default."""
    facts = loaded(model)
    assert (facts.notes, facts.warnings) == ((), ())
    assert facts.settings["cache_implementation"] == "dynamic"


@pytest.mark.parametrize("kind", ["BartForConditionalGeneration", "T5ForConditionalGeneration"])
def test_an_encoder_decoder_is_refused_in_one_sentence(model: Path, kind: str) -> None:
    """Before a causal class drops its encoder and makes up a head."""
    changed(model / "config.json", architectures=[kind], is_encoder_decoder=True)
    with pytest.raises(BackendError, match=f"{kind} is an encoder-decoder; this package measures decoders"):
        loaded(model)


def test_a_real_bart_is_refused(model: Path) -> None:
    """As saved by transformers itself."""
    small = transformers.BartConfig(
        vocab_size=258, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
    )  # fmt: skip
    transformers.BartForConditionalGeneration(small).save_pretrained(model)
    with pytest.raises(BackendError, match="BartForConditionalGeneration is an encoder-decoder"):
        loaded(model)


def test_an_encoder_is_refused_though_all_its_weights_fit(model: Path) -> None:
    """A BERT for masked words loads as a causal model without a missing weight; as a decoder it is welcome."""
    small = transformers.BertConfig(
        vocab_size=258, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertForMaskedLM(small).save_pretrained(model)
    with pytest.raises(BackendError, match="BertForMaskedLM is an encoder, which fills in masked words"):
        loaded(model)
    changed(model / "config.json", is_decoder=True)
    assert loaded(model).parameters


def test_made_up_weights_are_refused(model: Path) -> None:
    """A classifier has no head for generating text; random numbers in its place are another model."""
    resaved(model, "LlamaForSequenceClassification", drop="lm_head")
    with pytest.raises(BackendError) as caught:
        loaded(model)
    assert "has no weights for lm_head.weight of LlamaForCausalLM" in caught.value.message
    assert "LlamaForSequenceClassification" in caught.value.message
    assert caught.value.remedy


def test_an_assistant_is_held_to_the_same(model: Path, tmp_path: Path) -> None:
    """Its made-up weights would propose noise, and cost as many steps as the model needs to refuse it."""
    assistant = save_tiny_model(tmp_path / "assistant", end_ids=[1])
    resaved(assistant, "LlamaForSequenceClassification", drop="lm_head")
    with pytest.raises(BackendError, match="no weights for lm_head"):
        loaded(model, assistant_model=str(assistant))


def test_left_over_weights_are_named(model: Path) -> None:
    """The model runs without them, and the verdict warns; tables that are computed anyway are no weights."""
    import torch

    extra = {"score.weight": torch.zeros(2, 32), "model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4)}
    resaved(model, "LlamaForCausalLM", add=extra)
    (warning,) = loaded(model).warnings
    assert "score.weight" in warning
    assert "inv_freq" not in warning
    assert "LlamaForCausalLM has no place for" in warning


def test_a_saved_default_that_changes_the_cost_is_recorded_and_warned_of(model: Path) -> None:
    """Without a cache every token recomputes all before it: the report says none, not dynamic, and names the file."""
    changed(model / "generation_config.json", use_cache=False, no_repeat_ngram_size=2)
    facts = loaded(model)
    assert facts.settings["cache_implementation"] == "none"
    (warning,) = facts.warnings
    assert "generation_config.json" in warning
    assert "use_cache: false, no_repeat_ngram_size: 2" in warning
    assert "cache_implementation" in warning


def test_a_cache_that_the_config_asks_for_is_used(model: Path) -> None:
    """The user's setting replaces the saved one, so nothing is left to warn of."""
    changed(model / "generation_config.json", use_cache=False)
    facts = loaded(model, cache_implementation="dynamic")
    assert (facts.settings["cache_implementation"], facts.warnings) == ("dynamic", ())
