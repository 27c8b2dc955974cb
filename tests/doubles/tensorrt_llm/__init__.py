"""Stands for TensorRT-LLM 1.x where it cannot be installed: the part of its LLM API that is used, without a model.

It keeps what its documentation says: arguments that it does not know are refused, a stream belongs to the event loop it
was asked for in, ``token_ids`` grows from step to step, stop strings are cut away unless asked for, an aborted request
ends with the reason ``cancelled``, and the engine works in a thread of its own. Ids are the prompt's, over and over.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tensorrt_llm.llmapi import KvCacheConfig

__version__ = "1.2.1"

STEP_S = 0.004
started: list[LLM] = []

_LLM_ARGUMENTS = {
    *("dtype", "tensor_parallel_size", "pipeline_parallel_size", "max_batch_size", "max_num_tokens", "max_seq_len"),
    *("trust_remote_code", "kv_cache_config", "enable_chunked_prefill", "backend"),
}


class RequestError(RuntimeError):
    """One request cannot be served; the engine goes on."""


@dataclass(kw_only=True)
class SamplingParams:
    end_id: int | None = None
    max_tokens: int = 32
    stop: str | list[str] | None = None
    include_stop_str_in_output: bool = False
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    seed: int | None = None
    temperature: float | None = None
    min_tokens: int | None = None
    repetition_penalty: float | None = None
    detokenize: bool = True

    @property
    def greedy(self) -> bool:
        return (self.temperature, self.top_p, self.top_k) == (None, None, None) or self.top_k == 1


@dataclass
class CompletionOutput:
    index: int
    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str | None = None


class RequestOutput:
    """A request on its way."""

    def __init__(self, request_id: int, prompt_token_ids: list[int], params: SamplingParams) -> None:
        self.request_id = request_id
        self.prompt_token_ids = prompt_token_ids
        self.params = params
        self.outputs = [CompletionOutput(0)]
        self.finished = False
        self.cached_tokens = 0
        self._aborted = False
        self._loop = asyncio.get_running_loop()
        self._steps: asyncio.Queue[tuple[list[int], str | None, str]] = asyncio.Queue()

    def put(self, token_ids: list[int], finish_reason: str | None, error: str = "") -> None:
        self._loop.call_soon_threadsafe(self._steps.put_nowait, (token_ids, finish_reason, error))

    def abort(self) -> None:
        self._aborted = True

    def aborted(self) -> bool:
        return self._aborted

    async def aresult(self) -> RequestOutput:
        while not self.finished:
            await self._step()
        return self

    def __aiter__(self) -> AsyncIterator[RequestOutput]:
        return self

    async def __anext__(self) -> RequestOutput:
        if self.finished:
            raise StopAsyncIteration
        await self._step()
        return self

    async def _step(self) -> None:
        assert asyncio.get_running_loop() is self._loop, "a stream belongs to the loop that it was asked for in"
        token_ids, reason, error = await self._steps.get()
        if error:
            self.finished = True
            raise RequestError(error)
        self.outputs[0].token_ids.extend(token_ids)
        self.outputs[0].finish_reason = reason
        self.finished = reason is not None


class LLM:
    """The engine."""

    def __init__(self, model: str, tokenizer: object = None, revision: str | None = None, **arguments: Any) -> None:
        unknown = set(arguments) - _LLM_ARGUMENTS
        if unknown:
            raise ValueError(f"Extra inputs are not permitted: {sorted(unknown)}")
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.arguments = arguments
        self.kv_cache: KvCacheConfig = arguments.get("kv_cache_config") or KvCacheConfig()
        self.asked: list[RequestOutput] = []
        self._running: list[RequestOutput] = []
        self._open = True
        self._thread = threading.Thread(target=self._work, name="engine")
        self._thread.start()
        started.append(self)

    def generate_async(
        self, inputs: list[int], sampling_params: SamplingParams | None = None, *, streaming: bool = False
    ) -> RequestOutput:
        assert streaming
        assert all(isinstance(each, int) for each in inputs)
        params = sampling_params or SamplingParams()
        longest = self.arguments.get("max_num_tokens")
        if longest is not None and len(inputs) > longest:
            raise ValueError(f"The sum of prompt length ({len(inputs)}) should not exceed max_num_tokens ({longest})")
        output = RequestOutput(len(self.asked), inputs, params)
        self.asked.append(output)
        self._running.append(output)
        return output

    def shutdown(self) -> None:
        self._open = False
        self._thread.join()

    def _work(self) -> None:
        done: dict[int, int] = {}
        while self._open:
            time.sleep(STEP_S)
            for each in list(self._running):
                made = done[each.request_id] = done.get(each.request_id, 0) + 1
                reason = "cancelled" if each.aborted() else "length" if made >= each.params.max_tokens else None
                error = "out of blocks" if each.params.seed == ERROR_SEED and made == 2 else ""
                ids = [] if each.aborted() else [each.prompt_token_ids[(made - 1) % len(each.prompt_token_ids)]]
                each.put(ids, reason, error)
                if reason or error:
                    self._running.remove(each)


ERROR_SEED = 666  # a request with this seed fails after its first token
