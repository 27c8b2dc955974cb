"""What engines in this process share: one worker thread, cancelling, and what they report about themselves."""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from types import TracebackType
from typing import Any, ClassVar, TypeVar

from attrs import evolve

from ai_energy_benchmarks.backends.alone import loading_alone
from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.entering import EnteredBackend
from ai_energy_benchmarks.backends.used import UsedParameters
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.errors import BackendError

_Part = TypeVar("_Part")
_Self = TypeVar("_Self", bound="InProcessBackend")


class InProcessBackend(EnteredBackend):
    """An engine in this process; a member loads it, generates a batch in the worker thread, and releases it.

    Attributes:
        model: the engine's own object while entered, else None.
        tokenizer: its tokenizer while entered, else None.
        stays_loaded: keep the engine when it is left, for a run that uses the same one.
    """

    NAME: ClassVar[str]
    needs_endpoint: ClassVar[bool] = False

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings
        self.model: Any = None  # each engine's own type
        self.tokenizer: Any = None
        self._executor: ThreadPoolExecutor | None = None
        self._facts: EngineFacts | None = None
        self._used = UsedParameters()
        self.stays_loaded = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stays_loaded and self._executor is not None:
            return
        if self._executor is not None:
            self._executor.shutdown()
        self._executor = None
        self._release()
        # Callers may have deleted these to free memory themselves, so assigning is all that is safe.
        self.model = self.tokenizer = None
        self._free_memory()

    def __enter__(self: _Self) -> _Self:
        if self.stays_loaded and self._executor is not None:
            self._used = UsedParameters()  # of this run alone
            return self
        with loading_alone():
            return super().__enter__()

    @abstractmethod
    def _initialize_model(self) -> None:
        """Load the engine; sets ``model``, ``tokenizer``, ``_facts`` and ``_executor``.

        Raises:
            BackendError: it does not load; the cause is chained.
        """

    @abstractmethod
    def _release(self) -> None:
        """End what the engine has started; nothing may have been."""

    @abstractmethod
    def _free_memory(self) -> None:
        """Give back what is not held any more."""

    @abstractmethod
    def _generate(self, batch: Batch, cancelled: Event) -> tuple[Outcome, ...]:
        """``generate``, in the worker thread; once ``cancelled`` is set it ends at the next token."""

    def facts(self) -> EngineFacts:
        return evolve(self._in_use(self._facts), generation=self._used.facts())

    def process_ids(self) -> tuple[int, ...]:
        return (os.getpid(),)

    def counters(self) -> None:
        return None

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        cancelled = Event()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._in_use(self._executor), self._generate, batch, cancelled)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            cancelled.set()
            while not work.done():  # however often it is cancelled: the engine must not work past the window
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([work])
            raise

    def _in_use(self, part: _Part | None) -> _Part:
        if part is None:
            raise BackendError(f"the {self.NAME} backend is not loaded")
        return part
