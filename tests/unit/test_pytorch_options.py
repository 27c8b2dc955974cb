"""Options of the PyTorch backend that contradict each other, or cannot be honoured here."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.base import Demand
from ai_energy_benchmarks.backends.model.checkpoint import quantization_method
from ai_energy_benchmarks.backends.pytorch.loading import device_problems
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions, Quantization, option_problems
from ai_energy_benchmarks.backends.pytorch.quantization import (
    bitsandbytes_arguments,
    checkpoint_problem,
)
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.domain.prompts import Generation
from ai_energy_benchmarks.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compile": "default", "cache_implementation": "dynamic"}, "compile needs cache_implementation: static"),
        ({"assistant_model": "m", "cache_implementation": "static"}, "a cache that can shrink"),
        ({"assistant_model": "m", "compile": "default"}, "a cache that can shrink"),
        ({"num_assistant_tokens": 4}, "no effect without assistant_model"),
        ({"merge_adapter": True}, "no effect without adapter"),
        ({"merge_adapter": True, "adapter": "a", "quantization": {"bits": 8}}, "would round the adapter"),
        ({"tp_plan": "auto", "device_map": "auto"}, "tp_plan places the weights itself"),
        ({"quantization": {"bits": 8, "kind": "nf4"}}, "no effect with bits: 8"),
        ({"quantization": {"bits": 5}}, "must be one of 4, 8"),
        ({"compile": "fast"}, "must be one of"),
    ],
)
def test_contradictions_are_found_when_the_config_is_read(options: dict[str, object], words: str) -> None:
    """With the path of the block and both names."""
    with pytest.raises(ConfigError, match=r"backend\.options") as caught:
        config_from_mapping({"backend": {"type": "pytorch", "model": "m", "options": options}})
    assert words in caught.value.message


def test_compiling_takes_a_static_cache() -> None:
    """It need not be asked for."""
    assert PyTorchOptions().cache is None
    assert PyTorchOptions(compile="reduce-overhead").cache == "static"
    assert PyTorchOptions(compile="default", cache_implementation="static").cache == "static"


@pytest.mark.parametrize(
    ("options", "package", "words"),
    [
        (PyTorchOptions(quantization=Quantization(4)), "bitsandbytes", "[bitsandbytes]"),
        (PyTorchOptions(adapter="a"), "peft", "[peft]"),
    ],
)
def test_a_missing_package_is_named_with_its_install_line(options: PyTorchOptions, package: str, words: str) -> None:
    """Where it is installed, nothing is said."""
    found = option_problems(options, Demand(Generation()), "cuda")
    if find_spec(package) is None:
        (problem,) = found
        assert words in problem
        assert problem.startswith("backend.options.")
    else:
        assert found == ()


def test_tensor_parallelism_needs_one_process_for_each_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchrun says how many there are."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    options, demand = PyTorchOptions(tp_plan="auto"), Demand(Generation())
    (problem,) = option_problems(options, demand, "cuda")
    assert "torchrun --nproc-per-node" in problem
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert option_problems(options, demand, "cuda") == ()


def test_bitsandbytes_is_told_what_the_result_says() -> None:
    """The words name every argument, defaults included."""
    assert bitsandbytes_arguments(Quantization(8)) == {"load_in_8bit": True}
    assert str(Quantization(8)) == "bitsandbytes, 8 bits"
    assert bitsandbytes_arguments(Quantization(4)) == {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": "bfloat16",
        "bnb_4bit_use_double_quant": False,
    }
    assert str(Quantization(4)) == "bitsandbytes, 4 bits, nf4, computed in bfloat16"
    asked = Quantization(4, kind="fp4", compute_dtype="float16", double=True)
    assert set(bitsandbytes_arguments(asked).values()) == {True, "fp4", "float16"}
    assert str(asked) == "bitsandbytes, 4 bits, fp4, computed in float16, double"


@pytest.mark.parametrize(
    ("config", "method"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ({"quantization_config": {"quant_method": "awq"}}, "awq"),
        ({"quantization_config": {"load_in_8bit": True}}, "bitsandbytes"),
        ({"quantization_config": None}, None),
        ({}, None),
        ([], None),
    ],
)
def test_a_checkpoint_says_how_it_is_quantised(tmp_path: Path, config: object, method: str | None) -> None:
    """In its config.json; a damaged one is left to transformers to complain of."""
    assert quantization_method(tmp_path) is None
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert quantization_method(tmp_path) == method
    (tmp_path / "config.json").write_text("{")
    assert quantization_method(tmp_path) is None


def test_each_method_names_what_this_transformers_wants() -> None:
    """AWQ moved from one package to another; methods without a package of their own need none."""
    if find_spec("gptqmodel") is None:
        assert "pip install gptqmodel" in (checkpoint_problem("awq", None, 5) or "")
    if find_spec("awq") is None:
        assert "pip install autoawq" in (checkpoint_problem("awq", None, 4) or "")
    assert checkpoint_problem("fp8", None, 5) is None
    assert checkpoint_problem(None, Quantization(4), 5) is None


def test_boards_that_nobody_would_use_are_refused() -> None:
    """Board 0 alone is only the default."""
    assert device_problems("cpu", (0,)) == device_problems("auto", (0,)) == ()
    (problem,) = device_problems("cpu", (0, 1))
    assert problem == "backend.device_ids: [0, 1] names GPUs, which device: cpu does not use; fix: remove it"


def test_boards_that_torch_does_not_see_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` would fall back to the CPU in silence."""
    torch = pytest.importorskip("torch", reason="its word counts")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (problem,) = device_problems("auto", (1,))
    assert problem.startswith("backend.device_ids: [1] names GPUs, but torch ")
