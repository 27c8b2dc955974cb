"""A path that holds no model is refused by every engine before anything is measured, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.base import Demand
from ai_energy_benchmarks.backends.model.files import model_problems
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.domain.progress import Silent
from ai_energy_benchmarks.domain.prompts import Generation
from ai_energy_benchmarks.errors import parted
from ai_energy_benchmarks.runner.composition import make_backend

DEMAND = Demand(Generation(max_new_tokens=1), 1, 1)
LAUNCHED = ("vllm", "tensorrt")
IN_PROCESS = ("pytorch", "vllm_offline", "tensorrt_llm_offline")


def safetensors(tensor_bytes: int, kept_bytes: int) -> bytes:
    """A file whose header states more bytes of tensors than it may hold."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [tensor_bytes], "data_offsets": [0, tensor_bytes]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"\0" * kept_bytes


def model(directory: Path, **weights: bytes) -> Path:
    """A directory with a config.json and weights; ``__`` stands for a dot, as in ``model__safetensors``."""
    directory.mkdir()
    (directory / "config.json").write_text('{"model_type": "llama"}')
    for name, content in weights.items():
        (directory / name.replace("__", ".")).write_bytes(content)
    return directory


def refusals(engine: str, path: Path, **options: object) -> str:
    """What an engine has against a model, before it is loaded."""
    launch = {"launch": True} if engine in LAUNCHED else {}
    config = config_from_mapping({"backend": {"type": engine, "model": str(path), "options": options, **launch}})
    return "\n".join(make_backend(config, Silent()).problems(DEMAND))


@pytest.mark.parametrize("engine", [*IN_PROCESS, *LAUNCHED])
def test_every_engine_refuses_a_directory_without_a_model(engine: str, tmp_path: Path) -> None:
    """An empty directory, a directory without config.json and a file that is no model are named with their fix."""
    (tmp_path / "notes.txt").write_text("no model")
    for path in (tmp_path, tmp_path / "notes.txt"):
        said = refusals(engine, path)
        assert f"backend.model: {'model' if path.is_file() else 'directory'} '{path}'" in said
        assert "fix: give the directory" in said
    assert "neither an existing path nor a hub id" in refusals(engine, tmp_path / "gone")


@pytest.mark.parametrize("engine", [*IN_PROCESS, *LAUNCHED])
def test_a_whole_model_and_a_hub_id_are_not_refused(engine: str, tmp_path: Path) -> None:
    """Nothing is said of a model with its weights, nor of a name that only the hub could know."""
    whole = model(tmp_path / "whole", model__safetensors=safetensors(16, 16))
    assert "backend.model" not in refusals(engine, whole)
    config = config_from_mapping({"backend": {"type": "vllm", "model": "org/name", "launch": True}})
    assert "backend.model" not in "\n".join(make_backend(config, Silent()).problems(DEMAND))


def test_a_running_server_may_serve_any_path(tmp_path: Path) -> None:
    """The name of a model that a server has loaded says nothing about the disk of this machine."""
    config = config_from_mapping(
        {"backend": {"type": "vllm", "model": str(tmp_path), "endpoint": "http://127.0.0.1:9/v1"}}
    )
    assert make_backend(config, Silent()).problems(DEMAND) == ()


def test_weights_that_end_early_are_refused(tmp_path: Path) -> None:
    """A download that was cut leaves a file that is shorter than its own header states."""
    (problem,) = model_problems(str(model(tmp_path / "cut", model__safetensors=safetensors(16, 15))))
    message, fix = parted(problem)
    assert "model.safetensors has 85 bytes of at least 86" in message
    assert fix == "download or copy model.safetensors again"
    assert "0 bytes" in model_problems(str(model(tmp_path / "empty", pytorch_model__bin=b"")))[0]
    assert "3 bytes" in model_problems(str(model(tmp_path / "three", model__safetensors=b"abc")))[0]


def test_shards_that_an_index_names_have_to_be_there(tmp_path: Path) -> None:
    """Of two shards one is missing, and it is named."""
    half = model(tmp_path / "half", model_1__safetensors=safetensors(4, 4))
    shards = {"a": "model_1.safetensors", "b": "model_2.safetensors"}
    (half / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (problem,) = model_problems(str(half))
    assert "lacks 1 of the files that model.safetensors.index.json names: model_2.safetensors" in problem
    (half / "model_2.safetensors").write_bytes(safetensors(4, 4))
    assert model_problems(str(half)) == ()


@pytest.mark.parametrize("engine", ["vllm_offline", "tensorrt_llm_offline", *LAUNCHED])
def test_a_gguf_file_is_for_pytorch(engine: str, tmp_path: Path) -> None:
    """Other engines would get the directory around it, and load whatever else lies there."""
    (tmp_path / "small.gguf").write_bytes(b"GGUF....")
    assert "is a GGUF file, which cannot be used here" in refusals(engine, tmp_path / "small.gguf")
    assert "backend.model" not in refusals("pytorch", tmp_path / "small.gguf")


def test_models_next_to_the_model_are_looked_at_too(tmp_path: Path) -> None:
    """An assistant model and an adapter that are directories without one are refused under their own keys."""
    whole = model(tmp_path / "whole", model__safetensors=safetensors(16, 16))
    said = refusals("pytorch", whole, assistant_model=str(tmp_path), adapter=str(tmp_path))
    assert f"backend.options.assistant_model: directory '{tmp_path}'" in said
    assert f"backend.options.adapter: '{tmp_path}' has no adapter_config.json" in said
