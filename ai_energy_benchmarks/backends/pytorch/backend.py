"""PyTorch in process, through transformers: tokens, and the time of each, from the one generation."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, ClassVar

from attrs import evolve

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.in_process import InProcessBackend
from ai_energy_benchmarks.backends.model.context import context_problems
from ai_energy_benchmarks.backends.model.files import look_for_model, model_problems
from ai_energy_benchmarks.backends.model.kind import kind_problems
from ai_energy_benchmarks.backends.pytorch.facts import facts_of
from ai_energy_benchmarks.backends.pytorch.generation import (
    end_ids,
    generation_config,
    generation_problems,
    left_padded,
    proposals_are_checked,
    used_parameters,
)
from ai_energy_benchmarks.backends.pytorch.loading import (
    INSTALL_LINE,
    REQUIRES,
    device_problems,
    load,
    missing_packages,
)
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions, option_problems
from ai_energy_benchmarks.backends.pytorch.rows import completions
from ai_energy_benchmarks.backends.pytorch.step_clock import StepClock
from ai_energy_benchmarks.backends.rows import Rows, all_failed, make_rows
from ai_energy_benchmarks.domain.completions import FailedCompletion, Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.machine.packages import Package

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class _TooLargeError(Exception):
    """The batch does not fit, and a smaller one may be tried."""


class PyTorchBackend(InProcessBackend):
    """A transformers model in this process.

    Args:
        settings: of the config's block ``backend``.
    """

    Options: ClassVar[type] = PyTorchOptions
    NAME: ClassVar[str] = "pytorch"
    REQUIRES: ClassVar[tuple[Package, ...]] = REQUIRES
    model: PreTrainedModel | None
    tokenizer: PreTrainedTokenizerBase | None

    def __init__(self, settings: BackendSettings) -> None:
        super().__init__(settings)
        self._assistant: PreTrainedModel | None = None
        self._most_rows: int | None = None

    @property
    def options(self) -> PyTorchOptions:
        """The options, typed."""
        return self.settings.chosen(PyTorchOptions)

    def problems(self, demand: Demand) -> tuple[str, ...]:
        missing = missing_packages()
        if missing:
            needs = f"the pytorch backend needs {' and '.join(missing)}; fix: {INSTALL_LINE}"
            return (*model_problems(self.settings.model), needs)
        devices = device_problems(self.settings.device, self.settings.device_ids)
        return (
            *model_problems(self.settings.model),
            *devices,
            *kind_problems(self.settings.model, self.options.revision),
            *context_problems(self.settings, demand.generation),
            *generation_problems(demand),
            *option_problems(self.options, demand, self.settings.device),
        )

    def look_for_model(self) -> None:
        """See that the model's files are here or on the hub."""
        look_for_model(self.settings.model, self.options.revision)

    def _initialize_model(self) -> None:
        """Load the model; scripts of AI Energy Score call this to see the real load error.

        Raises:
            BackendError: it does not load; the cause is chained.
        """
        loaded = load(self.settings, self.options)
        import torch

        self.model, self.tokenizer, self._assistant = loaded.model, loaded.tokenizer, loaded.assistant
        self._most_rows = None
        threads = self.options.threads
        # OpenMP keeps the number of threads per calling thread, so the worker sets its own.
        setup = (lambda: torch.set_num_threads(threads)) if threads else None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="pytorch-backend", initializer=setup)
        self._facts = facts_of(loaded, self.settings, self.options)

    def _release(self) -> None:
        self._assistant = None

    def _free_memory(self) -> None:
        gc.collect()
        if "torch" not in sys.modules:
            return
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def facts(self) -> EngineFacts:
        facts = super().facts()
        return evolve(facts, warnings=(*facts.warnings, *self._warnings()))

    def _warnings(self) -> Iterator[str]:
        """Where something else was done than asked."""
        if self._most_rows is not None:
            yield (
                f"larger batches ran out of memory in the warm-up, so at most {self._most_rows} requests were "
                "generated together; set scenario.input_shapes.batch_size to that"
            )
        # transformers keeps what it has compiled under this name, and skips in silence what it cannot compile.
        if self.options.compile and self._used.facts() and not hasattr(self.model, "_compiled_call"):
            yield "compile was asked for, but transformers could not compile this model; it ran without"

    def _generate(self, batch: Batch, cancelled: Event) -> tuple[Outcome, ...]:
        """The whole batch at once, or in parts of as many requests as were found to fit."""
        clock = StepClock(cancelled)
        waiting = batch.requests
        outcomes: list[Outcome] = []
        while waiting:
            rows = min(len(waiting), self._most_rows or len(waiting))
            try:
                outcomes.extend(self._attempt(evolve(batch, requests=waiting[:rows]), clock))
            except _TooLargeError:
                self._most_rows = rows // 2
            else:
                waiting = waiting[rows:]
                continue
            self._free_memory()  # here, because the error itself holds the batch
        return tuple(outcomes)

    def _attempt(self, batch: Batch, clock: StepClock) -> tuple[Outcome, ...]:
        sent_s = time.perf_counter()
        context_tokens = None if self._facts is None else self._facts.context_tokens
        rows = make_rows(self._in_use(self.tokenizer), batch, context_tokens)
        outcomes: dict[int, Outcome] = {
            number: FailedCompletion(number, reason, sent_s, time.perf_counter())
            for number, reason in rows.failures.items()
        }
        if rows.rendered:
            outcomes |= {each.number: each for each in self._run(batch, rows, clock, sent_s)}
        return tuple(outcomes[request.number] for request in batch.requests)

    def _run(self, batch: Batch, rows: Rows, clock: StepClock, sent_s: float) -> tuple[Outcome, ...]:
        import torch

        try:
            generated, end_ids = self._model_generate(batch, rows, clock)
        except (torch.OutOfMemoryError, MemoryError) as error:
            # Only trials have a salt: in a trial nothing is tried twice, for its energy would count twice.
            if self.options.auto_batch_size and not batch.salt and len(batch.requests) > 1:
                raise _TooLargeError from None
            reason = f"out of memory with batch size {len(batch.requests)}: {error}"
            self._free_memory()
            return all_failed(rows, reason, sent_s)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            # torch reports CPU exhaustion and a broken CUDA context as plain RuntimeErrors.
            dead = "CUDA error" in str(error)
            return all_failed(rows, f"{type(error).__name__}: {error}", sent_s, dead=dead)
        return completions(
            rows,
            generated,
            end_ids=end_ids,
            budget_tokens=batch.generation.max_new_tokens,
            clock=clock,
            sent_s=sent_s,
        )

    def _model_generate(self, batch: Batch, rows: Rows, clock: StepClock) -> tuple[list[list[int]], frozenset[int]]:
        """Ids after the prompt for each row, and the ids that end a row."""
        import torch
        from transformers import StoppingCriteriaList

        model = self._in_use(self.model)
        config = generation_config(model, self.tokenizer, batch.generation, self.options)
        self._used.see(used_parameters(config))
        prompts = [rendered.token_ids for _, rendered in rows.rendered]
        ids, mask = left_padded(prompts, config.pad_token_id, model.device)
        if batch.generation.do_sample:
            torch.manual_seed(batch.seed + batch.requests[0].number)
        with torch.inference_mode():
            clock.start(ids.device, *ids.shape, sees_proposals=bool(self._assistant) and proposals_are_checked())
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=config,
                stopping_criteria=StoppingCriteriaList([clock]),
                tokenizer=self.tokenizer if config.stop_strings else None,
                **({"assistant_model": self._assistant} if self._assistant is not None else {}),
            )
            # Copying to the host waits for the device, so the window cannot close too early.
            generated: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return generated, end_ids(config)
