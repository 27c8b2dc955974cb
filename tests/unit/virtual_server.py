"""A scripted vLLM on a virtual clock: requests of any length, and the GPU works while one of them runs."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar

from attrs import define, field, frozen

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, FinishReason, Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.prompts import Batch, Prompt, Request, Tokenizer
from ai_energy_benchmarks.domain.serving import ServerCounters, ServerGauges
from ai_energy_benchmarks.testing import VirtualClock
from tests.unit.virtual_gpu import Gpu
from tests.unit.virtual_meters import ENGINE_PID, GPU_IDS

# The beginning of every rendered prompt: one block of vLLM's cache, which a chat template fills alone.
HEADER_TOKENS = 16


@frozen
class NoOptions:
    """No options."""


@frozen
class Script:
    """How the server answers.

    Attributes:
        output_tokens: of a request, by its number in the pass.
        prompt_tokens: of every request.
        cached_tokens: those that are found in the prefix cache, of every request but the first.
        counted: what its own counter of output tokens says of each that it sent.
        failing: requests of a pass that fail.
        goes_on: whether it goes on with a request whose client has left, for ever.
        slots: how many requests run at once; the others wait.
        board_ids: GPUs that it says it uses.
    """

    output_tokens: Callable[[int], int] = lambda _: 250
    ttft_s: float = 0.05
    tpot_s: float = 0.02
    prompt_tokens: int = 150
    cached_tokens: int = HEADER_TOKENS
    failing: int = 0
    counted: float = 1.0
    goes_on: bool = False
    slots: int = 1000
    board_ids: tuple[str, ...] | None = GPU_IDS[:1]


@define
class ScriptedServer:
    """The backend that talks to it."""

    Options: ClassVar[type] = NoOptions
    needs_endpoint: ClassVar[bool] = True

    clock: VirtualClock
    gpu: Gpu
    script: Script = field(factory=Script)
    tokenizer: Tokenizer | None = None
    running: int = 0
    waiting: int = 0
    sent: int = 0
    prompt_tokens: int = 0
    output_tokens: float = 0.0
    hits: int = 0
    ghosts_since_s: list[float] = field(factory=list)
    cancelled: list[Completion] = field(factory=list)
    _slots: asyncio.Semaphore = field(init=False)

    @_slots.default
    def _free(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self.script.slots)

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> ScriptedServer:
        raise NotImplementedError

    def problems(self, demand: Demand) -> tuple[str, ...]:
        return ()

    def __enter__(self) -> ScriptedServer:
        self.clock.time_s += 20.0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def facts(self) -> EngineFacts:
        device = "cuda:0" if self.script.board_ids else None
        return EngineFacts(
            "vllm",
            "vLLM 0.11.0",
            "llama",
            device=device,
            board_ids=self.script.board_ids,
            settings={"salt": "key", "common_prefix_tokens": HEADER_TOKENS},
        )

    def process_ids(self) -> tuple[int, ...]:
        return (ENGINE_PID,)

    def counters(self) -> ServerCounters:
        ghosts = sum((self.clock.now_s() - since_s) / self.script.tpot_s for since_s in self.ghosts_since_s)
        return ServerCounters(
            prompt_tokens=self.prompt_tokens,
            output_tokens=round(self.output_tokens + ghosts),
            prefix_cache_queries_tokens=self.prompt_tokens,
            prefix_cache_hit_tokens=self.hits,
            preemptions=0,
        )

    def take_cancelled(self) -> tuple[Completion, ...]:
        taken, self.cancelled = tuple(self.cancelled), []
        return taken

    async def gauges(self) -> ServerGauges:
        return ServerGauges(float(self.running + len(self.ghosts_since_s)), float(self.waiting), 0.1)

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        (request,) = batch.requests
        sent_s = self.clock.now_s()
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        self._run(1)
        try:
            return (await self._answer(request, sent_s),)
        finally:
            self._run(-1)
            self._slots.release()

    def _run(self, change: int) -> None:
        self.running += change
        self.gpu.works(self.clock.now_s(), self.running > 0 or bool(self.ghosts_since_s))

    async def _answer(self, request: Request, sent_s: float) -> Outcome:
        script, begin_s = self.script, self.clock.now_s()
        if request.number < script.failing:
            return FailedCompletion(request.number, "the server is overloaded", sent_s, begin_s)
        tokens = script.output_tokens(request.number)
        self.prompt_tokens += script.prompt_tokens
        self.hits += script.cached_tokens if self.sent else 0
        self.sent += 1
        try:
            await self.clock.sleep(script.ttft_s + (tokens - 1) * script.tpot_s)
        except asyncio.CancelledError:  # its client has left, as that of a filler does
            decoding_s = self.clock.now_s() - begin_s - script.ttft_s
            sent = max(0, min(tokens, math.floor(decoding_s / script.tpot_s) + 1))
            if script.goes_on:
                self.ghosts_since_s.append(self.clock.now_s())
            self.cancelled.append(self._completion(request, sent_s, begin_s, sent, "cancelled"))
            raise
        return self._completion(request, sent_s, begin_s, tokens, "length")

    def _completion(
        self, request: Request, sent_s: float, begin_s: float, tokens: int, reason: FinishReason
    ) -> Completion:
        script = self.script
        self.output_tokens += tokens * script.counted
        times_s = (begin_s + script.ttft_s + script.tpot_s * i for i in range(tokens))
        return Completion(
            number=request.number,
            prompt_tokens=0 if reason == "cancelled" else script.prompt_tokens,
            output_tokens=tokens,
            token_source="usage",
            sent_s=sent_s,
            token_times_s=array("d", times_s),
            finished_s=self.clock.now_s(),
            finish_reason=reason,
        )


@frozen
class Prompts:
    """A dataset of as many different prompts as are wanted."""

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        return tuple(Prompt(index, f"{index} is a number. What do you know about it?") for index in range(count))
