"""Quantised weights: those of the checkpoint, and those that bitsandbytes makes while loading."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ai_energy_benchmarks.backends.pytorch.options import Quantization

if TYPE_CHECKING:
    from transformers.utils.quantization_config import QuantizationConfigMixin

# What transformers 5 wants for each method, as module → name on the package index.
_NEEDED: Mapping[str, Mapping[str, str]] = {
    "gptq": {"gptqmodel": "gptqmodel", "optimum": "optimum"},
    "awq": {"gptqmodel": "gptqmodel"},
    "bitsandbytes": {"bitsandbytes": "bitsandbytes"},
    "compressed-tensors": {"compressed_tensors": "compressed-tensors"},
    "hqq": {"hqq": "hqq"},
}
_NEEDED_BEFORE_5: Mapping[str, Mapping[str, str]] = {"awq": {"awq": "autoawq"}}


def checkpoint_problem(method: str | None, asked: Quantization | None, transformers_major: int) -> str | None:
    """Why a checkpoint that is quantised in that way cannot be loaded."""
    if method is None:
        return None
    if asked is not None:
        return f"backend.options.quantization: the checkpoint is quantised already ({method}); fix: remove the setting"
    table = {**_NEEDED, **(_NEEDED_BEFORE_5 if transformers_major < 5 else {})}
    missing = [package for module, package in table.get(method, {}).items() if find_spec(module) is None]
    if missing:
        return f"the checkpoint is quantised with {method}, which needs packages; fix: pip install {' '.join(missing)}"
    return None


def bitsandbytes_arguments(asked: Quantization) -> dict[str, bool | str]:
    """Keyword arguments of transformers' ``BitsAndBytesConfig``."""
    if asked.bits == 8:
        return {"load_in_8bit": True}
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": asked.kind or "nf4",
        "bnb_4bit_compute_dtype": asked.compute_dtype or "bfloat16",
        "bnb_4bit_use_double_quant": asked.double,
    }


def quantization_config(asked: Quantization | None, gguf: bool) -> QuantizationConfigMixin | None:
    """What ``from_pretrained`` is given; None for plain weights.

    The blocks of a GGUF file are always unpacked, as transformers before 5.2x does it: what runs is then the same
    everywhere, and does not depend on which kernels are available.
    """
    import transformers

    if gguf:
        return transformers.GgufConfig(dequantize=True) if hasattr(transformers, "GgufConfig") else None
    return transformers.BitsAndBytesConfig(**bitsandbytes_arguments(asked)) if asked else None
