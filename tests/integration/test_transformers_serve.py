"""``transformers serve`` with the real small model: no ``[DONE]``, usage on the last chunk, no list of models."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from ai_energy_benchmarks.backends.model.files import resolve_model
from ai_energy_benchmarks.backends.model.small_model import HUB_ID
from ai_energy_benchmarks.backends.server.process import ServerProcess, free_port
from ai_energy_benchmarks.backends.server.tokens import local_counter
from ai_energy_benchmarks.config.model import (
    BackendConfig,
    BenchmarkConfig,
    GenerateKwargs,
    LoadConfig,
    ProtocolConfig,
    ScenarioConfig,
    WarmupConfig,
)
from ai_energy_benchmarks.domain.progress import Silent
from ai_energy_benchmarks.domain.prompts import Message, Prompt, Request
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.runner import BenchmarkRunner

_NEEDED = ("torch", "transformers", "fastapi", "uvicorn", "openai")
_MISSING = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
if _MISSING:
    pytest.skip(
        f'{", ".join(_MISSING)} not installed; pip install "transformers[serving]" torch', allow_module_level=True
    )

TOKENS = 6


@frozen
class Served:
    """A running server and the directory of its model, which is also the model's name."""

    endpoint: str
    directory: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server in a process of its own."""
    try:
        directory = resolve_model(HUB_ID, Silent()).path_or_id
    except BackendError as error:
        pytest.skip(f"the small model is not here: {error.message}")
    port = free_port()
    command = (sys.executable, "-m", "transformers.cli.transformers", "serve", directory)
    log = tmp_path_factory.mktemp("serve") / "server.log"
    server = ServerProcess(
        (*command, "--host", "127.0.0.1", "--port", str(port)), f"http://127.0.0.1:{port}/health", log, 120.0
    )
    server.start(Silent())
    try:
        yield Served(f"http://127.0.0.1:{port}/v1", directory)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def result(served: Served, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkResult:
    """Two trials of three prompts, two requests at once."""
    config = BenchmarkConfig(
        backend=BackendConfig("openai", served.directory, endpoint=served.endpoint),
        scenario=ScenarioConfig(num_samples=3, generate_kwargs=GenerateKwargs(max_new_tokens=TOKENS)),
        load=LoadConfig(concurrency=2),
        protocol=ProtocolConfig(bare_idle_s=0, resident_idle_s=0, warmup=WarmupConfig(requests=2), trials=2),
        output_dir=Path(tmp_path_factory.mktemp("result")),
    )
    return BenchmarkRunner(config, reporters=[]).measure()


def test_every_request_succeeds_with_the_server_s_counts(result: BenchmarkResult) -> None:
    """Each answer has all the tokens that were asked for, counted by the server, and one event for each."""
    assert [failure.reason for trial in result.trials for failure in trial.failures] == []
    done = [each for trial in result.trials for each in trial.completions]
    assert len(done) == 6
    assert {(each.output_tokens, each.token_source, each.finish_reason) for each in done} == {
        (TOKENS, "usage", "length")
    }
    assert all(TOKENS - 1 <= len(each.token_times_s) <= TOKENS for each in done)


def test_prompt_tokens_are_those_of_the_model_s_own_template(result: BenchmarkResult, served: Served) -> None:
    """The server's prompt counts equal those of its tokenizer with its chat template."""
    counter = local_counter(served.directory)
    for each in result.trials[0].completions:
        prompt = Prompt(0, result.prompts[result.prompt_indices[each.number]])
        assert each.prompt_tokens == counter.prompt_tokens(Request(0, prompt, (Message("user", prompt.text),)))


def test_the_energy_is_that_of_the_server_s_process(result: BenchmarkResult) -> None:
    """The server is found by its port, and what its process used is what the windows hold."""
    cpu = next((each for each in result.summary.components if each.component == "cpu"), None)
    assert cpu is not None
    assert cpu.energy_j > 0
    levels = {finding.check: finding.level for finding in result.verdict.findings}
    assert levels["requests"] == "PASS"
    assert levels["client CPU"] == "PASS"
