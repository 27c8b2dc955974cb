"""A server that computes in virtual time, and the meter that sees its energy exactly.

An hour of load takes seconds::

    clock = VirtualClock()
    server = VirtualServer(clock, output_tokens=lambda request: 200)
    runner = BenchmarkRunner(config, backend=server, collector=VirtualCollector(clock, server.engine), clock=clock)
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import ClassVar

from attrs import define, field

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.domain.completions import Completion, FinishReason, Outcome
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Reading, Recipe, Samples, Series, Workload
from ai_energy_benchmarks.domain.prompts import Batch, Request, Tokenizer
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.domain.serving import ServerCounters, ServerGauges
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.testing.engine import Engine, Job
from ai_energy_benchmarks.testing.fakes import FakeOptions
from ai_energy_benchmarks.testing.virtual_clock import VirtualClock

_GPU = Device("gpu", "virtual-gpu", "GPU in virtual time")


def _as_asked(request: Request) -> int:
    return request.prompt.output_tokens or 0


@define(eq=False)
class VirtualServer:
    """A backend that streams from an ``Engine``.

    Attributes:
        clock: on which it works.
        engine: that makes the tokens.
        tokenizer: for datasets and formatters that need one.
        output_tokens: length of a request's output; 0 stands for ``max_new_tokens``.
        prompt_tokens: length of its prompt.
        shows_load: whether it has gauges and counters.
        aborts: whether it drops a request whose client has left; else it goes on with it.
        event_tokens: output tokens in one event of a stream; 0 sends each answer in one piece.
        salts: the salt of each request, in order of arrival.
    """

    Options: ClassVar[type] = FakeOptions
    needs_endpoint: ClassVar[bool] = True

    clock: VirtualClock
    engine: Engine = field(factory=Engine)
    output_tokens: Callable[[Request], int] = _as_asked
    prompt_tokens: Callable[[Request], int] = lambda request: 100
    shows_load: bool = True
    aborts: bool = True
    event_tokens: int = 1
    tokenizer: Tokenizer | None = None
    salts: list[str] = field(factory=list)
    _cancelled: list[Completion] = field(factory=list)
    _working: asyncio.Task[None] | None = None

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> VirtualServer:
        return cls(VirtualClock())

    def problems(self, demand: Demand) -> tuple[str, ...]:
        return ()

    def __enter__(self) -> VirtualServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._working is not None:
            self._working.cancel()

    def facts(self) -> EngineFacts:
        return EngineFacts("virtual", "engine in virtual time", "virtual-model", device="cuda", board_ids=(_GPU.id,))

    def process_ids(self) -> tuple[int, ...]:
        return ()

    def counters(self) -> ServerCounters | None:
        return ServerCounters(output_tokens=self.engine.tokens_made) if self.shows_load else None

    async def gauges(self) -> ServerGauges | None:
        """Requests in the batch and in the queue (``backends.base.ShowsLoad``)."""
        return ServerGauges(self.engine.running, self.engine.waiting) if self.shows_load else None

    def take_cancelled(self) -> tuple[Completion, ...]:
        """Requests cancelled since the last call (``backends.base.KeepsCancelled``)."""
        taken, self._cancelled = tuple(self._cancelled), []
        return taken

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        return tuple(await asyncio.gather(*(self._one(request, batch) for request in batch.requests)))

    async def _work(self) -> None:
        """One step after the other while there is work."""
        engine, clock = self.engine, self.clock
        while engine.busy():
            await clock.sleep(engine.begin(clock.now_s()))
            if engine.complete(clock.now_s()):
                await clock.sleep(0.0)  # whoever has waited for an answer sends the next request first

    async def _one(self, request: Request, batch: Batch) -> Completion:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(_: Job) -> None:
            if not over.done():
                over.set_result(None)

        length = self.output_tokens(request) or batch.generation.max_new_tokens
        job, sent_s = Job(self.prompt_tokens(request), length, done), self.clock.now_s()
        self.salts.append(batch.salt)
        self.engine.submit(job)
        if self._working is None or self._working.done():
            self._working = asyncio.ensure_future(self._work())
        try:
            await over
        except asyncio.CancelledError:
            self._cancelled.append(self._completion(request, job, sent_s, "cancelled"))
            if self.aborts:
                self.engine.drop(job)
            raise
        return self._completion(request, job, sent_s, "length")

    def _completion(self, request: Request, job: Job, sent_s: float, reason: FinishReason) -> Completion:
        times_s, tokens = self._events(job), self.engine.generated(job)
        return Completion(
            number=request.number,
            prompt_tokens=0 if reason == "cancelled" else job.prompt_tokens,
            output_tokens=len(times_s) if reason == "cancelled" else tokens,
            token_source="usage",
            sent_s=sent_s,
            token_times_s=times_s,
            finished_s=self.clock.now_s(),
            finish_reason=reason,
            first_event_tokens=1 if self.event_tokens == 1 else None,
        )

    def _events(self, job: Job) -> Sequence[float]:
        """When each event was sent: after every so many tokens, and at the end."""
        first, tokens = job.first_step, self.engine.generated(job)
        if first is None:
            return array("d")
        steps_s = self.engine.step_s[first : first + tokens]
        if not self.event_tokens:
            return steps_s[-1:] if tokens == job.output_tokens else array("d")
        events = steps_s[self.event_tokens - 1 :: self.event_tokens]
        if tokens == job.output_tokens and tokens % self.event_tokens:
            events.append(steps_s[-1])
        return events


@define(eq=False)
class VirtualCollector:
    """Sees the energy of an engine as it is, at any moment.

    Attributes:
        clock: that it reads.
        engine: whose energy it sees.
    """

    Options: ClassVar[type] = FakeOptions

    clock: VirtualClock
    engine: Engine

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> VirtualCollector:
        return cls(VirtualClock(), Engine())

    def __enter__(self) -> VirtualCollector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def components(self) -> tuple[Component, ...]:
        return ("gpu",)

    def attach(self, workload: Workload) -> None: ...

    def counted_devices(self) -> frozenset[str] | None:
        return None

    def guard_s(self) -> float:
        return 0.5

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return 0.0

    def mark(self) -> Mark:
        return Mark(self.clock.now_s())

    def read(self, start: Mark, stop: Mark) -> Measurement:
        recipe = Recipe("fresh", "energy_j", _GPU.id, start.time_s, stop.time_s)
        bounds_j = follow(recipe, self._series()).bounds_j
        reading = Reading(_GPU, bounds_j, "measured", "virtual", "continuous", recipe=recipe)
        return Measurement(start.time_s, stop.time_s, (reading,))

    def samples(self) -> Samples:
        return Samples((self._series(),))

    def notes(self) -> tuple[str, ...]:
        return ()

    def _series(self) -> Series:
        self.engine.note(self.clock.now_s())
        knots_s = self.engine.knots_s
        return Series(_GPU, "energy_j", "virtual", knots_s[:], knots_s[:], self.engine.knots_j[:])
