"""TensorRT-LLM in process, against a double of its API: it cannot be installed from an index of Python packages."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("transformers", reason="the tokenizer of the double is transformers'")

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.offline.tensorrt_llm import TensorRTOfflineBackend, TensorRTOfflineOptions
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.tiny_model import save_tiny_model

DOUBLES = Path(__file__).parents[1] / "doubles"


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The double on the path, gone afterwards."""
    monkeypatch.syspath_prepend(str(DOUBLES))
    import tensorrt_llm

    yield tensorrt_llm
    for name in [each for each in sys.modules if each.split(".")[0] == "tensorrt_llm"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", end_ids=[1])


def backend(model: Path, **options: object) -> TensorRTOfflineBackend:
    chosen = TensorRTOfflineOptions(**options)  # type: ignore[arg-type] # under test
    return TensorRTOfflineBackend(BackendSettings(str(model), "auto", (0,), None, "text-generation", chosen))


def batch(*texts: str, seed: int = 0, **generation: object) -> Batch:
    requests = tuple(Request(n, Prompt(n, text), (Message("user", text),)) for n, text in enumerate(texts))
    return Batch(requests, Generation(**{"max_new_tokens": 9, **generation}), seed=seed)  # type: ignore[arg-type] # under test


def generate(engine: TensorRTOfflineBackend, wanted: Batch) -> list[Outcome]:
    with engine:
        return list(asyncio.run(engine.generate(wanted)))


def test_a_batch_has_the_engine_s_token_ids_and_a_time_for_each(model: Path) -> None:
    """Ids, counts and finish reason are the engine's; all requests are on their way at once."""
    texts = ("a", "hello there", "x" * 60)
    outcomes = generate(backend(model), batch(*texts))
    for text, outcome in zip(texts, outcomes, strict=True):
        assert isinstance(outcome, Completion), outcome
        prompt = f"<|user|>{text}\n<|assistant|>"
        assert outcome.prompt_tokens == len(prompt)
        assert outcome.output_tokens == len(outcome.token_times_s) == len(outcome.output_token_ids) == 9
        assert list(outcome.token_times_s) == sorted(outcome.token_times_s)
        assert outcome.token_times_s[0] < outcome.token_times_s[-1]
        assert (outcome.finish_reason, outcome.token_source, outcome.cached_prompt_tokens) == ("length", "token_ids", 0)
    first, _, last = (each.token_times_s for each in outcomes if isinstance(each, Completion))
    assert last[0] < first[-1]


def test_greedy_is_said_in_the_engine_s_way_and_a_stop_string_is_not_cut_away(model: Path, engine: ModuleType) -> None:
    """Without a temperature the likeliest token is taken, by the one setting that means so in every version."""
    generate(backend(model), batch("a", min_new_tokens=3, stop_strings=("END",)))
    [asked] = engine.started[-1].asked
    params = asked.params
    assert params.greedy
    assert (params.top_k, params.temperature, params.max_tokens, params.min_tokens) == (1, None, 9, 3)
    assert (params.stop, params.include_stop_str_in_output, params.detokenize) == (["END"], True, False)


def test_sampling_is_sampling_also_without_a_temperature(model: Path, engine: ModuleType) -> None:
    """``do_sample`` alone would be greedy to this engine, so it is told the temperature 1."""
    subject = backend(model)
    with subject:
        asyncio.run(subject.generate(batch("a", do_sample=True, seed=7)))
        assert subject.facts().generation["seed"] == 7
    [asked] = engine.started[-1].asked
    assert not asked.params.greedy
    assert (asked.params.temperature, asked.params.seed) == (1.0, 7)


def test_every_option_reaches_the_engine(model: Path, engine: ModuleType) -> None:
    """Sizes go to ``LLM`` under their own names, the cache's share to its ``KvCacheConfig``."""
    sizes: dict[str, object] = {
        "dtype": "bfloat16",
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 1,
        "max_batch_size": 4,
        "max_num_tokens": 512,
        "max_seq_len": 128,
        "trust_remote_code": True,
    }
    subject = backend(
        model, **sizes, kv_cache_free_gpu_memory_fraction=0.5, engine_args={"enable_chunked_prefill": True}
    )
    with subject:
        started = engine.started[-1]
        given = {name: value for name, value in started.arguments.items() if name != "kv_cache_config"}
        assert given == {**sizes, "enable_chunked_prefill": True}
        assert started.kv_cache.free_gpu_memory_fraction == 0.5
        facts = subject.facts()
        assert (facts.engine, facts.settings["max_batch_size"]) == ("TensorRT-LLM 1.2.1", 4)
        assert (facts.dtype, facts.context_tokens) == ("bfloat16", 128)
        assert subject.process_ids() == (os.getpid(),)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"


def test_trials_do_not_find_their_prompts_computed(model: Path, engine: ModuleType) -> None:
    """The engine reuses blocks of its cache unless told otherwise; here it is told, unless that was asked for."""
    with backend(model):
        assert not engine.started[-1].kv_cache.enable_block_reuse
    with backend(model, enable_block_reuse=True):
        assert engine.started[-1].kv_cache.enable_block_reuse


def test_one_request_that_fails_fails_alone(model: Path, engine: ModuleType) -> None:
    """A refused request and one that breaks midway carry the engine's words; the others finish."""
    refused, well = generate(backend(model, max_num_tokens=40), batch("x" * 60, "a"))
    assert isinstance(refused, FailedCompletion)
    assert "max_num_tokens (40)" in refused.reason
    assert isinstance(well, Completion)
    broken, well = generate(backend(model), batch("a", "b", do_sample=True, seed=engine.ERROR_SEED))
    assert isinstance(broken, FailedCompletion)
    assert broken.reason == "RequestError: out of blocks"
    assert isinstance(well, Completion)


def test_an_engine_that_dies_in_a_way_of_its_own_is_told(
    model: Path, engine: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is no RuntimeError is the reason of all requests too, and this one says that none will succeed."""

    class EngineDeadError(Exception):
        """As vLLM has it."""

    def die(*_: object, **__: object) -> None:
        raise EngineDeadError("a worker is gone")

    monkeypatch.setattr(engine.LLM, "generate_async", die)
    monkeypatch.setattr(TensorRTOfflineBackend, "_engine_errors", lambda _: (EngineDeadError,))
    outcomes = generate(backend(model), batch("a", "b"))
    told = [(each.reason, each.backend_dead) for each in outcomes if isinstance(each, FailedCompletion)]
    assert told == [("EngineDeadError: a worker is gone", True)] * 2


def test_a_prompt_that_does_not_fit_is_told_before_it_is_sent(model: Path) -> None:
    """The model's own limit holds although the engine would only find out later."""
    wanted = batch("x" * 4000)
    [outcome] = generate(backend(model), Batch(wanted.requests, wanted.generation, truncation=False))
    assert isinstance(outcome, FailedCompletion)
    assert "context" in outcome.reason


def test_cancelling_aborts_the_requests_and_waits_for_the_engine(model: Path, engine: ModuleType) -> None:
    """After a cancel nothing goes on: the engine has said of every request that it is over."""
    subject = backend(model)

    async def cancel() -> None:
        work = asyncio.ensure_future(subject.generate(batch("a", "b", max_new_tokens=100)))
        await asyncio.sleep(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert [each.aborted() for each in engine.started[-1].asked] == [True, True]
        assert [each.outputs[0].finish_reason for each in engine.started[-1].asked] == ["cancelled", "cancelled"]

    with subject:
        asyncio.run(cancel())


def test_leaving_ends_the_engine_and_its_threads(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the boards that were shown to it are forgotten."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    generate(backend(model), batch("a"))
    names = {each.name for each in threading.enumerate()}
    assert not {"engine", "tensorrt_llm_offline_0"} & names
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_an_engine_that_does_not_start_says_why(model: Path) -> None:
    """The engine's own words are in the error, and nothing of it stays."""
    with pytest.raises(BackendError, match="no_such_argument"), backend(model, engine_args={"no_such_argument": 1}):
        pass
    assert "tensorrt_llm_offline_0" not in {each.name for each in threading.enumerate()}


def test_what_it_cannot_do_is_said_before_loading(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More boards than there are, another device, several batches at once, and a missing package."""
    subject = backend(model, tensor_parallel_size=2, pipeline_parallel_size=2)
    demand = Demand(Generation(), concurrency=3)
    boards, load = "need 4", "offline engine takes whole batches"
    assert [text for text in (boards, load) if text in "\n".join(subject.problems(demand))] == [boards, load]
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(DOUBLES)])
    del sys.modules["tensorrt_llm"]
    assert install_line("tensorrt") in "\n".join(backend(model).problems(Demand(Generation())))


def test_a_whole_run(model: Path, tmp_path: Path) -> None:
    """From a config file by its name in the registry to a report with tokens and latencies."""
    config = tmp_path / "config.yaml"
    config.write_text(
        f"backend: {{type: tensorrt_llm_offline, model: '{model}', options: {{max_batch_size: 2}}}}\n"
        "scenario: {num_samples: 4, input_shapes: {batch_size: 2}, generate_kwargs: {max_new_tokens: 5}}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}, trials: 2}\n"
        f"output_dir: {tmp_path / 'out'}\n"
    )
    result = BenchmarkRunner(load_config(config), reporters=[]).measure()
    assert (result.summary.succeeded, result.summary.output_tokens) == (4, 20)
    assert result.summary.ttft_s is not None
    assert result.engine is not None
    assert result.engine.engine == "TensorRT-LLM 1.2.1"
