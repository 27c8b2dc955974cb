"""vLLM in this process: whole batches through its engine, without a server between."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import time
from array import array
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import asdict, define, evolve, field, frozen

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.model_files import resolve_model
from ai_energy_benchmarks.backends.rendering import PromptTooLongError, Rendered, render
from ai_energy_benchmarks.backends.server_process import visible_boards
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, FinishReason, Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts, FactValue
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Request
from ai_energy_benchmarks.errors import BackendError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from vllm import LLM, RequestOutput, SamplingParams

_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length"}
_NOT_ENGINE = frozenset({"engine_args", "revision"})
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


@frozen
class VllmOfflineOptions:
    """``backend.options``: arguments of ``vllm.LLM`` under their own names; its defaults where not set.

    Attributes:
        enable_prefix_caching: off, since repeated trials would otherwise find their prompts computed.
        engine_args: further arguments of ``vllm.LLM``.
    """

    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] = "auto"
    quantization: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    gpu_memory_utilization: float | None = None
    tensor_parallel_size: int | None = None
    enforce_eager: bool = False
    enable_prefix_caching: bool = False
    trust_remote_code: bool = False
    revision: str | None = None
    engine_args: Mapping[str, str | int | float | bool | None] = field(factory=dict)


@define
class _Row:
    """One request on its way through the engine."""

    request: Request
    rendered: Rendered
    token_ids: list[int] = field(factory=list)
    times_s: array[float] = field(factory=lambda: array("d"))
    cached_tokens: int | None = None
    finish_reason: str | None = None


class VllmOfflineBackend:
    """``vllm.LLM``, driven step by step so that each token has its time."""

    Options: ClassVar[type] = VllmOfflineOptions
    needs_endpoint: ClassVar[bool] = False

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings
        self.model: LLM | None = None
        self.tokenizer: PreTrainedTokenizerBase | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._facts: EngineFacts | None = None
        self._used: dict[str, FactValue] = {}
        self._sent = 0
        self._environment: dict[str, str | None] = {}

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> VllmOfflineBackend:
        return cls(settings)

    @property
    def options(self) -> VllmOfflineOptions:
        """The options, typed."""
        options = self.settings.options
        return options if isinstance(options, VllmOfflineOptions) else VllmOfflineOptions()

    def problems(self, demand: Demand) -> tuple[str, ...]:
        found = []
        if importlib.util.find_spec("vllm") is None:
            found.append('the vllm_offline backend needs vllm: pip install "ai_energy_benchmarks[vllm]"')
        if self.settings.device.partition(":")[0] not in ("auto", "cuda"):
            found.append(
                f"backend.device: vLLM runs where it was built for, so {self.settings.device!r} cannot be honoured; "
                "set it to auto"
            )
        if demand.concurrency > 1:
            found.append("load.concurrency: an offline engine takes whole batches; set input_shapes.batch_size instead")
        return tuple(found)

    def __enter__(self) -> VllmOfflineBackend:
        self._initialize_model()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown()
        if self.model is not None:
            self.model.llm_engine.engine_core.shutdown()
        self.model = self.tokenizer = self._executor = None
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        self._environment = {}
        gc.collect()

    def _initialize_model(self) -> None:
        """Start the engine.

        Raises:
            BackendError: it does not start; the cause is chained.
        """
        options = self.options
        files = resolve_model(self.settings.model, self.settings.progress, revision=options.revision)
        given = asdict(options, filter=lambda each, value: value is not None and each.name not in _NOT_ENGINE)
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # a network call that nobody asked for
        # vLLM's workers choose their boards by this variable alone.
        self._environment = {name: os.environ.get(name) for name in visible_boards(self.settings.device_ids)}
        os.environ.update(visible_boards(self.settings.device_ids))
        self.settings.progress.begin("start vLLM")
        try:
            import vllm

            self.model = vllm.LLM(model=files.path_or_id, **{**given, **options.engine_args})
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            raise BackendError(f"vLLM does not start with {self.settings.model!r}: {error}") from error
        finally:
            self.settings.progress.end()
        self.tokenizer = self.model.get_tokenizer()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="vllm-offline")
        config = self.model.llm_engine.model_config
        self._facts = EngineFacts(
            backend="vllm_offline",
            engine=f"vLLM {vllm.__version__}",
            model=self.settings.model,
            model_source=files.source,
            dtype=str(config.dtype).removeprefix("torch."),
            context_tokens=config.max_model_len,
            settings={**given, **options.engine_args},
            notes=(files.note,) if files.note else (),
        )

    def facts(self) -> EngineFacts:
        if self._facts is None:
            raise BackendError("the vllm_offline backend is not loaded")
        return evolve(self._facts, generation=dict(self._used))

    def process_ids(self) -> tuple[int, ...]:
        return (os.getpid(),)

    def counters(self) -> None:
        return None

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        if self._executor is None:
            raise BackendError("the vllm_offline backend is not loaded")
        cancelled = Event()
        work = asyncio.get_running_loop().run_in_executor(self._executor, self._generate, batch, cancelled)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            cancelled.set()
            await asyncio.wait([work])
            raise

    def _generate(self, batch: Batch, cancelled: Event) -> tuple[Outcome, ...]:
        sent_s = time.perf_counter()
        outcomes: dict[int, Outcome] = {}
        rows: dict[str, _Row] = {}
        if self._facts is None or self.tokenizer is None:
            raise BackendError("the vllm_offline backend is not loaded")
        limit = (self._facts.context_tokens or 0) - batch.generation.max_new_tokens
        for request in batch.requests:
            try:
                rendered = render(self.tokenizer, request, limit, batch.truncation)
            except PromptTooLongError as error:
                outcomes[request.number] = FailedCompletion(request.number, str(error), sent_s, time.perf_counter())
            else:
                self._sent += 1
                rows[str(self._sent)] = _Row(request, rendered)
        try:
            self._run(rows, batch, cancelled)
        except (RuntimeError, ValueError) as error:
            dead = type(error).__name__ == "EngineDeadError"
            now_s, reason = time.perf_counter(), f"{type(error).__name__}: {error}"
            outcomes |= {
                each.request.number: FailedCompletion(each.request.number, reason, sent_s, now_s, dead)
                for each in rows.values()
            }
        else:
            finished_s = time.perf_counter()
            outcomes |= {each.request.number: _completion(each, sent_s, finished_s) for each in rows.values()}
        return tuple(outcomes[request.number] for request in batch.requests)

    def _run(self, rows: Mapping[str, _Row], batch: Batch, cancelled: Event) -> None:
        assert self.model is not None
        engine = self.model.llm_engine
        for name, row in rows.items():
            prompt = {"prompt_token_ids": list(row.rendered.token_ids)}
            engine.add_request(name, prompt, self._sampling(batch.generation, batch.seed + row.request.number))
        while engine.has_unfinished_requests():
            if cancelled.is_set():
                engine.abort_request(list(rows))
                return
            outputs = engine.step()
            now_s = time.perf_counter()
            for output in outputs:
                _take(rows[output.request_id], output, now_s)

    def _sampling(self, generation: Generation, seed: int) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        chosen = {name: value for name in _SAMPLING if (value := getattr(generation, name)) is not None}
        chosen |= {"seed": seed} if generation.do_sample else {"temperature": 0.0}
        chosen |= {"max_tokens": generation.max_new_tokens, "min_tokens": generation.min_new_tokens or 0}
        self._used = dict(chosen)
        stop = list(generation.stop_strings) or None
        return SamplingParams(**chosen, stop=stop, output_kind=RequestOutputKind.DELTA)


def _take(row: _Row, output: RequestOutput, now_s: float) -> None:
    """Add what one step brought; a step may bring several tokens, which then share its time."""
    (part,) = output.outputs
    row.token_ids.extend(part.token_ids)
    row.times_s.extend([now_s] * len(part.token_ids))
    row.finish_reason = part.finish_reason
    if output.num_cached_tokens is not None:
        row.cached_tokens = output.num_cached_tokens


def _completion(row: _Row, sent_s: float, finished_s: float) -> Completion:
    return Completion(
        number=row.request.number,
        prompt_tokens=len(row.rendered.token_ids),
        output_tokens=len(row.token_ids),
        token_source="token_ids",
        sent_s=sent_s,
        token_times_s=row.times_s,
        finished_s=finished_s,
        finish_reason=_FINISH.get(row.finish_reason or "", "unknown"),
        truncated_prompt_tokens=row.rendered.truncated_tokens,
        cached_prompt_tokens=row.cached_tokens,
        rendered_sha256=row.rendered.sha256,
        output_token_ids=tuple(row.token_ids),
    )
