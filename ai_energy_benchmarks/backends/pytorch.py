"""PyTorch in process, through transformers: tokens, and the time of each, from the one generation."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, TypeVar

from attrs import evolve, field, frozen

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.pytorch_generation import (
    end_ids,
    generation_config,
    generation_problems,
    left_padded,
    used_parameters,
)
from ai_energy_benchmarks.backends.pytorch_loading import (
    INSTALL_LINE,
    PyTorchOptions,
    device_problems,
    load,
    missing_packages,
)
from ai_energy_benchmarks.backends.rendering import PromptTooLongError, Rendered, render
from ai_energy_benchmarks.backends.step_clock import StepClock
from ai_energy_benchmarks.backends.token_rows import row_output
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts, FactValue
from ai_energy_benchmarks.domain.prompts import Batch, Request
from ai_energy_benchmarks.errors import BackendError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_Part = TypeVar("_Part")


@frozen
class _Prepared:
    """A batch as tensors, with the prompts that could not be prepared set aside."""

    rendered: tuple[tuple[Request, Rendered], ...]
    failures: dict[int, str] = field(factory=dict)


class PyTorchBackend:
    """A transformers model in this process.

    Attributes:
        model: the transformers model while entered, else None.
        tokenizer: its tokenizer while entered, else None.
    """

    Options: ClassVar[type] = PyTorchOptions
    needs_endpoint: ClassVar[bool] = False

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings
        self.model: PreTrainedModel | None = None
        self.tokenizer: PreTrainedTokenizerBase | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._facts: EngineFacts | None = None
        self._used: dict[str, FactValue] = {}

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> PyTorchBackend:
        return cls(settings)

    @property
    def options(self) -> PyTorchOptions:
        """The options, typed."""
        options = self.settings.options
        return options if isinstance(options, PyTorchOptions) else PyTorchOptions()

    def problems(self, demand: Demand) -> tuple[str, ...]:
        missing = missing_packages()
        if missing:
            return (f"the pytorch backend needs {' and '.join(missing)}: {INSTALL_LINE}",)
        devices = device_problems(self.settings.device, self.settings.device_ids)
        return devices + generation_problems(demand)

    def __enter__(self) -> PyTorchBackend:
        self._initialize_model()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown()
        self._executor = None
        # Callers may have deleted these to free memory themselves, so assigning is all that is safe.
        self.model = None
        self.tokenizer = None
        gc.collect()
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _initialize_model(self) -> None:
        """Load the model; scripts of AI Energy Score call this to see the real load error.

        Raises:
            BackendError: it does not load; the cause is chained.
        """
        loaded = load(self.settings, self.options)
        import torch
        import transformers

        self.model, self.tokenizer = loaded.model, loaded.tokenizer
        threads = self.options.threads
        # OpenMP keeps the number of threads per calling thread, so the worker sets its own.
        setup = (lambda: torch.set_num_threads(threads)) if threads else None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="pytorch-backend", initializer=setup)
        config = loaded.model.config.get_text_config()
        self._facts = EngineFacts(
            backend="pytorch",
            engine=f"transformers {transformers.__version__}, torch {torch.__version__}",
            model=self.settings.model,
            model_source=loaded.files.source,
            device=", ".join(loaded.devices),
            dtype=str(loaded.model.dtype).removeprefix("torch."),
            board_ids=loaded.board_ids,
            context_tokens=getattr(config, "max_position_embeddings", None),
            parameters=loaded.model.num_parameters(),
            settings={
                "attn_implementation": getattr(config, "_attn_implementation", None),
                "chat_template": bool(loaded.tokenizer.chat_template),
                "cpu_threads": threads or torch.get_num_threads(),
                "revision": loaded.files.revision,
            },
            notes=(loaded.files.note,) if loaded.files.note else (),
        )

    def facts(self) -> EngineFacts:
        return evolve(self._in_use(self._facts), generation=dict(self._used))

    def process_ids(self) -> tuple[int, ...]:
        return (os.getpid(),)

    def counters(self) -> None:
        return None

    def _in_use(self, part: _Part | None) -> _Part:
        if part is None:
            raise BackendError("the pytorch backend is not loaded")
        return part

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        clock = StepClock()
        executor = self._in_use(self._executor)
        work = asyncio.get_running_loop().run_in_executor(executor, self._generate, batch, clock)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            clock.cancel()
            await asyncio.wait([work])
            raise

    def _generate(self, batch: Batch, clock: StepClock) -> tuple[Outcome, ...]:
        sent_s = time.perf_counter()
        prepared = self._prepare(batch)
        outcomes: dict[int, Outcome] = {
            number: FailedCompletion(number, reason, sent_s, time.perf_counter())
            for number, reason in prepared.failures.items()
        }
        if prepared.rendered:
            outcomes |= {each.number: each for each in self._run(batch, prepared, clock, sent_s)}
        return tuple(outcomes[request.number] for request in batch.requests)

    def _prepare(self, batch: Batch) -> _Prepared:
        tokenizer = self._in_use(self.tokenizer)
        context = None if self._facts is None else self._facts.context_tokens
        limit = None if context is None else context - batch.generation.max_new_tokens
        rendered, failures = [], {}
        for request in batch.requests:
            try:
                rendered.append((request, render(tokenizer, request, limit, batch.truncation)))
            except PromptTooLongError as error:
                failures[request.number] = str(error)
        return _Prepared(tuple(rendered), failures)

    def _run(self, batch: Batch, prepared: _Prepared, clock: StepClock, sent_s: float) -> tuple[Outcome, ...]:
        import torch

        try:
            generated, end_ids = self._model_generate(batch, prepared, clock)
        except (torch.OutOfMemoryError, MemoryError) as error:
            reason = f"out of memory with batch size {len(batch.requests)}: {error}"
            self._release_batch()
            return self._all_failed(prepared, reason, sent_s)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            # torch reports CPU exhaustion and a broken CUDA context as plain RuntimeErrors.
            dead = "CUDA error" in str(error)
            return self._all_failed(prepared, f"{type(error).__name__}: {error}", sent_s, dead=dead)
        finished_s = time.perf_counter()
        step_times_s = clock.times_s()
        budget = batch.generation.max_new_tokens
        completions = []
        for (request, rendered), ids in zip(prepared.rendered, generated, strict=True):
            output = row_output(ids, end_ids, budget)
            completions.append(
                Completion(
                    number=request.number,
                    prompt_tokens=len(rendered.token_ids),
                    output_tokens=len(output.token_ids),
                    token_source="token_ids",
                    sent_s=sent_s,
                    token_times_s=step_times_s[: len(output.token_ids)],
                    finished_s=finished_s,
                    finish_reason=output.finish_reason,
                    truncated_prompt_tokens=rendered.truncated_tokens,
                    rendered_sha256=rendered.sha256,
                    output_token_ids=output.token_ids,
                )
            )
        return tuple(completions)

    def _all_failed(
        self, prepared: _Prepared, reason: str, sent_s: float, *, dead: bool = False
    ) -> tuple[FailedCompletion, ...]:
        now_s = time.perf_counter()
        return tuple(FailedCompletion(request.number, reason, sent_s, now_s, dead) for request, _ in prepared.rendered)

    def _release_batch(self) -> None:
        import torch

        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _model_generate(
        self, batch: Batch, prepared: _Prepared, clock: StepClock
    ) -> tuple[list[list[int]], frozenset[int]]:
        """Ids after the prompt for each row, and the ids that end a row."""
        import torch
        from transformers import StoppingCriteriaList

        model = self._in_use(self.model)
        config = generation_config(model, self.tokenizer, batch.generation)
        self._used = used_parameters(config)
        rows = [rendered.token_ids for _, rendered in prepared.rendered]
        ids, mask = left_padded(rows, config.pad_token_id, model.device)
        if batch.generation.do_sample:
            torch.manual_seed(batch.seed + batch.requests[0].number)
        with torch.inference_mode():
            clock.start(ids.device, ids.shape[0])
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=config,
                stopping_criteria=StoppingCriteriaList([clock]),
                tokenizer=self.tokenizer if config.stop_strings else None,
            )
            # Copying to the host waits for the device, so the window cannot close too early.
            generated: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return generated, end_ids(config)
