"""Settings of the PyTorch backend that say where and as what the weights are loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="these tests run PyTorch")
pytest.importorskip("transformers", reason="these tests run PyTorch")

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.backends.pytorch.generation import generation_config
from ai_energy_benchmarks.backends.pytorch.loading import PyTorchOptions, model_arguments
from ai_energy_benchmarks.domain.prompts import Generation
from ai_energy_benchmarks.errors import BackendError
from tests.tiny_model import save_tiny_model

OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


def backend(model: Path, **options: object) -> PyTorchBackend:
    chosen = PyTorchOptions(**options)  # type: ignore[arg-type] # keys under test
    return PyTorchBackend(BackendSettings(str(model), "cpu", (0,), None, "text-generation", chosen))


def test_a_map_and_limits_of_memory_reach_transformers() -> None:
    """A map by module is passed as it is; limits go with a map by name, and number boards as numbers."""
    mapped = PyTorchOptions(device_map={"model": "cpu", "lm_head": 0})
    assert model_arguments(mapped, ("cpu",))["device_map"] == {"model": "cpu", "lm_head": 0}
    limited = model_arguments(PyTorchOptions(device_map="auto", max_memory={"cpu": "1GiB"}), ("cpu",))
    assert (limited["device_map"], limited["max_memory"]) == ("auto", {"cpu": "1GiB"})


def test_threads_are_those_asked_for(tmp_path: Path) -> None:
    """The worker sets them for itself, and the result has them; the tests' own number is another."""
    with backend(save_tiny_model(tmp_path, end_ids=[1]), threads=2) as engine:
        assert engine.facts().settings["cpu_threads"] == 2
        assert engine._executor is not None
        import torch

        assert engine._executor.submit(torch.get_num_threads).result() == 2


def test_code_of_the_model_runs_only_if_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``trust_remote_code`` the model is refused."""
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    model = save_tiny_model(tmp_path / "model", end_ids=[1])
    (model / "own_code.py").write_text(OWN_CODE)
    config = json.loads((model / "config.json").read_text())
    named = {"AutoConfig": "own_code.OwnConfig", "AutoModelForCausalLM": "own_code.OwnModel"}
    (model / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": named}))
    with pytest.raises(BackendError, match="comes with Python code of its own") as caught:
        backend(model).__enter__()
    assert "backend.options.trust_remote_code: true" in str(caught.value.remedy)
    with backend(model, trust_remote_code=True) as engine:
        assert type(engine.model).__name__ == "OwnModel"


def test_every_parameter_of_sampling_reaches_transformers(tmp_path: Path) -> None:
    """Whatever ``generate_kwargs`` sets stands in the configuration of the generation."""
    given = {"temperature": 0.7, "top_k": 5, "top_p": 0.8, "min_p": 0.1, "repetition_penalty": 1.2}
    wanted = Generation(max_new_tokens=3, min_new_tokens=2, do_sample=True, **given)  # type: ignore[arg-type] # by name
    with backend(save_tiny_model(tmp_path, end_ids=[1])) as engine:
        assert engine.model is not None
        config = generation_config(engine.model, engine.tokenizer, wanted, PyTorchOptions())
    assert {name: getattr(config, name) for name in given} == given
