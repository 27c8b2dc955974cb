"""Inference engines in this process that take whole batches and form their own: what vLLM and TensorRT-LLM share."""

from __future__ import annotations

import gc
import os
import sys
import time
from abc import abstractmethod
from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import ClassVar

from attrs import asdict, define, field, frozen
from attrs.validators import ge, optional

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.in_process import InProcessBackend
from ai_energy_benchmarks.backends.location import of_tree
from ai_energy_benchmarks.backends.model.context import context_problems
from ai_energy_benchmarks.backends.model.files import look_for_model, model_problems, resolve_model
from ai_energy_benchmarks.backends.rendering import Rendered
from ai_energy_benchmarks.backends.rows import all_failed, make_rows
from ai_energy_benchmarks.backends.visible_gpus import visible_gpus
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, FinishReason, Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts, Location
from ai_energy_benchmarks.domain.json_value import JsonValue, as_fact
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Request
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.machine.packages import Package, importable

_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length"}
_REMEDY = "check backend.options and that the model fits the memory of the GPUs; -vv shows the engine's own traceback"
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


@frozen
class OfflineOptions:
    """``backend.options`` that these engines share; their own defaults where not set.

    Attributes:
        engine_args: further arguments of the engine, as it knows them; values may be lists and mappings.
    """

    tensor_parallel_size: int | None = field(default=None, validator=optional(ge(1)))
    trust_remote_code: bool = False
    revision: str | None = None
    engine_args: Mapping[str, JsonValue] = field(factory=dict)


@define
class Row:
    """One request in flight in the engine.

    Attributes:
        times_s: when each step that brought it tokens had ended; one event a step, however many tokens it brought.
        failure: why this request alone has failed; empty if it has not.
    """

    request: Request
    rendered: Rendered
    token_ids: list[int] = field(factory=list)
    times_s: array[float] = field(factory=lambda: array("d"))
    first_tokens: int = 0
    cached_tokens: int | None = None
    finish_reason: str | None = None
    failure: str = ""

    def take(self, token_ids: Sequence[int], finish_reason: str | None, time_s: float) -> None:
        """Add what one step brought, which had ended at ``time_s`` (monotonic seconds)."""
        self.first_tokens = self.first_tokens or len(token_ids)
        self.token_ids.extend(token_ids)
        if token_ids:
            self.times_s.append(time_s)
        self.finish_reason = finish_reason


