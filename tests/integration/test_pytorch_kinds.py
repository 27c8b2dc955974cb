"""Models of other classes than the causal one, and tokenizers that need further packages."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

transformers = pytest.importorskip("transformers")

from ai_energy_benchmarks.backends.base import BackendSettings, Demand  # noqa: E402 # needs transformers
from ai_energy_benchmarks.backends.model.kind import look_at, missing_for_tokenizer  # noqa: E402 # needs transformers
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend  # noqa: E402 # needs transformers
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions  # noqa: E402 # needs transformers
from ai_energy_benchmarks.backends.server.tokens import local_counter  # noqa: E402 # needs transformers
from ai_energy_benchmarks.domain.completions import Completion  # noqa: E402 # needs transformers
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request  # noqa: E402 # as above
from ai_energy_benchmarks.errors import BackendError  # noqa: E402 # needs transformers
from tests.fake_hub import serving  # noqa: E402 # needs transformers
from tests.tiny_model import save_tiny_model  # noqa: E402 # needs transformers

TEXT: dict[str, Any] = {
    "vocab_size": 258, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128,
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny_model(tmp_path / "model", end_ids=[1])


def backend(directory: Path) -> PyTorchBackend:
    options = PyTorchOptions(threads=1)
    return PyTorchBackend(BackendSettings(str(directory), "cpu", (0,), None, "text-generation", options))


def mistral3() -> Any:
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 28, "patch_size": 14}  # fmt: skip
    config = transformers.Mistral3Config(
        text_config={"model_type": "mistral", "head_dim": 8, **TEXT},
        vision_config={"model_type": "pixtral", **vision},
        image_token_index=10,
    )
    return transformers.Mistral3ForConditionalGeneration(config)


def qwen25_vl() -> Any:
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}
    rope = {"type": "default", "rope_type": "default", "mrope_section": [1, 1, 2]}
    tokens = {"image_token_id": 10, "video_token_id": 11, "vision_start_token_id": 12, "vision_end_token_id": 13}
    config = transformers.Qwen2_5_VLConfig(
        text_config={**TEXT, "rope_scaling": rope, "bos_token_id": None, "eos_token_id": 1},
        vision_config=vision,
        **tokens,
    )
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


@pytest.mark.parametrize("make", [mistral3, qwen25_vl])
def test_a_model_of_images_and_text_generates_from_text(model: Path, make: Any) -> None:
    """It has no causal class; it is loaded whole, the text part works, and the report says so."""
    made = make()
    made.generation_config.eos_token_id = 1
    made.generation_config.pad_token_id = 0
    made.save_pretrained(model)
    request = Request(0, Prompt(0, "hi"), (Message("user", "hi"),))
    with backend(model) as entered:
        (outcome,) = asyncio.run(entered.generate(Batch((request,), Generation(max_new_tokens=5, min_new_tokens=5))))
        facts = entered.facts()
    assert isinstance(outcome, Completion)
    assert outcome.output_tokens == 5
    assert facts.context_tokens == 128
    assert facts.warnings == ()
    (note,) = facts.notes
    assert f"{type(made).__name__} takes images too; it was given text alone" in note


def test_what_generates_no_text_is_refused_in_one_sentence(model: Path) -> None:
    """Without the list of transformers' classes."""
    config = model / "config.json"
    config.write_text(json.dumps({"model_type": "clip", "architectures": ["CLIPModel"]}))
    with pytest.raises(BackendError) as caught, backend(model):
        pass
    said = "CLIPModel does not generate text from left to right, which is all that this package measures"
    assert caught.value.message == f"backend.model: {said}"


