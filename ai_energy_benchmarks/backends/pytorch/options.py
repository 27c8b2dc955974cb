"""``backend.options`` of the PyTorch backend, and what of them cannot be honoured here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import Literal

from attrs import field, frozen
from attrs.validators import ge, optional

from ai_energy_benchmarks.backends.base import Demand
from ai_energy_benchmarks.backends.model.files import model_problems
from ai_energy_benchmarks.machine.installing import install_line

Dtype = Literal["float32", "bfloat16", "float16"]
_ADAPTER_FILE = "adapter_config.json"


@frozen
class Quantization:
    """Weights quantised while loading, by bitsandbytes.

    Attributes:
        bits: 8 (LLM.int8) or 4.
        kind: what the 4 bits stand for; ``nf4`` if not set.
        compute_dtype: in which type 4-bit weights are multiplied; ``bfloat16`` if not set.
        double: quantise the scales of the 4-bit blocks too.
    """

    bits: Literal[4, 8]
    kind: Literal["nf4", "fp4"] | None = None
    compute_dtype: Dtype | None = None
    double: bool = False

    def __attrs_post_init__(self) -> None:
        if self.bits == 8 and (self.kind or self.compute_dtype or self.double):
            raise ValueError("kind, compute_dtype and double have no effect with bits: 8; remove them")

    def __str__(self) -> str:
        if self.bits == 8:
            return "bitsandbytes, 8 bits"
        double = ", double" if self.double else ""
        return f"bitsandbytes, 4 bits, {self.kind or 'nf4'}, computed in {self.compute_dtype or 'bfloat16'}{double}"


@frozen
class PyTorchOptions:
    """``backend.options`` of the PyTorch backend.

    Attributes:
        dtype: ``auto`` is the model's own.
        device_map: a transformers device map (``auto``, ``balanced``, or module → device); without one the
            whole model goes to the first of ``device_ids``, or is spread over all of them if there are several.
        max_memory: device index or ``cpu`` → maximum memory, such as ``20GiB``.
        attn_implementation: ``eager``, ``sdpa``, ``flash_attention_2`` …; the model's own choice if not set.
        trust_remote_code: run Python code that comes with the model.
        revision: branch, tag or commit of a hub model.
        threads: CPU threads of one operation; torch's own choice if not set.
        quantization: quantise the weights while loading; GPTQ, AWQ and other checkpoints that are quantised
            already need no setting.
        cache_implementation: how keys and values are kept: ``dynamic``, ``static`` (one block of fixed size),
            or ``offloaded`` and ``offloaded_static``, which keep most layers in the host's memory.
        compile: mode of ``torch.compile`` for each step after the prompt; it takes a static cache. Without it
            nothing is compiled, even where transformers would.
        assistant_model: a smaller model with the same vocabulary that proposes tokens, several a step.
        num_assistant_tokens: how many it proposes at most; its own generation config decides if not set.
        adapter: directory or hub name of a LoRA adapter, applied through peft.
        merge_adapter: add the adapter to the weights once, instead of computing it in addition to them.
        tp_plan: ``auto`` splits every layer over the GPUs, one process each: start it with torchrun, and let
            every rank write to a directory of its own, such as ``output_dir: results/rank_${RANK}``.
        auto_batch_size: halve the batch whenever it runs out of memory in the warm-up; what was used is a warning.
    """

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device_map: str | Mapping[str, str | int] | None = None
    max_memory: Mapping[str, str] | None = None
    attn_implementation: str | None = None
    trust_remote_code: bool = False
    revision: str | None = None
    threads: int | None = field(default=None, validator=optional(ge(1)))
    quantization: Quantization | None = None
    cache_implementation: Literal["dynamic", "static", "offloaded", "offloaded_static"] | None = None
    compile: Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] | None = None
    assistant_model: str | None = None
    num_assistant_tokens: int | None = field(default=None, validator=optional(ge(1)))
    adapter: str | None = None
    merge_adapter: bool = False
    tp_plan: Literal["auto"] | None = None
    auto_batch_size: bool = False

    def __attrs_post_init__(self) -> None:
        contradictions = tuple(self._contradictions())
        if contradictions:
            raise ValueError("; ".join(contradictions))

    @property
    def cache(self) -> str | None:
        """The cache to ask for; None leaves it to the model."""
        return self.cache_implementation or ("static" if self.compile else None)

    def _contradictions(self) -> Iterator[str]:
        if self.compile and self.cache != "static":
            yield f"compile needs cache_implementation: static, got {self.cache}"
        if self.assistant_model and self.cache in ("static", "offloaded_static"):
            yield "assistant_model needs a cache that can shrink; remove cache_implementation and compile"
        if self.num_assistant_tokens and not self.assistant_model:
            yield "num_assistant_tokens has no effect without assistant_model"
        if self.merge_adapter and not self.adapter:
            yield "merge_adapter has no effect without adapter"
        if self.merge_adapter and self.quantization:
            yield "merge_adapter would round the adapter to the quantised weights; remove one of the two"
        if self.tp_plan and (self.device_map is not None or self.max_memory or self.quantization):
            yield "tp_plan places the weights itself; remove device_map, max_memory and quantization"


def runs_on_cpu(device: str) -> bool:
    """Whether that device means the CPU on this machine; imports torch only for ``auto``."""
    if device != "auto":
        return device == "cpu"
    import torch

    return not torch.cuda.is_available()


def option_problems(options: PyTorchOptions, demand: Demand, device: str) -> tuple[str, ...]:
    """What cannot be honoured with these packages, on this device or for these requests."""
    return tuple(
        f"backend.options.{each}"
        for each in (
            *_missing(options),
            *_not_here(options),
            *_without_effect(options, demand, device),
            *_assistant_problems(options, demand),
        )
    )


def _transformers_version() -> tuple[int, ...]:
    """Without importing it, since this is asked before anything is loaded."""
    return tuple(int(part) for part in version("transformers").split(".")[:2])


def _missing(options: PyTorchOptions) -> Iterator[str]:
    if options.quantization and find_spec("bitsandbytes") is None:
        yield f"quantization needs bitsandbytes; fix: {install_line('bitsandbytes')}"
    if options.adapter and find_spec("peft") is None:
        yield f"adapter needs peft; fix: {install_line('peft')}"


def _not_here(options: PyTorchOptions) -> Iterator[str]:
    """Models that go along with the first one and are paths without a model."""
    if options.assistant_model:
        yield from model_problems(options.assistant_model, key="assistant_model", takes_gguf=False)
    adapter = os.path.expanduser(options.adapter or "")
    if options.adapter and os.path.exists(adapter) and not os.path.isfile(os.path.join(adapter, _ADAPTER_FILE)):
        yield (
            f"adapter: {options.adapter!r} has no {_ADAPTER_FILE}, so it is no LoRA adapter; fix: give the directory "
            "into which peft's save_pretrained wrote it"
        )


def _without_effect(options: PyTorchOptions, demand: Demand, device: str) -> Iterator[str]:
    if options.auto_batch_size and demand.batch_size == 1:
        yield "auto_batch_size: true has no effect with scenario.input_shapes.batch_size: 1; fix: remove it"
    if options.cache and options.cache.startswith("offloaded") and runs_on_cpu(device):
        yield f"cache_implementation: {options.cache} has no effect on the CPU, where all is the host's; fix: remove"
    if options.tp_plan and int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield (
            "tp_plan has no effect in one process; fix: start one for each GPU: "
            "torchrun --nproc-per-node 2 -m ai_energy_benchmarks run …, or use device_map"
        )


def _assistant_problems(options: PyTorchOptions, demand: Demand) -> Iterator[str]:
    if options.assistant_model is None:
        return
    if demand.batch_size > 1:
        yield "assistant_model works on one request at a time; fix: set scenario.input_shapes.batch_size: 1"
    if demand.generation.min_new_tokens and _transformers_version() < (5, 10):
        yield "assistant_model cannot hold min_new_tokens before transformers 5.10; fix: remove one of the two"
    if demand.generation.stop_strings:
        yield (
            "assistant_model brings several tokens a step, and those after a stop string could not be distinguished "
            "from those before it; fix: remove scenario.generate_kwargs.stop_strings"
        )