class OfflineEngine(InProcessBackend):
    """An engine with a scheduler of its own.

    Attributes:
        REQUIRES: the package to import.
        ENGINE: its name in messages.
        NOT_ARGUMENTS: options that are no arguments of its constructor.
    """

    runs_on_gpu: ClassVar[bool] = True
    REQUIRES: ClassVar[tuple[Package, ...]]
    ENGINE: ClassVar[str]
    NOT_ARGUMENTS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, settings: BackendSettings) -> None:
        super().__init__(settings)
        self._environment: dict[str, str | None] = {}

    def problems(self, demand: Demand) -> tuple[str, ...]:
        found = list(model_problems(self.settings.model, takes_gguf=False))
        missing = [package for package in self.REQUIRES if not importable(package)]
        found += [f"the {self.NAME} backend needs {package.module}; fix: {package.install}" for package in missing]
        if self.settings.device.partition(":")[0] not in ("auto", "cuda"):
            found.append(
                f"backend.device: {self.ENGINE} runs where it was built for, so {self.settings.device!r} is not "
                "supported; fix: set it to auto"
            )
        found += context_problems(self.settings, demand.generation)
        if demand.concurrency > 1:
            found.append(
                "load.concurrency: an offline engine takes whole batches; fix: set input_shapes.batch_size instead"
            )
        return tuple(found)

    def look_for_model(self) -> None:
        """See that the model's files are here or on the hub."""
        look_for_model(self.settings.model, self.options.revision)

    @property
    @abstractmethod
    def options(self) -> OfflineOptions:
        """The options, typed."""

    def _initialize_model(self) -> None:
        """Start the engine.

        Raises:
            BackendError: it does not start; the cause is chained.
        """
        settings, options = self.settings, self.options
        files = resolve_model(settings.model, settings.progress, revision=options.revision)
        ours = {"engine_args", "revision", *self.NOT_ARGUMENTS}
        given = asdict(options, filter=lambda each, value: value is not None and each.name not in ours)
        arguments = {**given, **options.engine_args}
        self._show_boards()
        settings.progress.begin(f"start {self.ENGINE}")
        try:
            self.model = self._start(files.path_or_id, arguments)
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            text = f"{self.ENGINE} does not start with {settings.model!r}: {error}"
            raise BackendError(text, remedy=_REMEDY) from error
        finally:
            settings.progress.end()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=self.NAME)
        self._facts = self._introduce(
            EngineFacts(
                backend=self.NAME,
                engine=f"{self.ENGINE} {sys.modules[self.REQUIRES[0].module].__version__}",
                model=settings.model,
                model_source=files.source,
                settings={name: as_fact(value) for name, value in arguments.items()},
                device_ids=settings.device_ids,
                notes=(files.note,) if files.note else (),
            ),
            Path(files.path_or_id),
        )

    @abstractmethod
    def _start(self, model: str, arguments: Mapping[str, object]) -> object:
        """The engine's own object."""

    @abstractmethod
    def _introduce(self, facts: EngineFacts, files: Path) -> EngineFacts:
        """Set the tokenizer, and add what the started engine reports about itself."""

    def location(self) -> Location:
        """Where the engine runs (``backends.base.Located``): its arguments may place workers on other machines."""
        arguments = self._in_use(self._facts).settings
        words = tuple(f"--{name.replace('_', '-')}={value}" for name, value in arguments.items())
        return of_tree(os.getpid(), arguments=words)

    def _show_boards(self) -> None:
        """Engines and their workers choose their GPUs by this variable alone, some as soon as they are imported."""
        shown = visible_gpus(self.settings.device_ids, self.settings.device)
        self._environment = {name: os.environ.get(name) for name in shown}
        os.environ.update(shown)

    def _release(self) -> None:
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        self._environment = {}

    def _free_memory(self) -> None:
        gc.collect()

    def _generate(self, batch: Batch, cancelled: Event) -> tuple[Outcome, ...]:
        sent_s = time.perf_counter()
        prompts = make_rows(self._in_use(self.tokenizer), batch, self._in_use(self._facts).context_tokens)
        outcomes: dict[int, Outcome] = {
            number: FailedCompletion(number, reason, sent_s, time.perf_counter())
            for number, reason in prompts.failures.items()
        }
        rows = [Row(request, rendered) for request, rendered in prompts.rendered]
        errors: tuple[type[Exception], ...] = (RuntimeError, ValueError, *self._engine_errors())
        try:
            self._run(rows, batch, cancelled)
        except errors as error:
            dead = type(error).__name__ == "EngineDeadError"
            failed = all_failed(prompts, f"{type(error).__name__}: {error}", sent_s, dead=dead)
            outcomes |= {each.number: each for each in failed}
        else:
            finished_s = time.perf_counter()
            outcomes |= {each.request.number: as_outcome(each, sent_s, finished_s) for each in rows}
        return tuple(outcomes[request.number] for request in batch.requests)

    @abstractmethod
    def _run(self, rows: Sequence[Row], batch: Batch, cancelled: Event) -> None:
        """Generate all rows at once and fill them.

        Raises:
            RuntimeError, ValueError: none of them can finish; or one of ``_engine_errors``.
        """

    def _engine_errors(self) -> tuple[type[Exception], ...]:
        """What else the engine raises when it cannot go on."""
        return ()

    def _sampling(self, generation: Generation, seed: int, greedy: Mapping[str, float]) -> dict[str, float]:
        """Parameters under the names that these engines share.

        Args:
            greedy: what makes this engine take the likeliest token.
        """
        chosen: dict[str, float] = {
            name: value for name in _SAMPLING if (value := getattr(generation, name)) is not None
        }
        chosen |= {"seed": seed} if generation.do_sample else greedy
        chosen |= {"max_tokens": generation.max_new_tokens, "min_tokens": generation.min_new_tokens or 0}
        self._used.see(chosen)
        return chosen


def as_outcome(row: Row, sent_s: float, finished_s: float) -> Outcome:
    """A row that the engine is done with, which got its prompt at ``sent_s`` (monotonic seconds)."""
    if row.failure:
        return FailedCompletion(row.request.number, row.failure, sent_s, finished_s)
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
        first_event_tokens=max(1, row.first_tokens),
        rendered_sha256=row.rendered.sha256,
        output_token_ids=tuple(row.token_ids),
    )