@pytest.mark.parametrize(
    ("config", "what", "fix"),
    [
        ({"model_type": "of-tomorrow"}, "does not know model type 'of-tomorrow'", "--upgrade transformers"),
        (
            {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "m.M"}, "architectures": ["M"]},
            "M comes with Python code of its own",
            "backend.options.trust_remote_code: true",
        ),
    ],
)
def test_a_model_that_transformers_does_not_know_has_a_fix(
    tmp_path: Path, config: dict[str, object], what: str, fix: str
) -> None:
    """A newer version, or the model's own code."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackendError, match=what) as caught:
        look_at(tmp_path, trust_remote_code=False)
    assert fix in str(caught.value.remedy)


def test_validate_sees_an_encoder_decoder_at_hand(model: Path) -> None:
    """Its config.json is on this machine, so the check before a run says it."""
    config = model / "config.json"
    config.write_text(json.dumps({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}))
    problems = backend(model).problems(Demand(Generation(max_new_tokens=4)))
    assert [each for each in problems if "is an encoder-decoder; this package measures decoders" in each]


LOAD = """
import sys
from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.errors import BackendError
try:
    with PyTorchBackend(BackendSettings("org/t5", "cpu", (0,), None, "text-generation", PyTorchOptions())):
        pass
except BackendError as error:
    print(error.message)
"""


def test_a_hub_model_is_refused_before_its_weights_are_downloaded(tmp_path: Path) -> None:
    """Its small files come first."""
    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}
    files = {"a.safetensors": b"weights", "config.json": json.dumps(config).encode(), "tokenizer.json": b"{}"}
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with serving({"models/org/t5": files}) as (endpoint, journal):
        hub = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-c", LOAD]
        done = subprocess.run(command, env=kept | hub, capture_output=True, text=True, timeout=120, check=True)
    said = "T5ForConditionalGeneration is an encoder-decoder; this package measures decoders"
    assert done.stdout.strip() == f"backend.model: {said}"
    assert [line for line in journal if "config.json" in line]
    assert not [line for line in journal if "a.safetensors" in line]


@pytest.fixture
def old_model(model: Path) -> Path:
    """Its tokenizer is a SentencePiece file and nothing else, as with Llama 2."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="comes with the pytorch extra")
    pytest.importorskip("google.protobuf", reason="comes with the pytorch extra")
    trained = io.BytesIO()
    words = [f"the {a} and the {b}" for a in ("cat", "dog", "owl", "fox") for b in ("sea", "sky", "sun", "moon")]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words * 4), model_writer=trained, vocab_size=40, model_type="bpe", minloglevel=2
    )
    for file in model.glob("*token*"):
        file.unlink()
    for file in model.glob("*chat_template*"):
        file.unlink()
    (model / "tokenizer.model").write_bytes(trained.getvalue())
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    return model


def test_a_tokenizer_in_sentencepiece_s_form_is_read(old_model: Path) -> None:
    """The pytorch extra brings what it needs."""
    request = Request(0, Prompt(0, "the cat and the moon"))
    with backend(old_model) as entered:
        (outcome,) = asyncio.run(entered.generate(Batch((request,), Generation(max_new_tokens=3))))
    assert isinstance(outcome, Completion)
    assert outcome.prompt_tokens > 3
    assert local_counter(str(old_model)).output_tokens("the cat") > 0


@pytest.mark.parametrize("missing", ["sentencepiece", "protobuf"])
def test_the_packages_of_a_tokenizer_are_named(model: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Those that are missing, and not another one that would not help."""
    (model / "tokenizer.json").rename(model / "tokenizer.model")
    monkeypatch.setitem(sys.modules, {"protobuf": "google.protobuf"}.get(missing, missing), None)
    assert missing in missing_for_tokenizer(model)
    with pytest.raises(BackendError, match=f"SentencePiece file, to read which .*{missing}") as caught, backend(model):
        pass
    assert str(caught.value.remedy).startswith("pip install ")
    assert missing in str(caught.value.remedy)
    with pytest.raises(BackendError, match=rf"backend\.options\.tokenizer: .*{missing}"):
        local_counter(str(model))
    (model / "tokenizer.model").rename(model / "tokenizer.json")
    assert missing_for_tokenizer(model) == ()
